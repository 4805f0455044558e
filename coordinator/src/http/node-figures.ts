import type { Echoed } from '@circlet/shared/protocol/echo.ts';
import type { Ring } from '@circlet/shared/ring/topology.ts';
import type * as z from 'zod';
import type { nodesSchema } from './cluster-schema.ts';
import type { ClusterView } from './port.ts';

/** What is known of each storage node: from the topology, from its own pulse, and from what others say of it. */
export type NodeFigures = z.infer<typeof nodesSchema>['nodes'][number];
export type Liveness = NodeFigures['status'];

export function nodeFigures(view: ClusterView, ring: Ring): NodeFigures[] {
  const { members, owners } = ring.topology;
  const vnodes = members.map(() => 0);
  for (const of of owners) for (const index of of) vnodes[index] = (vnodes[index] ?? 0) + 1;
  return members.map(({ name, disk, zone, state }, index) => {
    const { pulse } = view.node(name);
    return {
      name,
      id: disk,
      zone,
      state,
      status: livenessOf(view, ring, name),
      vnodes: vnodes[index] ?? 0,
      keys: pulse?.keys ?? null,
      bytes: pulse?.bytes ?? null,
      hints: {
        held: pulse === undefined ? null : sum(pulse.hintsHeld.map(({ keys }) => keys)),
        owed: owedTo(view, ring, name),
        oldestAgeMs: pulse?.oldestHintAgeMs ?? null,
      },
      version: pulse?.version ?? null,
    };
  });
}

/**
 * `alive` is what this coordinator reaches itself, because reachability is judged by who must reach. Of a node that it
 * does not reach, the nodes that it does reach know more: they gossip. What they call alive is then only suspect.
 */
export function livenessOf(view: ClusterView, ring: Ring, name: string): Liveness {
  if (view.node(name).reachable) return 'alive';
  let verdict: Echoed['members'][number] | undefined;
  for (const { name: witness } of ring.topology.members) {
    const { reachable, pulse } = view.node(witness);
    const heard = reachable ? pulse?.members.find((member) => member.name === name) : undefined;
    if (heard !== undefined && (verdict === undefined || isNewer(heard, verdict))) verdict = heard;
  }
  return verdict === undefined || verdict.status === 'down' ? 'down' : 'suspect';
}

type Verdict = Pick<Echoed['members'][number], 'status' | 'incarnation'>;

/** SWIM's precedence: the higher incarnation, which only the node itself can raise; within one, the worse news. */
function isNewer(a: Verdict, b: Verdict): boolean {
  return a.incarnation !== b.incarnation
    ? a.incarnation > b.incarnation
    : SEVERITY[a.status] > SEVERITY[b.status];
}

const SEVERITY: Record<Liveness, number> = { alive: 0, suspect: 1, down: 2 };

function owedTo(view: ClusterView, ring: Ring, name: string): number | null {
  const pulses = ring.topology.members.flatMap((member) => view.node(member.name).pulse ?? []);
  if (pulses.length === 0) return null;
  return sum(
    pulses.flatMap(({ hintsHeld }) =>
      hintsHeld.filter(({ target }) => target === name).map(({ keys }) => keys),
    ),
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
