import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Prng } from '../prng.ts';
import { drawn, Rotation } from './rotation.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'];

function rotation(seed = 1): Rotation {
  const made = new Rotation(new Prng(seed).next);
  made.reset(NAMES);
  return made;
}

const sorted = (names: readonly (string | undefined)[]): string[] => names.map(String).toSorted();

const turns = (made: Rotation, count: number): (string | undefined)[] =>
  Array.from({ length: count }, () => made.next());

describe('rotation', () => {
  it('visits everybody once per round, in a new order', () => {
    const made = rotation();
    const rounds = Array.from({ length: 20 }, () => turns(made, 5));
    for (const round of rounds) expect(sorted(round)).toEqual(NAMES);
    expect(new Set(rounds.map(String)).size).toBeGreaterThan(10);
  });

  it('takes urgent names first, but only every second turn', () => {
    const made = rotation();
    for (const name of ['c', 'a', 'b']) made.hasten(name);
    const taken = turns(made, 6);
    expect(taken[0]).toBe('c');
    expect(made.hasUrgent).toBe(false);
    expect(turns(rotation(), 5)).not.toEqual(taken.slice(0, 5));
  });

  it('reaches everybody in 2n - 1 regular turns whatever is urgent', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.constantFrom('a', 'b')), (seed, alarms) => {
        const made = rotation(seed);
        const seen = new Set<string | undefined>();
        for (let turn = 0; turn < 2 * (2 * NAMES.length - 1); turn += 1) {
          for (const name of [...alarms, 'a']) made.hasten(name);
          seen.add(made.next());
        }
        expect(seen.size).toBe(NAMES.length);
      }),
    );
  });

  it('ignores an alarm about a name that is not in it', () => {
    const made = rotation();
    made.hasten('z');
    expect(made.hasUrgent).toBe(false);
  });

  it('keeps its place in the round when names come and go', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const made = rotation(seed);
        const before = turns(made, 2);
        made.hasten('e');
        made.reset([...NAMES.slice(0, 4), 'x']);
        expect(made.hasUrgent).toBe(false);
        const left = NAMES.slice(0, 4).filter((name) => !before.includes(name));
        expect(sorted(turns(made, left.length + 1))).toEqual([...left, 'x']);
      }),
    );
  });

  it('has nobody to offer when it is empty', () => {
    expect(new Rotation(() => 0).next()).toBeUndefined();
  });
});

describe('a draw', () => {
  it('is without replacement, and leaves its input alone', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.nat(25), fc.integer(), (size, count, seed) => {
        const items = Array.from({ length: size }, (_, i) => i);
        const draw = drawn(items, new Prng(seed).next, count);
        expect(new Set(draw).size).toBe(Math.min(size, count));
        expect(draw.every((item) => items.includes(item))).toBe(true);
        expect(items).toHaveLength(size);
        expect(drawn(items, new Prng(seed).next)).toHaveLength(size);
      }),
    );
  });
});
