import { assert } from '../assert.ts';
import { DecodeError, latin1, Reader, Writer } from '../codec/bytes.ts';
import { ascii, type Infer, id, list, optional, struct, u8, varint, word } from '../codec/schema.ts';
import { nodeName } from '../causality/dot.ts';
import { type SipKey, siphash } from '../hash/siphash.ts';
import { NODES_MAX, REPLICAS_MAX } from '../protocol/limits.ts';
import { VNODES_MAX } from './position.ts';

/**
 * The one document that decides who owns what. Gossip spreads it and never changes it; every frame names the epoch and
 * digest of its sender's, so two pods that disagree find out before they act.
 */
export const CLUSTER_ID = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
export const ZONE = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62})$/;
/** 128 random bits drawn when a store is created, in lower-case hex: a disk keeps it, a lost disk takes it along. */
const DISK_ID = /^[0-9a-f]{32}$/;

export const clusterId = ascii(32, CLUSTER_ID);
export const diskId = ascii(32, DISK_ID);
export const zoneName = ascii(63, ZONE);
export const WEIGHT_MAX = 64;

const member = struct({
  name: nodeName,
  disk: diskId,
  zone: zoneName,
  weight: u8,
  /**
   * `joining`, `leaving`: on its way into or out of the cluster; it votes when it has joined and until it has left.
   * `refilling`: its disk was lost. It takes writes on the new one, and vouches for nothing until it has what it lacks.
   */
  state: word('joining', 'active', 'leaving', 'refilling'),
});

/** In the place of an index: a slot that does not move has no second node. */
export const NOBODY = NODES_MAX;

/**
 * Vnodes on their way to other owners (protocol.md, rule 10). A slot that moves has two nodes, and a write counts for it when
 * both have it; the owner is the one that is read.
 *
 *     owned  -->  filling: read old, write both  --the new have everything-->  switching: read new, write both  -->  owned
 */
const move = struct({
  /** What the seconds are: owners to be, or owners that were. */
  phase: word('filling', 'switching'),
  /** The epoch in which it began. */
  since: varint,
  /** For each vnode, by slot, the index of the second node, or {@link NOBODY}; as long as the owners or longer. */
  seconds: list(list(u8, REPLICAS_MAX), VNODES_MAX),
  /** Of the members before it began, 0 for one that was none: what they return to when it is cancelled. */
  weights: list(u8, NODES_MAX),
});

const document = struct({
  cluster: clusterId,
  epoch: varint,
  /** Copies of every key, N. A cluster with fewer members keeps one copy on each of them. */
  replicas: u8,
  /** Sorted by name. */
  members: list(member, NODES_MAX),
  /** For each vnode the indices of its owners among the members, in slot order. */
  owners: list(list(u8, REPLICAS_MAX), VNODES_MAX),
  move: optional(move),
});

export type Member = Infer<typeof member>;
export type Topology = Infer<typeof document>;
export const topologyLayout = document.layout;

export function encodeTopology(topology: Topology): Uint8Array {
  const writer = new Writer(4096);
  document.write(writer, topology);
  return writer.finish();
}

/** Throws {@link DecodeError} on anything that is not a well-formed topology. */
export function decodeTopology(bytes: Uint8Array): Topology {
  const reader = new Reader(bytes);
  const topology = document.read(reader);
  reader.finish();
  const flaw = flawOf(topology);
  if (flaw !== undefined) throw new DecodeError(`topology: ${flaw}`);
  return topology;
}

/** What is wrong with a topology, if anything. */
export function flawOf(topology: Topology): string | undefined {
  const { epoch, members, replicas } = topology;
  if (epoch < 1) return 'epochs start at 1';
  if (members.length === 0) return 'no members';
  if (members.length > NODES_MAX) return 'too many members';
  if (members.some((m, i) => i > 0 && m.name <= (members[i - 1] as Member).name))
    return 'members out of order';
  if (members.some((m) => m.weight < 1 || m.weight > WEIGHT_MAX)) return 'weight out of range';
  if (replicas < 1 || replicas > REPLICAS_MAX) return 'replicas out of range';
  return flawOfOwners(topology) ?? flawOfMove(topology);
}

function flawOfOwners({ members, owners, replicas, move: of }: Topology): string | undefined {
  if (owners.length < 1 || (owners.length & (owners.length - 1)) !== 0) return 'vnodes not a power of two';
  const most = Math.min(replicas, members.length);
  const copies = owners[0]?.length ?? 0;
  // Fewer only while more are on their way.
  if (copies < 1 || copies > most || (of === undefined && copies < most)) return 'not N distinct owners';
  if (owners.some((its) => its.length !== copies || new Set(its).size !== copies))
    return 'not N distinct owners';
  if (owners.some((its) => its.some((index) => index >= members.length))) return 'owner outside the members';
  return undefined;
}

