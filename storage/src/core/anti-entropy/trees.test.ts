import { Writer } from '@circlet/shared/codec/bytes.ts';
import { isNothing, xor } from '@circlet/shared/merkle/hash.ts';
import { wholeVnode } from '@circlet/shared/merkle/range.ts';
import { LEAVES } from '@circlet/shared/merkle/tree.ts';
import { Prng } from '@circlet/shared/prng.ts';
import { vnodeOf, positionOf } from '@circlet/shared/ring/position.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { locate } from '../hint-ledger.ts';
import { MemoryStore } from '../memory-store.ts';
import { decodeRow, type Row } from '../row.ts';
import type { Locator, Store } from '../store.ts';
import { fill, firstWrongLeaf, keysOf, putRow, readsOf, stateOfBytes, stateWith } from './rows.case.ts';
import { Trees } from './trees.ts';

const VNODES = 4;
const KEYS = keysOf(60);

/** A store whose rows are written as `Replicas` writes them. */
class Rows {
  readonly store: Store;
  trees: Trees;

  constructor(store: Store = new MemoryStore()) {
    this.store = store;
    this.trees = new Trees(store, VNODES);
  }

  write(at: number, n: number | undefined): void {
    const key = KEYS[at] as Uint8Array;
    const where = locate(key);
    const before = this.rowAt(where);
    this.store.begin();
    if (n === undefined) this.store.delete('rows', where);
    else putRow(this.store, key, stateWith(n));
    this.trees.changed(where, before, this.rowAt(where));
    this.store.commit();
  }

  build(limit = 1_000): void {
    while (!this.trees.isComplete) this.trees.build(limit);
  }

  private rowAt(at: Locator): Row | undefined {
    const found = this.store.get('rows', at);
    return found.kind === 'found' ? decodeRow(found.value) : undefined;
  }
}

function varintOf(value: number): Uint8Array {
  const writer = new Writer();
  writer.varint(value);
  return writer.finish();
}

const write = fc.record({
  at: fc.nat({ max: KEYS.length - 1 }),
  n: fc.option(fc.nat({ max: 5 }), { nil: undefined }),
});

