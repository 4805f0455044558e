import { prefixesOf, wholeVnode } from '@circlet/shared/merkle/range.ts';
import type { Ring } from '@circlet/shared/ring/topology.ts';
import type { Replicas } from '../replicas.ts';
import { justBefore, type Store } from '../store.ts';

/**
 * Drops the rows of vnodes that this node keeps no more. The owner that came in its place has asked for all of them twice
 * ({@link sourcesOf}), or they were never read here.
 */
export class Leftovers {
  private readonly store: Store;
  private readonly replicas: Replicas;
  private readonly ring: Ring;
  /** Vnodes that may have some. */
  private readonly left: number[];

  constructor(name: string, store: Store, replicas: Replicas, ring: Ring) {
    this.store = store;
    this.replicas = replicas;
    this.ring = ring;
    const vnodes = Array.from({ length: ring.vnodes }, (_, vnode) => vnode);
    this.left = vnodes.filter((vnode) => ring.slotOf(vnode, name) < 0);
  }

  /** Once a second. */
  tick(): void {
    if (this.store.readOnly) return;
    for (let rows = 0; rows < ROWS_PER_TICK; ) {
      const vnode = this.left[0];
      if (vnode === undefined) return;
      const [first, end] = prefixesOf(wholeVnode(vnode), this.ring.vnodes);
      const limit = ROWS_PER_TICK - rows;
      const found = this.store.scan('rows', justBefore(first), limit, end);
      this.replicas.drop(found);
      // A look costs something too.
      rows += found.length + 1;
      if (found.length < limit) this.left.shift();
    }
  }
}

const ROWS_PER_TICK = 1_000;
