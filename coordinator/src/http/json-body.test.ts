import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { isDeeperThan } from './json-body.ts';

const deeper = (text: string, max: number) => isDeeperThan(Buffer.from(text), max);

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

it('tells the depth of any JSON, whatever its strings hold', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' }), (value) => {
      const depth = depthOf(value);
      expect(deeper(JSON.stringify(value), depth)).toBe(false);
      expect(deeper(JSON.stringify(value), depth - 1)).toBe(depth > 0);
    }),
    { numRuns: 500 },
  );
});

it('does not count brackets inside strings, nor take an escaped quote for the end of one', () => {
  expect(deeper('["[[[[[["]', 1)).toBe(false);
  expect(deeper(String.raw`["\"[[[[", "\\"]`, 1)).toBe(false);
  expect(deeper(String.raw`["\\", [[1]]]`, 2)).toBe(true);
});

it('ends where the text ends, however broken it is', () => {
  expect(deeper('"', 1)).toBe(false);
  expect(deeper('"\\', 1)).toBe(false);
  expect(deeper(']]]]', 1)).toBe(false);
  expect(deeper('['.repeat(200_000), 8)).toBe(true);
});
