import { assert, nat, property, uniqueArray } from 'fast-check';
import { expect, it } from 'vitest';
import { Bits } from './bits.ts';

const numbers = uniqueArray(nat(200));

it('is the set of what was added, whatever the numbers', () => {
  assert(
    property(numbers, numbers, (a, b) => {
      const [left, right] = [Bits.of(...a), Bits.of(...b)];
      const sorted = (of: Iterable<number>) => [...of].toSorted((x, y) => x - y);
      expect(sorted(left.members())).toEqual(sorted(a));
      expect(sorted(left.copy().addAll(right).members())).toEqual(sorted(new Set([...a, ...b])));
      expect(sorted(left.copy().removeAll(right).members())).toEqual(sorted(a.filter((n) => !b.includes(n))));
      expect(sorted(left.copy().keepAll(right).members())).toEqual(sorted(a.filter((n) => b.includes(n))));
      expect(left.firstBeyond(right)).toBe(sorted(a.filter((n) => !b.includes(n)))[0]);
      expect(left.firstCommon(right)).toBe(sorted(a.filter((n) => b.includes(n)))[0]);
      for (const n of b) expect(left.has(n)).toBe(a.includes(n));
    }),
  );
});

it('forgets what is deleted, and a copy is another set', () => {
  const bits = Bits.of(1, 40);
  const copy = bits.copy();
  bits.delete(40);
  expect([bits.has(40), copy.has(40)]).toEqual([false, true]);
});
