import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError, toHex } from '../codec/bytes.ts';
import { bitFlips, cuts, readOrRefusal } from '../codec/damage.case.ts';
import { sipKey } from '../hash/siphash.ts';
import { BODY_BYTES_MAX } from '../protocol/limits.ts';
import { delta, emptyContext } from './context.ts';
import { makeActor } from './dot.ts';
import { execute, plansWithLosses, statesOf } from './executions.case.ts';
import { type History, historyOf } from './history.ts';
import { emptyState, type KeyState, merge, type Sibling, type WriteId } from './key-state.ts';
import { decodeState, digestOf, encodeState, headSize } from './state-codec.ts';

const NONE: ReadonlySet<WriteId> = new Set();
const A = makeActor('a', 'AAAAAAAAAAA', 0);
const B = makeActor('b', 'AAAAAAAAAAA', 0);
const C = makeActor('c', 'AAAAAAAAAAA', 0);

const hex = (state: KeyState) => toHex(encodeState(state));

/** Every kind of state that can be: of replicas, of deltas, of parts, and all of it merged. */
const states: fc.Arbitrary<readonly KeyState[]> = plansWithLosses.map((plan) => statesOf(execute(plan)));

const TOMBSTONE: Sibling = {
  writeId: '1'.repeat(16),
  dots: [{ actor: A, counter: 7 }],
  deleted: true,
  writtenAtMs: 0,
  check: 0,
  body: new Uint8Array(0),
};

const TWICE_ATTEMPTED: Sibling = {
  writeId: '2'.repeat(16),
  dots: [
    { actor: A, counter: 3 },
    { actor: C, counter: 2 ** 40 },
  ],
  deleted: false,
  writtenAtMs: 1_800_000_000_000,
  check: 0xdeadbeef,
  body: Uint8Array.of(1, 2, 3),
};

const PLAIN: Sibling = {
  writeId: '3'.repeat(16),
  dots: [{ actor: B, counter: 1 }],
  deleted: false,
  writtenAtMs: 5,
  check: 9,
  body: Uint8Array.of(4),
};

/** A state with a gap in its history, large counters and closed ids. */
const RICH: KeyState = {
  siblings: [TOMBSTONE, TWICE_ATTEMPTED, PLAIN],
  history: {
    actors: [A, B, C],
    ranges: [
      [1, 3, 5, 7],
      [1, 1],
      [2, 2 ** 50],
    ],
  },
  closed: ['\0'.repeat(16), 'z'.repeat(16)],
};
const RICH_BODIES_BYTES = 4;

const richWith = (changes: Partial<KeyState>) => encodeState({ ...RICH, ...changes });
const decode = (bytes: Uint8Array) => readOrRefusal(() => decodeState(bytes));

/** What is wrong with how `bytes` are read: they must be refused, or be the one encoding of a valid state. */
function misread(bytes: Uint8Array): string | undefined {
  const state = decode(bytes);
  if (state instanceof DecodeError) return undefined;
  if (hex(state) !== toHex(bytes)) return `${toHex(bytes)} is also ${hex(state)}`;
  if (hex(merge(state, state, NONE).state) !== hex(state)) return `${hex(state)} is no valid state`;
  return undefined;
}

