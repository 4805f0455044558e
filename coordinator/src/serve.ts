import { randomBytes } from 'node:crypto';
import type { Secrets } from '@circlet/shared/adapters/secrets.ts';
import type { Notice } from '@circlet/shared/machine.ts';
import { createApp } from './http/app.ts';
import { Health } from './http/health.ts';
import { serveHttp } from './http/server.ts';
import type { Health as PodHealth, HealthReport } from '@circlet/otel/health-server.ts';
import type { CoordinatorPod } from './pod.ts';

/** A coordinator pod's HTTP API on a port: the same for a process of its own and for a cluster in one process. */
export interface ApiOptions {
  readonly pod: CoordinatorPod;
  readonly secrets: Secrets;
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly connectionsMax: number;
  readonly notice: (notice: Notice) => void;
}

export interface Api {
  readonly port: number;
  readonly health: PodHealth;
  /** Not ready at once; then takes no new connection and lets requests finish for `graceMs`. */
  close(graceMs: number): Promise<void>;
}

export async function serveApi({ pod, secrets, host, port, connectionsMax, notice }: ApiOptions): Promise<Api> {
  let isDraining = false;
  const draining = () => isDraining;
  const app = createApp({
    port: pod,
    clusterKey: secrets.clusterKey,
    contextKeys: secrets.contextKeys,
    signWith: secrets.signWith,
    wallClockMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    randomBytes,
    draining,
    log: notice,
  });
  const server = await serveHttp(app, { host, port, log: notice, randomBytes, bounds: { connectionsMax } });
  return {
    port: server.port,
    health: reportsOf(new Health(pod.cluster, draining)),
    close: (graceMs) => {
      isDraining = true;
      return server.close(graceMs);
    },
  };
}

function reportsOf(health: Health): PodHealth {
  const report = ({ body }: ReturnType<Health['live']>) => JSON.parse(String(body)) as HealthReport;
  return {
    startup: () => report(health.startup()),
    live: () => report(health.live()),
    ready: () => report(health.ready()),
  };
}
