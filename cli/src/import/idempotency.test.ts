import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Repeats, idempotencyKey, identityOf } from './idempotency.ts';

const record = { bucket: 'b', key: 'k', contentType: 'application/json', value: Buffer.from('{"a":1}') };

test('the name of a record never changes: a changed one would store every file again', () => {
  expect(idempotencyKey(identityOf(record), 0)).toBe('import-mRiIqQRy15PhCGBqNpxHW2G9EG5L3q_GcldGylEVUFU');
  expect(idempotencyKey(identityOf(record), 3)).toBe('import-mRiIqQRy15PhCGBqNpxHW2G9EG5L3q_GcldGylEVUFU-3');
});

test('each part of a record has its say in the name', () => {
  const names = [
    record,
    { ...record, bucket: 'c' },
    { ...record, key: 'l' },
    { ...record, contentType: 'text/plain' },
    { ...record, value: Buffer.from('{"a":2}') },
    // The same characters, divided otherwise.
    { ...record, bucket: 'bk', key: '' },
    { ...record, bucket: '', key: 'bk' },
  ].map(identityOf);
  expect(new Set(names).size).toBe(names.length);
});

test('a name fits the header: 1 to 128 visible ASCII characters', () => {
  fc.assert(
    fc.property(fc.string(), fc.uint8Array(), fc.nat(), (key, value, occurrence) => {
      const name = idempotencyKey(identityOf({ ...record, key, value }), occurrence);
      expect(name).toMatch(/^[\x21-\x7e]{1,128}$/);
    }),
  );
});

function namesOf(texts: readonly string[], recent?: number): string[] {
  const repeats = new Repeats(recent);
  return texts.map((text) => `${text}#${repeats.count(text)}`);
}

test('repeated records have names of their own, and the same ones in every run', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'b', 'c', 'd')), (texts) => {
      const names = namesOf(texts);
      expect(new Set(names).size).toBe(names.length);
      expect(namesOf(texts)).toEqual(names);
      // The order of the file has no say: sorted, it is the same set of writes.
      expect(namesOf(texts.toSorted()).toSorted()).toEqual(names.toSorted());
    }),
  );
});

test('with a bounded memory names still depend on the input alone, and a far repeat falls back to the first name', () => {
  const far = ['x', ...Array.from({ length: 50 }, (_, i) => `other-${i}`), 'x'];
  expect(namesOf(far, 10).at(-1)).toBe('x#0');
  expect(namesOf(['x', 'y', 'x'], 10)).toEqual(['x#0', 'y#0', 'x#1']);
  // A repeat renews the memory of it.
  expect(
    namesOf(['x', '1', '2', '3', '4', 'x', '5', '6', '7', '8', 'x'], 10).filter((name) =>
      name.startsWith('x'),
    ),
  ).toEqual(['x#0', 'x#1', 'x#2']);
  fc.assert(
    fc.property(fc.array(fc.nat(30).map(String)), fc.integer({ min: 2, max: 20 }), (texts, recent) => {
      expect(namesOf(texts, recent)).toEqual(namesOf(texts, recent));
    }),
  );
});
