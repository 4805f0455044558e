import { DecodeError, latin1, Reader, Writer } from '@circlet/shared/codec/bytes.ts';
import { type Infer, id, list, struct, varint } from '@circlet/shared/codec/schema.ts';
import type { Words128 } from '@circlet/shared/hash/md5.ts';
import { isNothing, NOTHING, rowHash, wholeHash, xor } from '@circlet/shared/merkle/hash.ts';
import { prefixesOf, type Range, rangeOf } from '@circlet/shared/merkle/range.ts';
import { LEAVES, MerkleTree, TREE_DEPTH } from '@circlet/shared/merkle/tree.ts';
import { VNODES_MAX } from '@circlet/shared/ring/position.ts';
import { decodeRow, type Row } from '../row.ts';
import { type Entry, justBefore, type Locator, RING_END, type Store } from '../store.ts';

/**
 * The Merkle trees of all vnodes, in step with the table of rows: whoever writes a row says so in the same turn. They live in
 * memory. A clean stop saves them; after any other end they are summed from the rows again, in the background and in ring
 * order: what is written behind that pass counts at once, what is written ahead of it is met by it.
 *
 * A row that fails its checksum counts as none, so that a peer sees it missing. One that goes bad later is still counted as
 * it was until somebody meets it (`scrub.ts`).
 */
export class Trees {
  private readonly store: Store;
  private readonly vnodes: number;
  private readonly trees = new Map<number, MerkleTree>();
  /** Everything up to here is in the trees. */
  private built: Locator | undefined;
  isComplete = false;
  /** Of the saved ones in the store: they are true until a row is written, or are not what they should be. */
  private record: 'none' | 'true' | 'useless' = 'none';

  constructor(store: Store, vnodes: number) {
    this.store = store;
    this.vnodes = vnodes;
    this.load();
  }

  /** Whether all rows of a vnode are counted: until then it is compared with nobody. */
  isBuilt(vnode: number): boolean {
    return this.isComplete || (this.built !== undefined && this.built.prefix >= this.endOf(vnode));
  }

  /** Of a node at level {@link TREE_DEPTH} or above. */
  hash({ vnode, level, index }: Range): Words128 {
    return this.trees.get(vnode)?.hash(level, index) ?? NOTHING;
  }

  /** How many rows a node has at least. */
  rowsAtLeast({ vnode, level, index }: Range): number {
    return level > TREE_DEPTH ? 0 : (this.trees.get(vnode)?.leavesWithRows(level, index) ?? 0);
  }

  /** A row is written, or deleted, in this turn. */
  changed(at: Locator, before: Row | undefined, after: Row | undefined): void {
    this.areNoLonger();
    if (!this.isCounted(at)) return;
    const was = before === undefined ? NOTHING : rowHash(at.prefix, before.digest);
    const is = after === undefined ? NOTHING : rowHash(at.prefix, after.digest);
    this.toggle(at.prefix, xor(was, is));
  }

  /** A row was written where something could not be read: what that was counted as is found by summing the leaf anew. */
  replaced(at: Locator): void {
    this.areNoLonger();
    if (this.isCounted(at)) this.recount(rangeOf(at.prefix, TREE_DEPTH, this.vnodes));
  }

  /** Sums a leaf from its rows: `short` when it was not what it should have been, and no row that cannot be read says why. */
  recount(leaf: Range): 'right' | 'damaged' | 'short' {
    const [first, end] = prefixesOf(leaf, this.vnodes);
    let sum = NOTHING;
    let hasBad = false;
    for (const entry of this.store.scan('rows', justBefore(first), ROWS_MAX, end)) {
      if (!this.isCounted(entry.at)) continue;
      sum = xor(sum, hashOf(entry));
      hasBad ||= entry.kind === 'corrupt';
    }
    const off = xor(sum, this.hash(leaf));
    if (isNothing(off)) return 'right';
    this.toggle(first, off);
    return hasBad ? 'damaged' : 'short';
  }

