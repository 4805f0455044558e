import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Telemetry } from './telemetry.ts';

/**
 * The pod's own small port: health for Kubernetes, counts for Prometheus. It shares nothing with the public one, so it
 * answers when that is full.
 */
export interface HealthReport {
  /** `ok` by name, or what is missing. All must be ok. */
  readonly checks: Readonly<Record<string, string>>;
}

export interface Health {
  /** Opened what it needs to begin. */
  startup(): HealthReport;
  /** The process answers at all; never depends on the bus or on other pods. */
  live(): HealthReport;
  /** Should be sent work now. */
  ready(): HealthReport;
}

export const OK = 'ok';

export function isHealthy({ checks }: HealthReport): boolean {
  return Object.values(checks).every((check) => check === OK);
}

export interface HealthServer {
  readonly port: number;
  close(): void;
}

export async function serveHealth(
  health: Health,
  telemetry: Telemetry,
  host: string,
  port: number,
): Promise<HealthServer> {
  const reports: Readonly<Record<string, () => HealthReport>> = {
    '/healthz/startup': () => health.startup(),
    '/healthz/live': () => health.live(),
    '/healthz/ready': () => health.ready(),
  };
  const server = createServer((request, response) => {
    const report = reports[request.url ?? '']?.();
    if (report !== undefined) {
      const healthy = isHealthy(report);
      response.writeHead(healthy ? 200 : 503, {
        'content-type': 'application/json',
        'cache-control': 'no-store',
      });
      response.end(JSON.stringify({ status: healthy ? OK : 'failing', checks: report.checks }));
    } else if (request.url === '/metrics') {
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' });
      response.end(telemetry.prometheus());
    } else {
      response.writeHead(404).end();
    }
  });
  server.headersTimeout = 5_000;
  server.requestTimeout = 5_000;
  await listening(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
}
