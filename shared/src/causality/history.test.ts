import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError, Reader, toHex, Writer } from '../codec/bytes.ts';
import { bitFlips, cuts, readOrRefusal } from '../codec/damage.case.ts';
import { compareDots, type Dot, isActorOf, makeActor } from './dot.ts';
import {
  covers,
  emptyHistory,
  hasDot,
  type History,
  historyOf,
  lastCounter,
  readHistory,
  sameHistory,
  union,
  withDot,
  writeHistory,
} from './history.ts';

const A = makeActor('a', 'AAAAAAAAAAA', 0);
const B = makeActor('b', 'AAAAAAAAAAA', 0);
const ACTORS = [A, B, makeActor('c-1', 'AAAAAAAAAAA', 0)];

const dots: fc.Arbitrary<Dot[]> = fc.array(
  fc.record({ actor: fc.constantFrom(...ACTORS), counter: fc.integer({ min: 1, max: 12 }) }),
  { maxLength: 30 },
);

const name = ({ actor, counter }: Dot) => `${actor}/${counter}`;
const ALL: readonly Dot[] = ACTORS.flatMap((actor) =>
  Array.from({ length: 14 }, (_, i) => ({ actor, counter: i + 1 })),
);

/** The dots of a history, asked one by one. */
const members = (history: History) => new Set(ALL.filter((dot) => hasDot(history, dot)).map(name));

function encode(history: History): Uint8Array {
  const writer = new Writer();
  writeHistory(writer, history);
  return writer.finish();
}

function decode(bytes: Uint8Array): History {
  const reader = new Reader(bytes);
  const history = readHistory(reader);
  reader.finish();
  return history;
}

/** Written without looking: [actor, gap, length, gap, length, ...]. */
function raw(...actors: readonly (readonly [string, ...number[]])[]): Uint8Array {
  const writer = new Writer();
  writer.varint(actors.length);
  for (const [actor, ...pairs] of actors) {
    writer.varint(actor.length);
    writer.latin1(actor);
    writer.varint(pairs.length / 2);
    for (const n of pairs) writer.varint(n);
  }
  return writer.finish();
}

const range = (first: number, last: number): History => ({ actors: [A], ranges: [[first, last]] });

describe('a history, beside a plain set of dots', () => {
  it('holds exactly what was added', () => {
    fc.assert(
      fc.property(dots, (added) => {
        expect(members(historyOf(added))).toEqual(new Set(added.map(name)));
      }),
    );
  });

  it('unites as sets do', () => {
    fc.assert(
      fc.property(dots, dots, (a, b) => {
        const both = union(historyOf(a), historyOf(b));
        expect(members(both)).toEqual(new Set([...a, ...b].map(name)));
        expect(encode(both)).toEqual(encode(union(historyOf(b), historyOf(a))));
      }),
    );
  });

  it('covers another when it is a superset', () => {
    // All of the other, or all but one of its dots.
    fc.assert(
      fc.property(dots, dots, fc.option(fc.nat()), (others, wanted, missing) => {
        const left = missing === null ? undefined : wanted[missing % wanted.length];
        const history = historyOf(
          [...others, ...wanted].filter((dot) => left === undefined || name(dot) !== name(left)),
        );
        expect(covers(history, historyOf(wanted))).toBe(left === undefined);
      }),
      { numRuns: 500 },
    );
  });

  it('does not cover another that begins inside its range and ends beyond it', () => {
    expect(covers(range(1, 3), range(2, 3))).toBe(true);
    expect(covers(range(1, 3), range(2, 5))).toBe(false);
    expect(covers(range(2, 5), range(1, 3))).toBe(false);
  });

  it('knows the last counter of every actor', () => {
    fc.assert(
      fc.property(dots, (added) => {
        for (const actor of ACTORS) {
          const counters = added.filter((dot) => dot.actor === actor).map((dot) => dot.counter);
          expect(lastCounter(historyOf(added), actor)).toBe(Math.max(0, ...counters));
        }
      }),
    );
  });

  it('is never changed in place', () => {
    fc.assert(
      fc.property(dots, dots, (a, b) => {
        const history = historyOf(a);
        const before = toHex(encode(history));
        union(history, historyOf(b));
        withDot(history, { actor: A, counter: 13 });
        expect(toHex(encode(history))).toBe(before);
      }),
    );
  });
});

