import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Words128 } from '../hash/md5.ts';
import {
  isNothing,
  NOTHING,
  NOTHING_SHORT,
  NOTHING_WHOLE,
  rowHash,
  shortHash,
  wholeHash,
  xor,
} from './hash.ts';
import { childOf, FANOUT, isRange, LEVEL_MAX, prefixesOf, rangeOf, wholeVnode } from './range.ts';
import { LEAVES, MerkleTree, TREE_DEPTH } from './tree.ts';

const vnodes = fc.nat({ max: 12 }).map((bits) => 2 ** bits);
const prefix = fc.oneof(
  fc.nat({ max: 100 }),
  fc.maxSafeNat().map((n) => n % 2 ** 52),
  fc.constant(2 ** 52 - 1),
);
const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const words: fc.Arbitrary<Words128> = fc.tuple(word, word, word, word);
const digest = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => String.fromCharCode(...bytes));

describe('a range', () => {
  it('is divided into ranges that follow each other and come to the whole', () => {
    fc.assert(
      fc.property(vnodes, prefix, fc.nat({ max: LEVEL_MAX - 1 }), (q, at, level) => {
        const range = rangeOf(at, level, q);
        const [first, end] = prefixesOf(range, q);
        expect(isRange(range, q) && first <= at && at < end).toBe(true);
        let next = first;
        for (let child = 0; child < FANOUT; child++) {
          const [from, to] = prefixesOf(childOf(range, child), q);
          expect(from).toBe(next);
          next = to;
        }
        expect(next).toBe(end);
      }),
    );
  });

  it('of every level is found by its prefixes, down to whole numbers of them', () => {
    fc.assert(
      fc.property(vnodes, prefix, (q, at) => {
        for (let level = 0; level <= LEVEL_MAX; level++) {
          const range = rangeOf(at, level, q);
          const [first, end] = prefixesOf(range, q);
          expect(Number.isInteger(first) && Number.isInteger(end)).toBe(true);
          expect([rangeOf(first, level, q), rangeOf(end - 1, level, q)]).toEqual([range, range]);
          expect(range.vnode).toBe(rangeOf(at, 0, q).vnode);
        }
      }),
    );
  });

  it('outside the ring is none', () => {
    expect(isRange(wholeVnode(15), 16)).toBe(true);
    expect(isRange(wholeVnode(16), 16)).toBe(false);
    expect(isRange({ vnode: 0, level: 1, index: 16 }, 16)).toBe(false);
    expect(isRange({ vnode: 0, level: LEVEL_MAX + 1, index: 0 }, 16)).toBe(false);
  });
});

describe('the hash of a row', () => {
  it('is another for another place, and for another state', () => {
    fc.assert(
      fc.property(prefix, prefix, digest, digest, (a, b, x, y) => {
        const isSame = isNothing(xor(rowHash(a, x), rowHash(b, x)));
        expect(isSame).toBe(a === b);
        expect(isNothing(xor(rowHash(a, x), rowHash(a, y)))).toBe(x === y);
      }),
    );
  });

  it('is written whole and short, and nothing has a form of its own', () => {
    fc.assert(
      fc.property(words, (hash) => {
        expect(wholeHash(hash)).toHaveLength(16);
        expect(wholeHash(hash).startsWith(shortHash(hash))).toBe(true);
        expect(rowHash(0, wholeHash(hash))).toEqual(hash);
      }),
    );
    expect([shortHash(NOTHING), wholeHash(NOTHING)]).toEqual([NOTHING_SHORT, NOTHING_WHOLE]);
  });
});

describe('a tree', () => {
  it('has in every node the XOR of the leaves below it', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: LEAVES - 1 }), words), { maxLength: 50 }), (rows) => {
        const tree = new MerkleTree();
        for (const [leaf, row] of rows) tree.toggle(leaf, row);
        for (let level = 0; level <= TREE_DEPTH; level++) {
          const width = FANOUT ** (TREE_DEPTH - level);
          for (let index = 0; index < FANOUT ** level; index++) {
            const below = rows.filter(([leaf]) => Math.floor(leaf / width) === index).map(([, row]) => row);
            expect(tree.hash(level, index)).toEqual(below.reduce(xor, NOTHING));
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('forgets a row that is taken away as if it had never been', () => {
    fc.assert(
      fc.property(fc.nat({ max: LEAVES - 1 }), words, words, (leaf, stays, goes) => {
        const tree = new MerkleTree();
        for (const row of [goes, stays, goes]) tree.toggle(leaf, row);
        expect([tree.hash(2, leaf), tree.hash(0, 0)]).toEqual([stays, stays]);
      }),
    );
  });

  it('counts the leaves that have rows', () => {
    const tree = new MerkleTree();
    for (const leaf of [0, 1, 15, 16, 255]) tree.toggle(leaf, [1, 2, 3, 4]);
    expect([tree.leavesWithRows(0, 0), tree.leavesWithRows(1, 0), tree.leavesWithRows(1, 1)]).toEqual([
      5, 3, 1,
    ]);
    expect([tree.leavesWithRows(2, 1), tree.leavesWithRows(2, 2)]).toEqual([1, 0]);
  });
});