describe('an encoded state', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(states, (all) => {
        for (const state of all) expect(decodeState(encodeState(state))).toEqual(state);
      }),
      { numRuns: 50 },
    );
    expect(decodeState(encodeState(RICH))).toEqual(RICH);
    expect(decodeState(encodeState(emptyState))).toEqual(emptyState);
  });

  it('is the same for the same state, however it came about', () => {
    fc.assert(
      fc.property(states, (all) => {
        for (const state of all) expect(hex(decodeState(encodeState(state)))).toBe(hex(state));
      }),
    );
  });

  it('has a head of a size known beforehand', () => {
    fc.assert(
      fc.property(states, (all) => {
        for (const state of all) {
          const bodies = state.siblings.reduce((sum, { body }) => sum + body.length, 0);
          expect(headSize(state)).toBe(encodeState(state).length - bodies);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('has bodies that are views, not copies', () => {
    const bytes = encodeState(RICH);
    expect(decodeState(bytes).siblings.every(({ body }) => body.buffer === bytes.buffer)).toBe(true);
  });
});

/** Bytes that the sibling heads of a state take. */
const headsBytes = (state: KeyState) => headSize(state) - headSize({ ...state, siblings: [] });

describe('bytes that are no canonical encoding', () => {
  it('with any one bit of the head changed are refused or mean exactly what they say', () => {
    const bytes = encodeState(RICH);
    const flipped = bitFlips(bytes, bytes.length - RICH_BODIES_BYTES);
    expect(flipped.flatMap((one) => misread(one) ?? [])).toEqual([]);
    expect(flipped.filter((one) => decode(one) instanceof DecodeError).length).toBeGreaterThan(100);
  });

  it('are refused wherever an encoding is cut', () => {
    for (const cut of cuts(encodeState(RICH))) expect(decode(cut)).toBeInstanceOf(DecodeError);
  });

  it('are refused with one byte too many', () => {
    expect(() => decodeState(Uint8Array.from([...encodeState(RICH), 0]))).toThrow('trailing bytes');
  });

  it('however they were made, are refused or mean exactly what they say', () => {
    const damaged = fc
      .tuple(
        states,
        fc.nat(),
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 }), fc.nat({ max: 2 })), { maxLength: 4 }),
      )
      .map(([all, which, edits]) => {
        const bytes = [...encodeState(all[which % all.length] ?? emptyState)];
        for (const [at, byte, removed] of edits) bytes.splice(at % bytes.length, removed, byte);
        return Uint8Array.from(bytes);
      });
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array()), (bytes) => {
        expect(misread(bytes)).toBeUndefined();
      }),
      { numRuns: 1000 },
    );
  });

  // The sibling heads end the head; the flags of the first follow its id.
  const flagAt = encodeState(RICH).length - RICH_BODIES_BYTES - headsBytes(RICH) + 16;

  it.each([
    ['another version', encodeState(RICH).with(0, 2), 'unknown key state version'],
    ['siblings out of order', richWith({ siblings: [TWICE_ATTEMPTED, TOMBSTONE] }), 'write-ids out of order'],
    ['a sibling twice', richWith({ siblings: [TWICE_ATTEMPTED, TWICE_ATTEMPTED] }), 'write-ids out of order'],
    ['closed ids out of order', richWith({ closed: RICH.closed.toReversed() }), 'write-ids out of order'],
    ['a closed id twice', richWith({ closed: ['a'.repeat(16), 'a'.repeat(16)] }), 'write-ids out of order'],
    ['a sibling that is closed', richWith({ closed: [PLAIN.writeId] }), 'a closed write among the siblings'],
    ['a sibling without a dot', richWith({ siblings: [{ ...PLAIN, dots: [] }] }), 'a sibling without a dot'],
    [
      'a dot outside the history',
      richWith({ siblings: [{ ...PLAIN, dots: [{ actor: B, counter: 2 }] }] }),
      'not in the history',
    ],
    [
      'a dot of counter 0',
      richWith({ siblings: [{ ...PLAIN, dots: [{ actor: B, counter: 0 }] }] }),
      'not in the history',
    ],
    [
      'dots out of order',
      richWith({ siblings: [{ ...TWICE_ATTEMPTED, dots: TWICE_ATTEMPTED.dots.toReversed() }] }),
      'dots out of order',
    ],
    [
      'a dot twice',
      richWith({ siblings: [{ ...PLAIN, dots: [...PLAIN.dots, ...PLAIN.dots] }] }),
      'dots out of order',
    ],
    ['an unknown flag', encodeState(RICH).with(flagAt, 2), 'unknown sibling flag'],
    [
      'a body over its maximum',
      richWith({ siblings: [{ ...PLAIN, body: new Uint8Array(BODY_BYTES_MAX + 1) }] }),
      'count larger',
    ],
  ])('are refused with %s', (_, bytes, reason) => {
    expect(() => decodeState(bytes)).toThrow(DecodeError);
    expect(() => decodeState(bytes)).toThrow(reason);
  });

  it('are refused with a dot of an actor outside the history', () => {
    const of = (history: History): KeyState => ({ siblings: [PLAIN], history, closed: [] });
    // The index of the last actor, in a history that has lost it.
    const complete = of(historyOf([{ actor: A, counter: 1 }, ...PLAIN.dots]));
    const shorter = encodeState({ siblings: [], history: historyOf([{ actor: A, counter: 1 }]), closed: [] });
    const forged = Uint8Array.from([
      ...shorter.slice(0, -1),
      ...encodeState(complete).slice(-headsBytes(complete) - PLAIN.body.length - 1),
    ]);
    expect(() => decodeState(forged)).toThrow('a dot of an actor outside the history');
  });

  it.each([
    ['actors', [1]],
    ['closed ids', [1, 0]],
    ['siblings', [1, 0, 0]],
  ])('are refused at once when they claim 2^32 %s', (_, head) => {
    const claim = Uint8Array.from([...head, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 2, 3, 4, 5]);
    expect(() => decodeState(claim)).toThrow('count larger than its data');
  });
});

