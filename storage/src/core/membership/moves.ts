import type { Liveness } from '@circlet/shared/membership/member.ts';
import { finished, switched } from '@circlet/shared/ring/change.ts';
import type { Ring, Topology } from '@circlet/shared/ring/topology.ts';
import { toPeer, type Turn } from '../effects.ts';

/**
 * Takes a move from one step to the next (protocol.md, rule 10). Every member says once a second whether it is ready for it, to
 * the first living one that votes; that one proposes the next document when all are. What a member says, it says in frames of
 * the topology that it is about, and whoever sends such a frame has that topology on its disk: so being ready is also the
 * acknowledgement of the step before. One that is away holds the move up, and no write.
 */
export class Moves {
  private readonly name: string;
  private readonly ring: Ring;
  /** When each member last said so. */
  private readonly readyMs = new Map<string, number>();

  constructor(name: string, ring: Ring) {
    this.name = name;
    this.ring = ring;
  }

  /** A member says how far it is, in our topology. */
  heard(from: string, isDone: boolean, nowMs: number): void {
    if (isDone && this.ring.member(from) !== undefined) this.readyMs.set(from, nowMs);
    else this.readyMs.delete(from);
  }

  /** Once a second: the document to propose, when it is ours to do so and its time has come. */
  tick(turn: Turn, isDone: boolean, status: (name: string) => Liveness | undefined): Topology | undefined {
    const { name, ring } = this;
    const { topology } = ring;
    if (topology.move === undefined) return undefined;
    const first = topology.members.find(
      (member) => member.state !== 'joining' && (member.name === name || status(member.name) === 'alive'),
    );
    if (first !== undefined && first.name !== name) {
      turn.effects.push(toPeer(first.name, { kind: 'moved', isDone }));
      return undefined;
    }
    const { monoMs } = turn.now;
    this.heard(name, isDone, monoMs);
    const isReady = (of: string) => monoMs - (this.readyMs.get(of) ?? Number.NEGATIVE_INFINITY) < READY_MS;
    // A disk that was lost is refilled first: until then its slots count on the others.
    if (!topology.members.every((of) => of.state !== 'refilling' && isReady(of.name))) return undefined;
    return topology.move.phase === 'filling' ? switched(topology) : finished(topology);
  }
}

/** Hints may have come since: what was said longer ago is asked anew. */
const READY_MS = 4_000;
