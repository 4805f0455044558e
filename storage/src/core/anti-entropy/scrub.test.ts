import { rangeOf } from '@circlet/shared/merkle/range.ts';
import { TREE_DEPTH } from '@circlet/shared/merkle/tree.ts';
import { Prng } from '@circlet/shared/prng.ts';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { locate } from '../hint-ledger.ts';
import { MemoryStore } from '../memory-store.ts';
import { decodeRow } from '../row.ts';
import type { Locator, Part } from '../store.ts';
import { fill, firstWrongLeaf, keysOf, putRow, readsOf, stateOfBytes, stateWith } from './rows.case.ts';
import { Scrub } from './scrub.ts';
import { Trees } from './trees.ts';

/** One vnode, and about twelve rows under each of its leaves. */
const KEYS = keysOf(3_000).toSorted((a, b) => locate(a).prefix - locate(b).prefix);
const ROWS_PER_STEP = 5;
const LEAF = 77;
const IN_LEAF = KEYS.map(locate).filter(({ prefix }) => rangeOf(prefix, TREE_DEPTH, 1).index === LEAF);

describe('a leaf with more rows than a step reads', () => {
  let store: MemoryStore;
  let trees: Trees;
  let scrub: Scrub;
  let nowMs: number;

  beforeEach(() => {
    store = new MemoryStore();
    fill(store, KEYS);
    trees = new Trees(store, 1);
    while (!trees.isComplete) trees.build(1_000);
    scrub = new Scrub(store, trees, 1);
    nowMs = 0;
  });

  /** What a pass finds; `meanwhile` happens before each of its steps. */
  function pass(meanwhile = (_step: number) => {}) {
    const suspects = new Set<number>();
    let vanished = 0;
    for (let step = 0; step <= KEYS.length / ROWS_PER_STEP; step++) {
      meanwhile(step);
      const found = scrub.step(ROWS_PER_STEP, nowMs);
      for (const prefix of found.suspects) suspects.add(prefix);
      vanished += found.vanished;
      nowMs += 1_000;
    }
    return { suspects, vanished };
  }

  function vanish(at: Locator): void {
    store.begin();
    store.delete('rows', at);
    store.commit();
  }

  it('has its damaged rows found, wherever in it they lie', () => {
    expect(IN_LEAF.length).toBeGreaterThan(2 * ROWS_PER_STEP);
    for (const at of IN_LEAF) store.damage('rows', at);
    expect(pass().suspects).toEqual(new Set(IN_LEAF.map(({ prefix }) => prefix)));
  });

  it.each(IN_LEAF.map((_, i) => i))(
    'misses its row %i when that has vanished, and takes it out of the tree',
    (i) => {
      vanish(IN_LEAF[i] as Locator);
      expect(pass().vanished).toBe(1);
      expect(firstWrongLeaf(store, trees, 1)).toBeUndefined();
      expect(pass().vanished).toBe(0);
    },
  );

  it('is read once in a pass', () => {
    const scan = vi.spyOn(store, 'scanWithin');
    pass();
    const read = scan.mock.results.flatMap(({ value }) => (value as Part).entries);
    expect(read).toHaveLength(KEYS.length);
  });

  it('is read once in a pass of one step, too, and in the next', () => {
    const scan = vi.spyOn(store, 'scanWithin');
    scrub.step(2 * KEYS.length, 0);
    scrub.step(2 * KEYS.length, 100_000);
    expect(scan).toHaveBeenCalledTimes(2);
  });

  it('is not missing anything because rows are written while a part of it is read', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const prng = new Prng(seed);
      const pick = (below: number) => Math.floor(prng.next() * below);
      const { vanished } = pass((step) => {
        const n = pick(4);
        write(pick(KEYS.length), n === 0 ? undefined : 1 + n);
        // Near the scrub, so that it meets writes behind and ahead of it in the leaf that it has begun.
        const near = step * ROWS_PER_STEP - 10 + pick(20);
        write(Math.min(KEYS.length - 1, Math.max(0, near)), n === 0 ? undefined : 1 + n);
      });
      expect(vanished).toBe(0);
      expect(firstWrongLeaf(store, trees, 1)).toBeUndefined();
    }
  });

  // Seed 216 of a campaign: the sum of what was read had it, the tree had it, and a write had the leaf summed again.
  it('is not missing a row that was read and goes bad before the rest is', () => {
    const [first] = IN_LEAF;
    const at = KEYS.findIndex((key) => locate(key).prefix === first?.prefix);
    const behind = Math.floor(at / ROWS_PER_STEP) + 1;
    const { vanished } = pass((step) => {
      if (step !== behind || first === undefined) return;
      store.damage('rows', first);
      write(at + IN_LEAF.length - 1, 3);
    });
    expect(vanished).toBe(0);
  });

  it('is read in more steps when its rows are large, and all of it', () => {
    const large = keysOf(60).toSorted((a, b) => locate(a).prefix - locate(b).prefix);
    store = new MemoryStore();
    fill(store, large, stateOfBytes(100_000));
    trees = new Trees(store, 1);
    while (!trees.isComplete) trees.build(1_000);
    scrub = new Scrub(store, trees, 1);
    const bad = locate(large[50] as Uint8Array);
    store.damage('rows', bad);
    vanish(locate(large[55] as Uint8Array));
    const reads = readsOf(store);
    const found = [0, 1, 2, 3, 4, 5].map((step) => scrub.step(500, step * 1_000));
    expect(found.flatMap(({ suspects }) => suspects)).toEqual([bad.prefix]);
    expect(found.reduce((sum, { vanished }) => sum + vanished, 0)).toBe(1);
    expect(reads.mostAtOnce).toBeLessThan(1_200_000);
  });

  function write(at: number, n: number | undefined): void {
    const key = KEYS[at] as Uint8Array;
    const where = locate(key);
    const before = rowAt(where);
    store.begin();
    if (n === undefined) store.delete('rows', where);
    else putRow(store, key, stateWith(n));
    trees.changed(where, before, rowAt(where));
    store.commit();
  }

  function rowAt(at: Locator) {
    const found = store.get('rows', at);
    return found.kind === 'found' ? decodeRow(found.value) : undefined;
  }
});
