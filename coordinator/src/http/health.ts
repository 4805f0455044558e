import * as z from 'zod';
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

export class Health {
  private readonly view: ClusterView;
  private readonly draining: () => boolean;
  private started = false;

  constructor(view: ClusterView, draining: () => boolean) {
    this.view = view;
    this.draining = draining;
  }

  startup(): Reply {
    // Once started it stays so: a bus that goes away later is a matter of readiness.
    this.started ||= this.view.ring !== undefined;
    return answer({ topology: this.started ? OK : NO_TOPOLOGY });
  }

  /** That this runs at all is the check: the event loop turns. */
  live(): Reply {
    return answer({ eventLoop: OK });
  }

  ready(): Reply {
    const { ring, connected } = this.view;
    const usable = ring?.topology.members.some(({ name }) => this.isUsable(name)) ?? false;
    return answer({
      topology: ring === undefined ? NO_TOPOLOGY : OK,
      bus: connected ? OK : 'not connected to NATS',
      storage: usable ? OK : 'no storage pod can be used',
      draining: this.draining() ? 'shutting down' : OK,
    });
  }

  private isUsable(name: string): boolean {
    const { reachable, pulse } = this.view.node(name);
    return reachable && pulse?.ready === true;
  }
}

const OK = 'ok';
const NO_TOPOLOGY = 'no topology learnt yet';

function answer(checks: Record<string, string>): Reply {
  const isOk = Object.values(checks).every((check) => check === OK);
  const body: z.infer<typeof healthSchema> = { status: isOk ? 'ok' : 'failing', checks };
  return jsonReply(isOk ? 200 : 503, body, { 'Cache-Control': 'no-store' });
}
