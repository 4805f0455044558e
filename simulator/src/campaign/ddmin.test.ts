import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { ddmin } from './ddmin.ts';

it('is left with exactly what the failure needs', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 80 }), fc.array(fc.nat(79), { maxLength: 6 }), (length, wanted) => {
      const items = Array.from({ length }, (_, i) => i);
      const needed = items.filter((i) => wanted.includes(i));
      const kept = ddmin(items, (some) => needed.every((i) => some.includes(i)));
      expect(kept).toEqual(needed);
    }),
  );
});

it('is left with something of which nothing can go, whatever makes it fail', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50), { minLength: 1, maxLength: 40 }), (items) => {
      const sum = items.reduce((a, b) => a + b, 0);
      const fails = (some: readonly number[]) => some.reduce((a, b) => a + b, 0) * 2 >= sum;
      const kept = ddmin(items, fails);
      expect(fails(kept)).toBe(true);
      if (kept.length > 0) for (const [i] of kept.entries()) expect(fails(kept.toSpliced(i, 1))).toBe(false);
    }),
  );
});

it('asks few times when a few of many items are needed', () => {
  let asked = 0;
  const items = Array.from({ length: 1024 }, (_, i) => i);
  ddmin(items, (some) => {
    asked++;
    return some.includes(17) && some.includes(900);
  });
  expect(asked).toBeLessThan(60);
});
