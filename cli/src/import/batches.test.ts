import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Batches, operationBytes } from './batches.ts';

function unitsOf(sizes: readonly number[], operations: number, bytes: number): number[][] {
  const batches = new Batches<number>({ operations, bytes }, (size) => size);
  return [...sizes.flatMap((size) => batches.add(size)), ...batches.rest()];
}

test('a unit ends when it is full, by count or by bytes', () => {
  expect(unitsOf([1, 1, 1, 1, 1], 2, 100)).toEqual([[1, 1], [1, 1], [1]]);
  expect(unitsOf([40, 40, 40, 200, 1], 9, 100)).toEqual([[40, 40], [40], [200], [1]]);
  expect(unitsOf([], 2, 100)).toEqual([]);
});

test('nothing is lost or reordered, and only a lone item may break the limit', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(120)), fc.integer({ min: 1, max: 5 }), (sizes, operations) => {
      const units = unitsOf(sizes, operations, 100);
      expect(units.flat()).toEqual(sizes);
      for (const unit of units) {
        expect(unit.length).toBeGreaterThan(0);
        expect(unit.length).toBeLessThanOrEqual(operations);
        const bytes = unit.reduce((a, b) => a + b, 0);
        expect(unit.length === 1 || bytes <= 100).toBe(true);
      }
    }),
  );
});

const awkward = fc
  .array(fc.constantFrom('a', '"', '\\', '\u0001', '\u007f', 'é', '😀'))
  .map((parts) => parts.join(''));

test('the estimate of an operation is never below what JSON makes of it', () => {
  fc.assert(
    fc.property(awkward, awkward, fc.uint8Array(), (bucket, key, value) => {
      const operation = JSON.stringify({
        op: 'put',
        bucket,
        key,
        contentType: 'text/plain; charset=utf-8',
        idempotencyKey: 'x'.repeat(70),
        valueBase64: Buffer.from(value).toString('base64'),
      });
      expect(operationBytes(bucket, key, value.length)).toBeGreaterThanOrEqual(
        Buffer.byteLength(operation) + 1,
      );
    }),
  );
});