function flawOfMove({ epoch, members, owners, replicas, move: of }: Topology): string | undefined {
  if (of === undefined) return undefined;
  const { phase, since, seconds, weights } = of;
  if (since < 1 || since > epoch) return 'a move of another time';
  if (weights.length !== members.length || weights.some((weight) => weight > WEIGHT_MAX))
    return 'not a weight for each member';
  if (phase === 'filling' && owners.some((its) => its.some((index) => weights[index] === 0)))
    return 'an owner that was no member';
  if (seconds.length !== owners.length) return 'not all vnodes have second nodes';
  const slots = seconds[0]?.length ?? 0;
  const owned = owners[0]?.length ?? 0;
  // Slots are only added: the owners of what would be taken away have nobody in their place.
  if (slots < owned || slots > replicas || seconds.some((its) => its.length !== slots))
    return 'not N second nodes';
  for (const [vnode, its] of seconds.entries()) {
    const moving = its.filter((index) => index !== NOBODY);
    if (moving.some((index) => index >= members.length)) return 'second node outside the members';
    if (new Set([...moving, ...(owners[vnode] ?? [])]).size !== moving.length + owned)
      return 'a node has two slots of a vnode';
  }
  // What is added has nobody until its second becomes its owner.
  const areFilled = phase === 'filling' && !seconds.some((its) => its.includes(NOBODY, owned));
  return slots > owned && !areFilled ? 'a slot without an owner' : undefined;
}

/** 16 bytes as a binary string. Keyed, so that pods with different cluster secrets never agree by accident. */
export type TopologyDigest = string;
export const topologyDigest = id(16);
/** What a pod without a topology says it has, at epoch 0. */
export const NO_TOPOLOGY: TopologyDigest = '\0'.repeat(16);

/** A topology with what is looked up in it all the time. */
export class Ring {
  readonly topology: Topology;
  readonly bytes: Uint8Array;
  readonly digest: TopologyDigest;
  private readonly index: ReadonlyMap<string, number>;

  constructor(topology: Topology, key: SipKey) {
    const flaw = flawOf(topology);
    assert(flaw === undefined, `topology: ${flaw}`);
    this.topology = topology;
    this.bytes = encodeTopology(topology);
    this.digest = latin1(siphash(key, this.bytes));
    this.index = new Map(topology.members.map((m, i) => [m.name, i]));
  }

  get vnodes(): number {
    return this.topology.owners.length;
  }

  member(name: string): Member | undefined {
    const i = this.index.get(name);
    return i === undefined ? undefined : this.topology.members[i];
  }

  get isMoving(): boolean {
    return this.topology.move !== undefined;
  }

  /** Names of those who are read, in slot order. */
  owners(vnode: number): readonly string[] {
    const of = this.topology.owners[vnode];
    assert(of !== undefined, `vnode ${vnode} outside the ring`);
    return of.map((i) => this.nameOf(i));
  }

  /** By slot, whoever takes its writes too while it moves. Longer than the owners where a slot is being added. */
  seconds(vnode: number): readonly (string | undefined)[] {
    const of = this.topology.move?.seconds[vnode] ?? [];
    return of.map((i) => (i === NOBODY ? undefined : this.nameOf(i)));
  }

  /** Everybody who keeps rows of the vnode: its owners, and the second nodes of slots that move. */
  keepers(vnode: number): readonly string[] {
    const { move: of } = this.topology;
    if (of === undefined) return this.owners(vnode);
    return [...this.owners(vnode), ...this.seconds(vnode).filter((name) => name !== undefined)];
  }

  /** The slot for which a node keeps rows of a vnode, -1 when it does not. */
  slotOf(vnode: number, name: string): number {
    const i = this.index.get(name);
    if (i === undefined) return -1;
    const slot = this.topology.owners[vnode]?.indexOf(i) ?? -1;
    return slot >= 0 ? slot : (this.topology.move?.seconds[vnode]?.indexOf(i) ?? -1);
  }

  isOwner(vnode: number, name: string): boolean {
    const i = this.index.get(name);
    return i !== undefined && this.topology.owners[vnode]?.includes(i) === true;
  }

  /** Of every vnode: those of its owners, and one that is being added. */
  get slots(): number {
    return this.topology.move?.seconds[0]?.length ?? this.topology.owners[0]?.length ?? 0;
  }

  private nameOf(index: number): string {
    return (this.topology.members[index] as Member).name;
  }
}
