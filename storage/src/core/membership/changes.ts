import type { SipKey } from '@circlet/shared/hash/siphash.ts';
import type { Liveness } from '@circlet/shared/membership/member.ts';
import type { Candidate as Called, ChangeAsk, ChangeTold } from '@circlet/shared/protocol/change.ts';
import { NODES_MAX } from '@circlet/shared/protocol/limits.ts';
import { begun, type Candidate, cancelled, type Change, ChangeRefused } from '@circlet/shared/ring/change.ts';
import { NO_TOPOLOGY, Ring, type Topology, type TopologyDigest } from '@circlet/shared/ring/topology.ts';

/**
 * What operators ask of this member: what would come of a change, and that it be chosen. Pods that want to join say so
 * themselves, so that their disks and zones are what they are.
 */
export class Changes {
  private readonly clusterKey: SipKey;
  private readonly candidates = new Map<string, Called & { readonly atMs: number }>();
  /** Of the last topologies that this life has adopted. */
  private readonly adopted: TopologyDigest[] = [];
  private ring: Ring | undefined;

  constructor(clusterKey: SipKey) {
    this.clusterKey = clusterKey;
  }

  adopt(ring: Ring): void {
    this.ring = ring;
    this.adopted.push(ring.digest);
    if (this.adopted.length > ADOPTED_MAX) this.adopted.shift();
    for (const { name } of ring.topology.members) this.candidates.delete(name);
  }

  /** A pod that is in no topology wants to be in ours. */
  called(name: string, candidate: Called, nowMs: number): void {
    if (!this.candidates.has(name) && this.candidates.size >= NODES_MAX) return;
    this.candidates.set(name, { ...candidate, atMs: nowMs });
  }

  /** What to answer, and the document to propose, if any. `isRunning`: something has been proposed here already. */
  asked(
    ask: ChangeAsk,
    nowMs: number,
    status: (name: string) => Liveness | undefined,
    isRunning: boolean,
  ): { readonly answer: Omit<ChangeTold, 'id'>; readonly proposes: Topology | undefined } {
    const { ring } = this;
    if (ring === undefined) return refusal('this pod has no topology yet');
    const { commits } = ask;
    if (commits !== undefined && this.adopted.includes(commits))
      return { answer: { ...told('chosen'), digest: commits }, proposes: undefined };
    if (commits !== undefined && isRunning)
      return { answer: { ...told('proposed'), digest: commits }, proposes: undefined };
    try {
      const topology = this.document(ring.topology, ask, nowMs, status);
      const { digest, bytes } = new Ring(topology, this.clusterKey);
      if (commits === undefined)
        return { answer: { ...told('planned'), digest, document: bytes }, proposes: undefined };
      if (commits !== digest) return refusal('the cluster has changed since this was planned: plan it again');
      return { answer: { ...told('proposed'), digest }, proposes: topology };
    } catch (error) {
      if (!(error instanceof ChangeRefused)) throw error;
      return refusal(error.message);
    }
  }

  private document(
    topology: Topology,
    { verb, names, weight }: ChangeAsk,
    nowMs: number,
    status: (name: string) => Liveness | undefined,
  ): Topology {
    if (verb === 'cancel') return cancelled(topology);
    const [first, second] = names;
    let change: Change;
    if (verb === 'join') {
      change = { kind: 'join', members: names.map((name) => this.candidate(name, nowMs)) };
    } else if (verb === 'leave') {
      change = { kind: 'leave', names };
    } else if (verb === 'weight') {
      if (first === undefined || names.length !== 1)
        throw new ChangeRefused('name one member and its weight');
      change = { kind: 'weight', name: first, weight };
    } else {
      if (first === undefined || second === undefined || names.length !== 2)
        throw new ChangeRefused('name the member that goes and the pod that comes');
      const isDead = status(first) === 'down';
      change = { kind: 'replace', name: first, by: this.candidate(second, nowMs), isDead };
    }
    return begun(topology, change);
  }

  private candidate(name: string, nowMs: number): Candidate {
    const called = this.candidates.get(name);
    if (called === undefined || nowMs - called.atMs > CALLED_MS) {
      const isMember = this.ring?.member(name) !== undefined;
      throw new ChangeRefused(
        isMember
          ? `${name} is a member already`
          : `no pod called ${name} with an empty disk has asked to join`,
      );
    }
    const { disk, zone, weight } = called;
    return { name, disk, zone, weight };
  }
}

function told(status: ChangeTold['status']): Omit<ChangeTold, 'id'> {
  return { status, digest: NO_TOPOLOGY, document: new Uint8Array(0), reason: '' };
}

function refusal(reason: string): { answer: Omit<ChangeTold, 'id'>; proposes: undefined } {
  return { answer: { ...told('refused'), reason: reason.slice(0, REASON_MAX) }, proposes: undefined };
}

const ADOPTED_MAX = 16;
const REASON_MAX = 200;
/** Pods call every second or every few. */
const CALLED_MS = 30_000;
