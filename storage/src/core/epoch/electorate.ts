import { DecodeError, equalBytes } from '@circlet/shared/codec/bytes.ts';
import type { SuccessionOf } from '@circlet/shared/protocol/epoch.ts';
import {
  decodeTopology,
  encodeTopology,
  flawOf,
  type Member,
  type Ring,
  type Topology,
} from '@circlet/shared/ring/topology.ts';

/** Who votes on what follows a topology, and what may follow it at all. */
export class Electorate {
  readonly of: SuccessionOf;
  /** Members that have joined, sorted by name. */
  readonly voters: readonly string[];
  readonly majority: number;
  private readonly ring: Ring;
  /** The last document found sound: most messages of a choice carry the same one. */
  private sound: { readonly document: Uint8Array; readonly topology: Topology } | undefined;

  constructor(ring: Ring) {
    const { epoch, members } = ring.topology;
    this.ring = ring;
    this.of = { epoch, topology: ring.digest };
    this.voters = members.filter(isVoter).map(({ name }) => name);
    this.majority = Math.floor(this.voters.length / 2) + 1;
  }

  get members(): readonly string[] {
    return this.ring.topology.members.map(({ name }) => name);
  }

  isMember(name: string): boolean {
    return this.ring.member(name) !== undefined;
  }

  isVoter(name: string): boolean {
    const member = this.ring.member(name);
    return member !== undefined && isVoter(member);
  }

  /** A vote is the disk's: another one under the same name knows nothing of what was promised. */
  admits(name: string, disk: string): boolean {
    return this.isVoter(name) && this.ring.member(name)?.disk === disk;
  }

  /** The topology that a document is. Throws {@link DecodeError} on anything that may not follow this one. */
  successor(document: Uint8Array): Topology {
    if (this.sound !== undefined && equalBytes(this.sound.document, document)) return this.sound.topology;
    const topology = decodeTopology(document);
    const { cluster, epoch } = this.ring.topology;
    if (topology.cluster !== cluster) throw new DecodeError('a document of another cluster');
    if (topology.epoch !== epoch + 1)
      throw new DecodeError(`epoch ${topology.epoch} does not follow ${epoch}`);
    // Nobody could ever choose what follows it.
    if (!topology.members.some(isVoter)) throw new DecodeError('a document without voters');
    this.sound = { document: document.slice(), topology };
    return topology;
  }

  /** The document of a topology. Throws {@link DecodeError} on one that may not follow this one. */
  documentOf(topology: Topology): Uint8Array {
    const flaw = flawOf(topology);
    if (flaw !== undefined) throw new DecodeError(flaw);
    try {
      const document = encodeTopology(topology);
      // As they will read it.
      this.successor(document);
      return document;
    } catch (error) {
      throw error instanceof RangeError ? new DecodeError(error.message) : error;
    }
  }
}

function isVoter({ state }: Member): boolean {
  // A refilling member is its new disk, which has promised nothing before this choice.
  return state !== 'joining';
}