  /** Counts the next rows; those that were read, for whoever wants to see them. */
  build(limit: number): readonly Entry[] {
    if (this.isComplete) return [];
    const { entries, isAll } = this.store.scanWithin('rows', this.built, {
      entries: limit,
      bytes: BUILD_BYTES,
    });
    for (const entry of entries) this.toggle(entry.at.prefix, hashOf(entry));
    const last = entries.at(-1)?.at;
    // The key is a view into what was scanned, and outlives it.
    if (!isAll && last !== undefined) this.built = { prefix: last.prefix, key: last.key.slice() };
    else this.isComplete = true;
    return entries;
  }

  /** At a clean stop, in its last transaction. */
  save(): void {
    if (!this.isComplete || this.record === 'true') return;
    const writer = new Writer();
    saved.write(writer, { vnodes: this.vnodes, leaves: [...this.leaves()] });
    this.store.writeMeta(RECORD, writer.finish());
    this.record = 'true';
  }

  private *leaves(): Generator<Infer<typeof savedLeaf>> {
    for (const [vnode, tree] of this.trees) {
      for (let leaf = 0; leaf < LEAVES; leaf++) {
        const hash = tree.hash(TREE_DEPTH, leaf);
        if (!isNothing(hash)) yield { at: vnode * LEAVES + leaf, hash: wholeHash(hash) };
      }
    }
  }

  private load(): void {
    const record = this.store.readDerived(RECORD);
    if (record === undefined || record.length === 0) return;
    const leaves = leavesIn(record, this.vnodes);
    if (leaves === undefined) {
      this.record = 'useless';
      return;
    }
    for (const { at, hash } of leaves)
      this.tree(Math.floor(at / LEAVES)).toggle(at % LEAVES, rowHash(0, hash));
    this.isComplete = true;
    this.record = 'true';
  }

  /**
   * In the transaction of the first row that is written: a crash must not find trees that miss it, and another version of
   * this program must not find those that this one could not read.
   */
  private areNoLonger(): void {
    if (this.record === 'none') return;
    this.record = 'none';
    this.store.writeMeta(RECORD, new Uint8Array(0));
  }

  private isCounted(at: Locator): boolean {
    if (this.isComplete) return true;
    return this.built !== undefined && isUpTo(at, this.built);
  }

  private toggle(prefix: number, row: Words128): void {
    if (isNothing(row)) return;
    const { vnode, index } = rangeOf(prefix, TREE_DEPTH, this.vnodes);
    this.tree(vnode).toggle(index, row);
  }

  private tree(vnode: number): MerkleTree {
    let tree = this.trees.get(vnode);
    if (tree === undefined) {
      tree = new MerkleTree();
      this.trees.set(vnode, tree);
    }
    return tree;
  }

  private endOf(vnode: number): number {
    return ((vnode + 1) * RING_END) / this.vnodes;
  }
}

/** Of what was scanned: nothing for an entry that cannot be read. */
export function hashOf(entry: Entry): Words128 {
  return entry.kind === 'corrupt' ? NOTHING : rowHash(entry.at.prefix, decodeRow(entry.value).digest);
}

/** Undefined when the record is not of such a ring, or of none: then the rows have to be summed again, which is all it saved. */
function leavesIn(record: Uint8Array, vnodes: number): readonly Infer<typeof savedLeaf>[] | undefined {
  try {
    const reader = new Reader(record);
    const { vnodes: of, leaves } = saved.read(reader);
    reader.finish();
    const places = new Set(leaves.map(({ at }) => at));
    const isSound =
      of === vnodes && places.size === leaves.length && leaves.every(({ at }) => at < vnodes * LEAVES);
    return isSound ? leaves : undefined;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return undefined;
  }
}

function isUpTo(at: Locator, last: Locator): boolean {
  return at.prefix < last.prefix || (at.prefix === last.prefix && latin1(at.key) <= latin1(last.key));
}

const RECORD = 'trees';
const ROWS_MAX = 2 ** 31;
/** A fraction of a millisecond. */
const BUILD_BYTES = 512 * 1024;
const savedLeaf = struct({ at: varint, hash: id(16) });
const saved = struct({ vnodes: varint, leaves: list(savedLeaf, VNODES_MAX * LEAVES) });
