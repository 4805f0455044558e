import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { chunksOf, type SeedRange, sizeOf, without } from './seed-range.ts';

const range = fc
  .tuple(fc.nat(40), fc.nat(15))
  .map(([from, length]): SeedRange => ({ from, to: from + length }));

it('leaves each wanted seed that is not done, once and in order, whatever overlaps', () => {
  fc.assert(
    fc.property(range, fc.array(range), (wanted, done) => {
      const left = without(wanted, done);
      const expected = seedsOf(wanted).filter(
        (seed) => !done.some(({ from, to }) => from <= seed && seed <= to),
      );
      expect(left.flatMap(seedsOf)).toEqual(expected);
      expect(sizeOf(left)).toBe(expected.length);
    }),
  );
});

it('cuts ranges into chunks that are no larger than wanted', () => {
  fc.assert(
    fc.property(fc.array(range), fc.integer({ min: 1, max: 12 }), (ranges, size) => {
      const chunks = [...chunksOf(ranges, size)];
      expect(chunks.flatMap(seedsOf)).toEqual(ranges.flatMap(seedsOf));
      for (const chunk of chunks) expect(sizeOf([chunk])).toBeLessThanOrEqual(size);
    }),
  );
});

function seedsOf({ from, to }: SeedRange): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
