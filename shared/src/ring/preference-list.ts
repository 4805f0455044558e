import { md5 } from '../hash/md5.ts';
import type { Ring } from './topology.ts';

/**
 * The preference list of a vnode: its owners in slot order, then every other member in an order of the vnode's own
 * (Dynamo, SOSP'07 sections 4.3 and 4.6). The order is a hash of (vnode, name), so that the load of a dead node
 * falls on all others and not on one neighbour, and so that every coordinator picks the same stand-ins.
 */
export interface PreferenceList {
  /** Those who are read, in slot order. */
  readonly owners: readonly string[];
  /** By slot, whoever takes its writes too while it moves; empty when nothing does. */
  readonly seconds: readonly (string | undefined)[];
  readonly fallbacks: readonly string[];
}

export class PreferenceLists {
  private readonly ring: Ring;
  private readonly lists = new Map<number, PreferenceList>();

  constructor(ring: Ring) {
    this.ring = ring;
  }

  of(vnode: number): PreferenceList {
    let list = this.lists.get(vnode);
    if (list === undefined) {
      list = this.build(vnode);
      this.lists.set(vnode, list);
    }
    return list;
  }

  private build(vnode: number): PreferenceList {
    const { ring } = this;
    const keepers = ring.keepers(vnode);
    const fallbacks = ring.topology.members
      // One that is on its way in takes no hints: when that is cancelled, they would go along.
      .filter(({ name, state }) => state !== 'joining' && !keepers.includes(name))
      .map(({ name, state }) => ({
        name,
        goes: Number(state === 'leaving'),
        rank: md5(asciiBytes(`${vnode}/${name}`)),
      }))
      // Whoever is about to go is given no more hints than it must be.
      .toSorted((a, b) => a.goes - b.goes || a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1]);
    return {
      owners: ring.owners(vnode),
      seconds: ring.seconds(vnode),
      fallbacks: fallbacks.map(({ name }) => name),
    };
  }
}

function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}
