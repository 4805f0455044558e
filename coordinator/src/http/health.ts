import * as z from 'zod';
import { type Health as PodHealth, type HealthReport, isHealthy, OK } from '@circlet/otel/health-server.ts';
import type { ClusterView } from './port.ts';
import { jsonReply, type Reply } from './reply.ts';

/**
 * Three questions of a supervisor, which it must not mix up: has it started, is it stuck, may it have traffic. Only the
 * last depends on others: were `live` to fail with the bus, a supervisor would restart every coordinator in turn.
 */
export const healthSchema = z
  .object({
    status: z.enum(['ok', 'failing']),
    checks: z.record(z.string(), z.string()).describe('`ok`, or what is missing.'),
  })
  .meta({ id: 'Health' });

export class Health implements PodHealth {
  private readonly view: ClusterView;
  private readonly draining: () => boolean;
  private started = false;

  constructor(view: ClusterView, draining: () => boolean) {
    this.view = view;
    this.draining = draining;
  }

  startup(): HealthReport {
    // Once started it stays so: a bus that goes away later is a matter of readiness.
    this.started ||= this.view.ring !== undefined;
    return { checks: { topology: this.started ? OK : NO_TOPOLOGY } };
  }

  /** That this runs at all is the check: the event loop turns. */
  live(): HealthReport {
    return { checks: { eventLoop: OK } };
  }

  ready(): HealthReport {
    const { ring, connected } = this.view;
    const usable = ring?.topology.members.some(({ name }) => this.isUsable(name)) ?? false;
    return {
      checks: {
        topology: ring === undefined ? NO_TOPOLOGY : OK,
        bus: connected ? OK : 'not connected to NATS',
        storage: usable ? OK : 'no storage pod can be used',
        draining: this.draining() ? 'shutting down' : OK,
      },
    };
  }

  private isUsable(name: string): boolean {
    const { reachable, pulse } = this.view.node(name);
    return reachable && pulse?.ready === true;
  }
}

const NO_TOPOLOGY = 'no topology learnt yet';

/** The answer on the public port; the pod's own port gives the same. */
export function healthReply(report: HealthReport): Reply {
  const healthy = isHealthy(report);
  const body: z.infer<typeof healthSchema> = {
    status: healthy ? OK : 'failing',
    checks: { ...report.checks },
  };
  return jsonReply(healthy ? 200 : 503, body, { 'Cache-Control': 'no-store' });
}
