import type { Words128 } from '../hash/md5.ts';
import { isNothing } from './hash.ts';
import { FANOUT } from './range.ts';

/** Levels below the root that are kept; what is deeper is summed from the rows when it is asked for. */
export const TREE_DEPTH = 2;
export const LEAVES = FANOUT ** TREE_DEPTH;
/** Where each level begins among the nodes. */
const LEVEL_AT = [0, 1, 1 + FANOUT] as const;
const NODES = 1 + FANOUT + LEAVES;

/**
 * The Merkle tree of one vnode, kept in step by the writes themselves. At 4 kB it takes a megabyte for 256 vnodes, and
 * with a million keys a leaf stands for 15: that is what a difference costs to be found, not the whole vnode.
 */
export class MerkleTree {
  private readonly words = new Int32Array(NODES * 4);

  /** Adds a row to a leaf, or takes it away: XOR is its own inverse. */
  toggle(leaf: number, row: Words128): void {
    this.add(LEVEL_AT[2] + leaf, row);
    this.add(LEVEL_AT[1] + Math.floor(leaf / FANOUT), row);
    this.add(LEVEL_AT[0], row);
  }

  /** Of the node `index` of a level from 0 to {@link TREE_DEPTH}. */
  hash(level: number, index: number): Words128 {
    const at = 4 * ((LEVEL_AT[level] as number) + index);
    const { words } = this;
    return [words[at] as number, words[at + 1] as number, words[at + 2] as number, words[at + 3] as number];
  }

  /** Leaves below a node that have rows: it has as many at least. */
  leavesWithRows(level: number, index: number): number {
    const width = FANOUT ** (TREE_DEPTH - level);
    let found = 0;
    for (let leaf = index * width; leaf < (index + 1) * width; leaf++) {
      if (!isNothing(this.hash(TREE_DEPTH, leaf))) found++;
    }
    return found;
  }

  private add(node: number, row: Words128): void {
    const at = 4 * node;
    for (let i = 0; i < 4; i++) (this.words[at + i] as number) ^= row[i] as number;
  }
}
