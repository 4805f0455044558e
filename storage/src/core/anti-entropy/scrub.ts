import type { Words128 } from '@circlet/shared/hash/md5.ts';
import { isNothing, NOTHING, xor } from '@circlet/shared/merkle/hash.ts';
import { prefixesOf, type Range, rangeOf, wholeVnode } from '@circlet/shared/merkle/range.ts';
import { LEAVES, TREE_DEPTH } from '@circlet/shared/merkle/tree.ts';
import { decodeRow } from '../row.ts';
import { type Entry, justBefore, type Store } from '../store.ts';
import { hashOf, type Trees } from './trees.ts';

export interface Scrubbed {
  /** Places of rows that fail their checksum, or replaced such a one and may still miss something. */
  readonly suspects: readonly number[];
  /** Leaves whose rows come to something else than the tree has, and whether a bad row among them is why. */
  readonly wrong: readonly { readonly leaf: Range; readonly hasBad: boolean }[];
}

/**
 * Reads every row again, slowly and in ring order: a disk does not say which of its bits have turned, and the store verifies
 * the checksum of whatever it reads. The rows must also come to what the Merkle tree says: a page that SQLite lost track of
 * takes its rows with it, and leaves nothing that could fail a checksum.
 */
export class Scrub {
  private readonly store: Store;
  private readonly trees: Trees;
  private readonly vnodes: number;
  /** Leaves are counted round the whole ring; the next step begins with this one. */
  private next = 0;
  private passBeganMs = Number.NEGATIVE_INFINITY;

  constructor(store: Store, trees: Trees, vnodes: number) {
    this.store = store;
    this.trees = trees;
    this.vnodes = vnodes;
  }

  /** Reads the next rows; nothing when the last pass is hardly over. */
  step(limit: number, nowMs: number): Scrubbed {
    if (this.next === 0) {
      if (nowMs - this.passBeganMs < PASS_MS_MIN) return NOTHING_FOUND;
      this.passBeganMs = nowMs;
    }
    const [first] = prefixesOf(this.leaf(this.next), this.vnodes);
    const entries = this.store.scan('rows', justBefore(first), limit);
    const last = entries.at(-1);
    // The last leaf may have more rows than were read, and is read again.
    const end = entries.length < limit || last === undefined ? this.leaves : this.leafOf(last.at.prefix);
    const wrong = this.compare(entries, end);
    // One leaf alone has as many rows as a step reads: it is not summed, or no step would get past it.
    this.next = Math.max(end, this.next + 1) % this.leaves;
    return { suspects: entries.filter(isSuspect).map(({ at }) => at.prefix), wrong };
  }

  /** All leaves from the next until before `end`, vnode by vnode: most have nothing, and most vnodes are as they should be. */
  private compare(entries: readonly Entry[], end: number): Scrubbed['wrong'] {
    const leaves = new Map<number, { sum: Words128; hasBad: boolean }>();
    const vnodes = new Map<number, Words128>();
    for (const entry of entries) {
      const at = this.leafOf(entry.at.prefix);
      if (at >= end) break;
      const leaf = leaves.get(at) ?? { sum: NOTHING, hasBad: false };
      const hash = hashOf(entry);
      const vnode = Math.floor(at / LEAVES);
      leaves.set(at, { sum: xor(leaf.sum, hash), hasBad: leaf.hasBad || entry.kind === 'corrupt' });
      vnodes.set(vnode, xor(vnodes.get(vnode) ?? NOTHING, hash));
    }
    const wrong: { leaf: Range; hasBad: boolean }[] = [];
    for (let at = this.next; at < end; ) {
      const vnode = Math.floor(at / LEAVES);
      const until = Math.min(end, (vnode + 1) * LEAVES);
      const isWhole = until - at === LEAVES;
      const off = xor(vnodes.get(vnode) ?? NOTHING, this.trees.hash(wholeVnode(vnode)));
      if (this.trees.isBuilt(vnode) && !(isWhole && isNothing(off))) {
        for (let leaf = at; leaf < until; leaf++) {
          const { sum, hasBad } = leaves.get(leaf) ?? { sum: NOTHING, hasBad: false };
          const range = this.leaf(leaf);
          if (!isNothing(xor(sum, this.trees.hash(range)))) wrong.push({ leaf: range, hasBad });
        }
      }
      at = until;
    }
    return wrong;
  }

  private get leaves(): number {
    return this.vnodes * LEAVES;
  }

  private leaf(at: number): Range {
    return { vnode: Math.floor(at / LEAVES), level: TREE_DEPTH, index: at % LEAVES };
  }

  private leafOf(prefix: number): number {
    const { vnode, index } = rangeOf(prefix, TREE_DEPTH, this.vnodes);
    return vnode * LEAVES + index;
  }
}

/** Whether it is to be repaired: damaged, or in the place of what was. */
export function isSuspect(entry: Entry): boolean {
  return entry.kind === 'corrupt' || decodeRow(entry.value).suspectSince !== undefined;
}

/** A small store is not read all day long. */
const PASS_MS_MIN = 60_000;
const NOTHING_FOUND: Scrubbed = { suspects: [], wrong: [] };