describe('a digest', () => {
  const KEY = sipKey(new Uint8Array(16).fill(1));
  const OTHER = sipKey(new Uint8Array(16).fill(2));
  const digest = (state: KeyState, key = KEY) => toHex(digestOf(key, state));

  it('is equal exactly where states are', () => {
    fc.assert(
      fc.property(states, (all) => {
        const digests = new Map(all.map((state) => [hex(state), digest(state)]));
        for (const state of all)
          expect(digest(decodeState(encodeState(state)))).toBe(digests.get(hex(state)));
        expect(new Set(digests.values()).size).toBe(digests.size);
      }),
      { numRuns: 50 },
    );
  });

  it('changes with everything in a state but the bytes of a body, which its check stands for', () => {
    const changed = (changes: Partial<Sibling>): KeyState => ({
      ...RICH,
      siblings: [{ ...TOMBSTONE, ...changes }, TWICE_ATTEMPTED, PLAIN],
    });
    const different = [
      RICH,
      emptyState,
      changed({ writeId: '0'.repeat(16) }),
      changed({ dots: [{ actor: A, counter: 6 }] }),
      changed({ deleted: false }),
      changed({ writtenAtMs: 1 }),
      changed({ check: 1 }),
      changed({ body: Uint8Array.of(1) }),
      { ...RICH, siblings: [TWICE_ATTEMPTED, PLAIN] },
      { ...RICH, closed: RICH.closed.slice(1) },
      {
        ...RICH,
        history: {
          ...RICH.history,
          ranges: [
            [1, 3, 5, 8],
            [1, 1],
            [2, 2 ** 50],
          ],
        },
      },
    ];
    expect(new Set(different.map((state) => digest(state))).size).toBe(different.length);
    expect(digest(changed({ body: Uint8Array.of(2) }))).toBe(digest(changed({ body: Uint8Array.of(1) })));
  });

  /** Different values, as a client may pick them. */
  const picked = Array.from({ length: 400 }, (_, n) =>
    delta(emptyContext, { ...PLAIN, check: n, body: Uint8Array.of(n & 255) }),
  );

  it('under one key says nothing about the digest under another', () => {
    let agreeing = 0;
    for (const state of picked) {
      const differing = BigInt(`0x${digest(state, KEY)}`) ^ BigInt(`0x${digest(state, OTHER)}`);
      agreeing += 128 - differing.toString(2).replaceAll('0', '').length;
    }
    // Of 51,200 bits half agree, give or take five deviations of 113.
    expect(Math.abs(agreeing - 25_600)).toBeLessThan(5 * 113);
  });

  it('cannot be steered: values picked so that their digests cancel under one key do not under another (rule 25)', () => {
    // Gaussian elimination over GF(2): among any 129 digests of 128 bits some subset has an XOR of zero.
    const basis = new Map<number, { readonly digest: bigint; readonly states: bigint }>();
    let cancelling = 0n;
    for (const [n, state] of picked.entries()) {
      let row = { digest: BigInt(`0x${digest(state, KEY)}`), states: 1n << BigInt(n) };
      while (row.digest > 0n) {
        const top = row.digest.toString(2).length;
        const other = basis.get(top);
        if (other === undefined) {
          basis.set(top, row);
          break;
        }
        row = { digest: row.digest ^ other.digest, states: row.states ^ other.states };
      }
      if (row.digest === 0n) {
        cancelling = row.states;
        break;
      }
    }
    const subset = picked.filter((_, n) => (cancelling >> BigInt(n)) & 1n);
    const sum = (key: typeof KEY) =>
      subset.reduce((xor, state) => xor ^ BigInt(`0x${digest(state, key)}`), 0n);
    expect(subset.length).toBeGreaterThan(1);
    expect(sum(KEY)).toBe(0n);
    expect(sum(OTHER)).not.toBe(0n);
  });
});
