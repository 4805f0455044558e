import type { Words128 } from '@circlet/shared/hash/md5.ts';
import { isNothing, NOTHING, xor } from '@circlet/shared/merkle/hash.ts';
import { type Range, rangeOf, wholeVnode } from '@circlet/shared/merkle/range.ts';
import { LEAVES, TREE_DEPTH } from '@circlet/shared/merkle/tree.ts';
import { decodeRow } from '../row.ts';
import type { Entry, Locator, Store } from '../store.ts';
import { hashOf, type Trees } from './trees.ts';

export interface Scrubbed {
  /** Places of rows that fail their checksum, or replaced such a one and may still miss something. */
  readonly suspects: readonly number[];
  /** Leaves that lack rows which the tree still had, though none that is there is bad. */
  readonly vanished: number;
}

/** What the rows of a leaf come to that were read so far. */
interface Sum {
  readonly hash: Words128;
  readonly hasBad: boolean;
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
  /** Of the pass that is under way; undefined between two. */
  private cursor: Locator | undefined;
  /** Leaves are counted round the whole ring; this one is read next, or on. */
  private next = 0;
  /** Of that leaf, up to the cursor. */
  private begun: Sum = NO_ROWS;
  private passBeganMs = Number.NEGATIVE_INFINITY;

  constructor(store: Store, trees: Trees, vnodes: number) {
    this.store = store;
    this.trees = trees;
    this.vnodes = vnodes;
  }

  /** Reads the next rows; nothing when the last pass is hardly over. Leaves that are wrong in the trees are summed anew. */
  step(limit: number, nowMs: number): Scrubbed {
    if (this.cursor === undefined) {
      if (nowMs - this.passBeganMs < PASS_MS_MIN) return NOTHING_FOUND;
      this.passBeganMs = nowMs;
    }
    const bytes = Math.max(STEP_BYTES_MIN, limit * BYTES_PER_ROW);
    const { entries, isAll } = this.store.scanWithin('rows', this.cursor, { entries: limit, bytes });
    const last = isAll ? undefined : entries.at(-1)?.at;
    const end = last === undefined ? this.leaves : this.leafOf(last.prefix);
    const sums = this.sum(entries);
    const vanished = this.compare(sums, end);
    // The key is a view into what was scanned, and outlives it.
    this.cursor = last && { prefix: last.prefix, key: last.key.slice() };
    this.next = last === undefined ? 0 : end;
    this.begun = (last && sums.get(end)) ?? NO_ROWS;
    return { suspects: entries.filter(isSuspect).map(({ at }) => at.prefix), vanished };
  }

  private sum(entries: readonly Entry[]): ReadonlyMap<number, Sum> {
    const sums = new Map([[this.next, this.begun]]);
    for (const entry of entries) {
      const leaf = this.leafOf(entry.at.prefix);
      const { hash, hasBad } = sums.get(leaf) ?? NO_ROWS;
      sums.set(leaf, { hash: xor(hash, hashOf(entry)), hasBad: hasBad || entry.kind === 'corrupt' });
    }
    return sums;
  }

  /** All leaves from the next until before `end`, vnode by vnode: most have nothing, and most vnodes are as they should be. */
  private compare(sums: ReadonlyMap<number, Sum>, end: number): number {
    const vnodes = new Map<number, Words128>();
    for (const [leaf, { hash }] of sums) {
      const vnode = Math.floor(leaf / LEAVES);
      vnodes.set(vnode, xor(vnodes.get(vnode) ?? NOTHING, hash));
    }
    let vanished = 0;
    for (let at = this.next; at < end; ) {
      const vnode = Math.floor(at / LEAVES);
      const until = Math.min(end, (vnode + 1) * LEAVES);
      const isWhole = until - at === LEAVES;
      const off = xor(vnodes.get(vnode) ?? NOTHING, this.trees.hash(wholeVnode(vnode)));
      if (this.trees.isBuilt(vnode) && !(isWhole && isNothing(off))) {
        for (let leaf = at; leaf < until; leaf++) {
          const { hash, hasBad } = sums.get(leaf) ?? NO_ROWS;
          if (this.isShort(this.leaf(leaf), hash) && !hasBad) vanished++;
        }
      }
      at = until;
    }
    return vanished;
  }

  /**
   * A leaf that was read in several steps may have been written to between them, behind the cursor or ahead of it, and a row
   * that was read may have gone bad. So what its rows came to is no proof against the tree; what they come to now, all of them
   * in this turn, is.
   */
  private isShort(leaf: Range, hash: Words128): boolean {
    return !isNothing(xor(hash, this.trees.hash(leaf))) && this.trees.recount(leaf) === 'short';
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
/** Large rows are read more slowly: at 500 a second, those of 400 kB would be all that the disk and the thread can do. */
const STEP_BYTES_MIN = 1024 * 1024;
const BYTES_PER_ROW = 2 * 1024;
const NOTHING_FOUND: Scrubbed = { suspects: [], vanished: 0 };
const NO_ROWS: Sum = { hash: NOTHING, hasBad: false };
