import { assert } from '../assert.ts';
import { DecodeError, latin1, Reader, Writer } from '../codec/bytes.ts';
import { ascii, type Infer, id, list, struct, u8, varint, word } from '../codec/schema.ts';
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
  /** `refilling`: its disk was lost. It takes writes on the new one, and vouches for nothing until it has what it lacks. */
  state: word('joining', 'active', 'leaving', 'refilling'),
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
  const { epoch, members, owners, replicas } = topology;
  if (epoch < 1) return 'epochs start at 1';
  if (members.length === 0) return 'no members';
  if (members.some((m, i) => i > 0 && m.name <= (members[i - 1] as Member).name))
    return 'members out of order';
  if (members.some((m) => m.weight < 1 || m.weight > WEIGHT_MAX)) return 'weight out of range';
  if (replicas < 1 || replicas > REPLICAS_MAX) return 'replicas out of range';
  if (owners.length < 1 || (owners.length & (owners.length - 1)) !== 0) return 'vnodes not a power of two';
  const copies = Math.min(replicas, members.length);
  if (owners.some((of) => of.length !== copies || new Set(of).size !== copies))
    return 'not N distinct owners';
  if (owners.some((of) => of.some((index) => index >= members.length))) return 'owner outside the members';
  return undefined;
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

  /** Owner names in slot order. */
  owners(vnode: number): readonly string[] {
    const of = this.topology.owners[vnode];
    assert(of !== undefined, `vnode ${vnode} outside the ring`);
    return of.map((i) => (this.topology.members[i] as Member).name);
  }

  /** The slot in which a node owns a vnode, -1 when it does not. */
  slotOf(vnode: number, name: string): number {
    const of = this.topology.owners[vnode];
    const i = this.index.get(name);
    return of === undefined || i === undefined ? -1 : of.indexOf(i);
  }
}