describe('the canonical form', () => {
  it('is one per set of dots, whatever the way it was built', () => {
    fc.assert(
      fc.property(dots, fc.nat({ max: 30 }), (added, split) => {
        const atOnce = historyOf(added);
        const inSortedOrder = historyOf(added.toSorted(compareDots));
        const inHalves = union(historyOf(added.slice(split)), historyOf(added.slice(0, split)));
        const overlapping = union(inHalves, historyOf(added.slice(split / 2)));
        for (const history of [inSortedOrder, inHalves, overlapping]) {
          expect(toHex(encode(history))).toBe(toHex(encode(atOnce)));
          expect(sameHistory(history, atOnce)).toBe(true);
        }
      }),
    );
  });

  it('tells different sets apart', () => {
    fc.assert(
      fc.property(dots, dots, (a, b) => {
        const same =
          a.every((dot) => hasDot(historyOf(b), dot)) && b.every((dot) => hasDot(historyOf(a), dot));
        expect(sameHistory(historyOf(a), historyOf(b))).toBe(same);
        expect(toHex(encode(historyOf(a))) === toHex(encode(historyOf(b)))).toBe(same);
      }),
    );
  });

  it('fills gaps: dots 1, 3 and 2 are one range', () => {
    const history = historyOf([1, 3, 2].map((counter) => ({ actor: A, counter })));
    expect(history).toEqual({ actors: [A], ranges: [[1, 3]] });
  });

  it('keeps gaps: dots 1 to 7 and 9 do not claim 8', () => {
    const history = historyOf([1, 2, 3, 4, 5, 6, 7, 9].map((counter) => ({ actor: A, counter })));
    expect(history).toEqual({ actors: [A], ranges: [[1, 7, 9, 9]] });
    expect(hasDot(history, { actor: A, counter: 8 })).toBe(false);
  });
});

describe('an encoded history', () => {
  it('comes back as it was, with counters up to 2^53-1', () => {
    const wide = fc.array(
      fc.record({
        actor: fc.constantFrom(...ACTORS),
        counter: fc.oneof(
          fc.integer({ min: 1, max: 9 }),
          fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
          fc.integer({ min: Number.MAX_SAFE_INTEGER - 5, max: Number.MAX_SAFE_INTEGER }),
        ),
      }),
    );
    fc.assert(
      fc.property(wide, (added) => {
        expect(decode(encode(historyOf(added)))).toEqual(historyOf(added));
      }),
    );
  });

  it('reads what is canonical', () => {
    expect(decode(raw([A, 1, 6, 2, 0], [B, 4, 0]))).toEqual({
      actors: [A, B],
      ranges: [
        [1, 7, 9, 9],
        [4, 4],
      ],
    });
  });

  const MAX = Number.MAX_SAFE_INTEGER;
  it.each([
    ['unsorted actors', raw([B, 1, 0], [A, 1, 0]), 'actors out of order'],
    ['an actor twice', raw([A, 1, 0], [A, 3, 0]), 'actors out of order'],
    ['an actor without dots', raw([A]), 'an actor without dots'],
    ['a counter of 0', raw([A, 0, 3]), 'ranges not canonical'],
    ['ranges that overlap', raw([A, 1, 3, 0, 2]), 'ranges not canonical'],
    ['ranges that touch', raw([A, 1, 3, 1, 2]), 'ranges not canonical'],
    ['a last counter above 2^53-1', raw([A, 1, MAX]), 'counter above 2^53-1'],
    ['a first counter above 2^53-1', raw([A, 5, 0, MAX, 0]), 'counter above 2^53-1'],
    ['an actor that is none', raw(['a', 1, 0], [A, 1, 0]), 'text outside its alphabet'],
    [
      '2^32 actors in a few bytes',
      Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x10, 1, 2, 3, 4, 5),
      'count larger',
    ],
  ])('refuses %s', (_, bytes, reason) => {
    expect(() => decode(bytes)).toThrow(DecodeError);
    expect(() => decode(bytes)).toThrow(reason);
  });

  it('refuses 2^32 ranges in a few bytes', () => {
    const bytes = raw([A, 1, 0]);
    const claim = Uint8Array.from([...bytes.slice(0, -3), 0x80, 0x80, 0x80, 0x80, 0x10, 1, 0]);
    expect(() => decode(claim)).toThrow('count larger than its data');
  });

  const GAPPED = encode(historyOf([...ALL.slice(0, 5), ...ALL.slice(7, 9), ...ALL.slice(20)]));

  it('throws a DecodeError wherever it is cut', () => {
    for (const cut of cuts(GAPPED)) expect(() => decode(cut)).toThrow(DecodeError);
  });

  it('with any one bit changed is refused or is the encoding of another history', () => {
    for (const flipped of bitFlips(GAPPED)) {
      const history = readOrRefusal(() => decode(flipped));
      if (history instanceof DecodeError) continue;
      expect(encode(history)).toEqual(flipped);
    }
  });
});

describe('an actor', () => {
  const boot = 'AAAAAAAAAAA';

  it('is recognised by the very process that minted it', () => {
    expect(isActorOf(makeActor('node-1', boot, 35), 'node-1', boot)).toBe(true);
    expect(isActorOf(makeActor('node-1', 'BBBBBBBBBBB', 0), 'node-1', boot)).toBe(false);
    expect(isActorOf(makeActor('node-12', boot, 0), 'node-1', boot)).toBe(false);
    expect(isActorOf(makeActor('node', boot, 0), 'node-1', boot)).toBe(false);
  });

  it('is written with any serial and node name', () => {
    for (const actor of [
      makeActor('a', boot, 0),
      makeActor('n'.repeat(63), '-_-_-_-_-_-', Number.MAX_SAFE_INTEGER),
    ]) {
      expect(decode(encode(withDot(emptyHistory, { actor, counter: 1 }))).actors).toEqual([actor]);
    }
  });
});
