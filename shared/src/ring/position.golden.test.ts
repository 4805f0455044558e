import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUCKET_BYTES_MAX, KEY_BYTES_MAX } from '../protocol/limits.ts';
import { fullKey } from './key.ts';
import {
  type Position,
  positionHex,
  positionOf,
  prefixOf,
  prefixRange,
  VNODES_MAX,
  vnodeOf,
} from './position.ts';

const utf8 = new TextEncoder();
const keyOf = (bucket: string, key: string) => fullKey(utf8.encode(bucket), utf8.encode(key));
const placeOf = (bucket: string, key: string) => positionHex(positionOf(keyOf(bucket, key)));

/** Computed by other code (node:crypto and BigInt). Never change a line: a store that places a key elsewhere has lost it. */
const GOLDEN: readonly [bucket: string, key: string, position: string, vnodeOf256: number, prefix: number][] =
  [
    ['b', 'k', 'de3eae59b816fa23d898a13675a79ae6', 222, 3909772711264623],
    ['users', 'alice', '8b9ccd56d5ec2f6aa298cb09a864bbd1', 139, 2456089218866882],
    ['users', 'bob', 'ac5c05e98235e3a44c832d6b3fe49a13', 172, 3032179778528094],
    ['ab', 'c', '9887647ac98ea75eddd5f7e5ddf3f316', 152, 2683316380408042],
    ['a', 'bc', '1083241950b0ae7a1bbc0bac319dacca', 16, 290486918384394],
    ['abc', 'd', 'c226212c4b440d603450fd216d24f323', 194, 3415504337548352],
    ['cities', 'Zürich', 'a4cdd94c041e960b596450637de92b2a', 164, 2899264334217705],
    ['cities', 'Zu\u0308rich', 'dce6f740ad5f66ea94e424d90091e6f7', 220, 3886152780797430],
    ['é', 'é', 'f3e1dab3cb5e08c5435a173cca97ad5a', 243, 4290421798516192],
    ['e\u0301', 'e\u0301', '09387c584e95901367ddbb5e0f2d5443', 9, 162211343690073],
    ['emoji', '🦆', '20a3f13aa1dd1900b1fcff1938ad5715', 32, 574215982554577],
    ['emoji', '👩\u200d👩\u200d👧', '61d4cb9fa39921f876bf09eb5c75ff9d', 97, 1721065235167634],
    ['日本', '東京', '3eedc872a048e31b3765a2528d3876da', 62, 1107055858025614],
    ['path', 'a/b/c', '87fc249614d32b9ad8dfaaf4f086a93f', 135, 2392272245181746],
    ['path', '/', '9305db6952991a48487435944b363eef', 147, 2586453843716497],
    ['path', '..', '803fcf3bab622045a26f7c01c6eb809c', 128, 2256184769426978],
    ['control', '\u0001', '160bef7567920072d51ffea6a5c82c9b', 22, 387848286402848],
    ['control', 'line\nbreak\ttab', '3e3942037c4c897478babcf7ea892cab', 62, 1094650265322696],
    ['control', '\u007f', 'e145b610906d119f187835f1ba6a7e59', 225, 3963032376510161],
    ['spaces', ' ', '7ddc5b9391b8e6a97fbd62e6b85c6d48', 125, 2214166122797966],
    ['spaces', '  ', 'e9b34b6d3007875ff5a38e9b51dae209', 233, 4111300381835384],
    ['case', 'Key', 'e3fa0d7d419d773c8010f86748ccd57f', 227, 4010609722268119],
    ['case', 'key', 'f518faf73c3508be6ea3596be8806f34', 245, 4311802216432464],
    ['b', 'k'.repeat(1024), '54e2f109502d4683d3223453d9d1dd47', 84, 1493338932183764],
    ['b'.repeat(128), 'k', 'b29e73fd532ee0c506646e4b4427422c', 178, 3142297928938222],
    ['b'.repeat(128), 'k'.repeat(1024), '62fefb076c1c7c521c30c6f8bf663df2', 98, 1741556364526023],
    ['ü'.repeat(64), '🦆'.repeat(256), '0a9f282289b1fb32065daed1f89c156e', 10, 186859030879007],
  ];