describe('the trees of a pod', () => {
  it('are what their rows come to after any writes', () => {
    fc.assert(
      fc.property(fc.array(write, { maxLength: 80 }), (writes) => {
        const rows = new Rows();
        rows.build();
        for (const { at, n } of writes) rows.write(at, n);
        expect(firstWrongLeaf(rows.store, rows.trees, VNODES)).toBeUndefined();
      }),
    );
  });

  it('are that also when they are built while rows are written, wherever the pass has got to', () => {
    const step = fc.oneof(write, fc.record({ build: fc.integer({ min: 1, max: 9 }) }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const rows = new Rows();
        fill(rows.store, KEYS.slice(0, 40));
        for (const each of steps) {
          if ('build' in each) rows.trees.build(each.build);
          else rows.write(each.at, each.n);
        }
        rows.build(3);
        expect(firstWrongLeaf(rows.store, rows.trees, VNODES)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });

  it('say of a vnode that it is built when all of its rows are counted, and no sooner', () => {
    const rows = new Rows();
    fill(rows.store, KEYS);
    const counted = new Set<number>();
    while (!rows.trees.isComplete) {
      for (const { at } of rows.trees.build(7)) counted.add(at.prefix);
      for (let vnode = 0; vnode < VNODES; vnode++) {
        const of = KEYS.filter((key) => vnodeOf(positionOf(key), VNODES) === vnode);
        const isAll = of.every((key) => counted.has(locate(key).prefix));
        if (rows.trees.isBuilt(vnode)) expect(isAll).toBe(true);
      }
    }
    expect([0, 1, 2, 3].every((vnode) => rows.trees.isBuilt(vnode))).toBe(true);
  });

  it('of large rows are built some at a time, and are complete when all are counted', () => {
    const store = new MemoryStore();
    fill(store, KEYS, stateOfBytes(100_000));
    const reads = readsOf(store);
    const trees = new Trees(store, VNODES);
    let counted = 0;
    while (!trees.isComplete) counted += trees.build(1_000).length;
    expect(counted).toBe(KEYS.length);
    expect(reads.mostAtOnce).toBeLessThan(1_000_000);
    expect(firstWrongLeaf(store, trees, VNODES)).toBeUndefined();
  });

  it('count a row that cannot be read as none, and the one that replaces it once', () => {
    const store = new MemoryStore();
    fill(store, KEYS.slice(0, 3));
    const at = locate(KEYS[1] as Uint8Array);
    const rows = new Rows(store);
    rows.build();
    store.damage('rows', at);
    store.begin();
    putRow(store, KEYS[1] as Uint8Array, stateWith(2));
    rows.trees.replaced(at);
    store.commit();
    expect(firstWrongLeaf(store, rows.trees, VNODES)).toBeUndefined();
  });

  it('of equal rows have equal roots, and of rows that differ other ones', () => {
    fc.assert(
      fc.property(fc.array(write, { maxLength: 30 }), fc.nat(), write, (writes, seed, one) => {
        const prng = new Prng(seed);
        const last = new Map(writes.map(({ at, n }) => [at, n]));
        const [a, b] = [new Rows(), new Rows()];
        a.build();
        b.build();
        for (const { at, n } of writes) a.write(at, n);
        for (const [at, n] of [...last].toSorted(() => prng.next() - 0.5)) b.write(at, n);
        const differs = () =>
          [0, 1, 2, 3].some(
            (vnode) => !isNothing(xor(a.trees.hash(wholeVnode(vnode)), b.trees.hash(wholeVnode(vnode)))),
          );
        expect(differs()).toBe(false);
        b.write(one.at, one.n);
        expect(differs()).toBe(last.get(one.at) !== one.n);
      }),
    );
  });
});

describe('saved trees', () => {
  function saved(): Rows {
    const rows = new Rows();
    fill(rows.store, KEYS);
    rows.build();
    rows.store.begin();
    rows.trees.save();
    rows.store.commit();
    return rows;
  }

  it('are there at once in the next life', () => {
    const next = new Rows(saved().store);
    expect(next.trees.isComplete).toBe(true);
    expect(firstWrongLeaf(next.store, next.trees, VNODES)).toBeUndefined();
  });

  it('are gone with the first row that is written, and not with a turn that is taken back', () => {
    const next = new Rows(saved().store);
    next.store.begin();
    next.trees.changed(locate(KEYS[0] as Uint8Array), undefined, undefined);
    next.store.rollback();
    expect(new Trees(next.store, VNODES).isComplete).toBe(true);
    const again = new Rows(next.store);
    again.write(1, 4);
    const crashed = new Rows(next.store);
    expect(crashed.trees.isComplete).toBe(false);
    crashed.build();
    expect(firstWrongLeaf(crashed.store, crashed.trees, VNODES)).toBeUndefined();
  });

  it('are not made of trees that are not complete', () => {
    const rows = new Rows();
    fill(rows.store, KEYS);
    rows.trees.build(10);
    rows.store.begin();
    rows.trees.save();
    rows.store.commit();
    expect(new Trees(rows.store, VNODES).isComplete).toBe(false);
  });

  it('of another number of vnodes are of no use', () => {
    expect(new Trees(saved().store, 2 * VNODES).isComplete).toBe(false);
  });

  const leaf = (at: number) => Uint8Array.of(...varintOf(at), ...new Uint8Array(16).fill(7));
  it.each([
    ['are not even that', Uint8Array.of(1)],
    ['end too early', Uint8Array.of(VNODES, 2, ...leaf(0))],
    ['go on behind their end', Uint8Array.of(VNODES, 1, ...leaf(0), 0)],
    ['have a leaf outside the ring', Uint8Array.of(VNODES, 1, ...leaf(VNODES * LEAVES))],
    ['have one leaf twice', Uint8Array.of(VNODES, 2, ...leaf(3), ...leaf(3))],
  ])('that %s are summed from the rows again, and gone with the first row that is written', (_, record) => {
    const store = new MemoryStore();
    fill(store, KEYS);
    store.begin();
    store.writeMeta('trees', record);
    store.commit();
    const rows = new Rows(store);
    expect(rows.trees.isComplete).toBe(false);
    rows.build();
    expect(firstWrongLeaf(store, rows.trees, VNODES)).toBeUndefined();
    rows.write(0, 4);
    // Another version of this program may know what it meant, and must not find it.
    expect(store.readDerived('trees')).toEqual(new Uint8Array(0));
  });

  it('that cannot be read are made again by the next clean stop', () => {
    const { store } = saved();
    store.begin();
    store.writeMeta('trees', Uint8Array.of(1));
    store.commit();
    const rows = new Rows(store);
    rows.build();
    store.begin();
    rows.trees.save();
    store.commit();
    expect(new Trees(store, VNODES).isComplete).toBe(true);
  });
});
