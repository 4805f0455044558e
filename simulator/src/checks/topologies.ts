import { equalBytes } from '@circlet/shared/codec/bytes.ts';
import { sipKey } from '@circlet/shared/hash/siphash.ts';
import { positionOf, vnodeOf } from '@circlet/shared/ring/position.ts';
import { decodeTopology, Ring } from '@circlet/shared/ring/topology.ts';

/** Of a key's slot: who is read, and who takes its writes too while it moves. */
export interface SlotNodes {
  readonly owner: string | undefined;
  readonly second: string | undefined;
}

/** The topology that each disk has recorded, and the newest of them all: what was chosen. */
export class Topologies {
  newest: Ring | undefined;
  private readonly rings = new Map<string, Ring>();
  private readonly ofPods = new Map<string, Ring>();

  /** What a pod finds on its disk; undefined when there is none. */
  opened(pod: string, document: Uint8Array | undefined): void {
    if (document === undefined) this.ofPods.delete(pod);
    else this.ofPods.set(pod, this.ringOf(document));
  }

  recorded(pod: string, document: Uint8Array): Ring {
    const ring = this.ringOf(document);
    this.ofPods.set(pod, ring);
    const { newest } = this;
    if (newest === undefined || isAfter(ring, newest)) this.newest = ring;
    return ring;
  }

  of(pod: string): Ring | undefined {
    return this.ofPods.get(pod);
  }

  /** Whether vnodes move, or somebody has not heard yet that they do no more. */
  get isMoving(): boolean {
    const { newest } = this;
    if (newest === undefined) return false;
    if (newest.isMoving) return true;
    return newest.topology.members.some(({ name }) => this.ofPods.get(name)?.digest !== newest.digest);
  }

  ownersOf(key: Uint8Array): readonly string[] {
    const { newest } = this;
    return newest === undefined ? [] : newest.owners(vnodeOf(positionOf(key), newest.vnodes));
  }

  private ringOf(document: Uint8Array): Ring {
    for (const ring of this.rings.values()) if (equalBytes(ring.bytes, document)) return ring;
    const ring = new Ring(decodeTopology(document), KEY);
    this.rings.set(ring.digest, ring);
    return ring;
  }
}

export function slotsOf(ring: Ring, key: Uint8Array): readonly SlotNodes[] {
  const vnode = vnodeOf(positionOf(key), ring.vnodes);
  const owners = ring.owners(vnode);
  const seconds = ring.seconds(vnode);
  return Array.from({ length: ring.slots }, (_, slot) => ({ owner: owners[slot], second: seconds[slot] }));
}

export function keeps(ring: Ring, key: Uint8Array, pod: string): boolean {
  return ring.slotOf(vnodeOf(positionOf(key), ring.vnodes), pod) >= 0;
}

/** Later, or of another cluster that was founded on other disks since. */
function isAfter({ topology: a }: Ring, { topology: b }: Ring): boolean {
  return a.epoch > b.epoch || !a.members.some(({ disk }) => b.members.some((of) => of.disk === disk));
}

const KEY = sipKey(new Uint8Array(16));