describe('the golden vectors', () => {
  it.each(GOLDEN)('place %j / %j at %s, vnode %i, prefix %i', (bucket, key, hex, vnode, prefix) => {
    const position = positionOf(keyOf(bucket, key));
    expect(positionHex(position)).toBe(hex);
    expect(vnodeOf(position, 256)).toBe(vnode);
    expect(prefixOf(position)).toBe(prefix);
  });

  it('reach the largest bucket and key there can be', () => {
    const sizes = GOLDEN.map(([bucket, key]) => [utf8.encode(bucket).length, utf8.encode(key).length].join());
    expect(sizes).toContain([BUCKET_BYTES_MAX, KEY_BYTES_MAX].join());
  });

  it('are all different', () => {
    expect(new Set(GOLDEN.map(([, , hex]) => hex)).size).toBe(GOLDEN.length);
  });

  it('tell two spellings of one text apart: nothing is normalised', () => {
    expect('Zürich').toBe('Zu\u0308rich'.normalize('NFC'));
    expect(placeOf('cities', 'Zürich')).not.toBe(placeOf('cities', 'Zu\u0308rich'));
  });

  it('tell where the bucket ends', () => {
    expect(placeOf('ab', 'c')).not.toBe(placeOf('a', 'bc'));
  });

  it('are the MD5 of the full key, as node:crypto has it', () => {
    for (const [bucket, key, hex] of GOLDEN) {
      expect(createHash('md5').update(keyOf(bucket, key)).digest('hex')).toBe(hex);
    }
  });
});

/** A position with this prefix, and these bits below it. */
function withPrefix(prefix: number, below: number): Position {
  return [
    Math.floor(prefix / 2 ** 20),
    ((prefix % 2 ** 20) * 2 ** 12 + (below % 2 ** 12)) >>> 0,
    below,
    below,
  ];
}

describe('the ring', () => {
  it('spreads 100,000 ordinary keys evenly over 256 vnodes', () => {
    const counts = Array.from({ length: 256 }, () => 0);
    for (let n = 0; n < 100_000; n++) {
      const vnode = vnodeOf(positionOf(keyOf('users', `user-${n}`)), 256);
      counts[vnode] = (counts[vnode] ?? 0) + 1;
    }
    const expected = 100_000 / 256;
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 255 degrees of freedom: mean 255, deviation 22.6. Too even would be as wrong as too uneven.
    expect(chiSquare).toBeGreaterThan(255 - 4 * 22.6);
    expect(chiSquare).toBeLessThan(255 + 4 * 22.6);
    expect(Math.min(...counts)).toBeGreaterThan(expected * 0.75);
    expect(Math.max(...counts)).toBeLessThan(expected * 1.25);
  });

  const word = fc.oneof(fc.nat({ max: 2 ** 32 - 1 }), fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1));
  const position: fc.Arbitrary<Position> = fc.tuple(word, word, word, word);

  it('orders prefixes and vnodes as it orders positions', () => {
    // Positions that share a first word, too: those differ low in the prefix or below it.
    const pair = fc.tuple(position, position, fc.boolean()).map(([a, b, near]): [Position, Position] => {
      return [a, near ? [a[0], b[1], b[2], b[3]] : b];
    });
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const [low, high] = positionHex(a) <= positionHex(b) ? [a, b] : [b, a];
        expect(prefixOf(low)).toBeLessThanOrEqual(prefixOf(high));
        for (const vnodes of [1, 2, 256, VNODES_MAX]) {
          expect(vnodeOf(low, vnodes)).toBeLessThanOrEqual(vnodeOf(high, vnodes));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('has the top 52 bits of the position as its prefix', () => {
    fc.assert(
      fc.property(position, (one) => {
        expect(BigInt(prefixOf(one))).toBe(BigInt(`0x${positionHex(one)}`) >> 76n);
      }),
    );
  });

  it.each([1, 2, 256, 1024, VNODES_MAX])(
    'is cut by %i vnodes into ranges without gap or overlap',
    (vnodes) => {
      let end = 0;
      for (let vnode = 0; vnode < vnodes; vnode++) {
        const [from, to] = prefixRange(vnode, vnodes);
        expect(from).toBe(end);
        expect(to).toBeGreaterThan(from);
        expect(Number.isSafeInteger(to)).toBe(true);
        end = to;
      }
      expect(end).toBe(2 ** 52);
    },
  );

  it.each([1, 2, 256, 1024, VNODES_MAX])(
    'with %i vnodes gives a vnode exactly the prefixes of its range',
    (vnodes) => {
      for (let vnode = 0; vnode < vnodes; vnode++) {
        const [from, to] = prefixRange(vnode, vnodes);
        for (const one of [withPrefix(from, 0), withPrefix(to - 1, 2 ** 32 - 1)]) {
          expect(vnodeOf(one, vnodes)).toBe(vnode);
          expect(prefixOf(one)).toBeGreaterThanOrEqual(from);
          expect(prefixOf(one)).toBeLessThan(to);
        }
      }
      fc.assert(
        fc.property(position, (one) => {
          const [from, to] = prefixRange(vnodeOf(one, vnodes), vnodes);
          return from <= prefixOf(one) && prefixOf(one) < to;
        }),
      );
    },
  );
});
