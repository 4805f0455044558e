import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { DecodeError } from '../codec/bytes.ts';
import { BUCKET_BYTES_MAX, KEY_BYTES_MAX } from '../protocol/limits.ts';
import { checkFullKey, fullKey, splitKey } from './key.ts';

const bucket = fc.uint8Array({ minLength: 1, maxLength: BUCKET_BYTES_MAX });
const key = fc.uint8Array({ minLength: 1, maxLength: KEY_BYTES_MAX });

it('a full key splits into the bucket and key that made it', () => {
  fc.assert(
    fc.property(bucket, key, (b, k) => {
      const full = fullKey(b, k);
      expect(() => checkFullKey(full)).not.toThrow();
      expect(splitKey(full)).toEqual({ bucket: b, key: k });
    }),
  );
});

const of = (bucketLength: number, keyLength: number) =>
  fullKey(new Uint8Array(bucketLength), new Uint8Array(keyLength));

it.each([
  ['nothing', new Uint8Array(0)],
  ['no bucket', of(0, 5)],
  ['no key', of(5, 0)],
  ['a bucket longer than the bytes', Uint8Array.of(4, 1, 2, 3)],
  ['a bucket over its maximum', of(BUCKET_BYTES_MAX + 1, 1)],
  ['a key over its maximum', of(1, KEY_BYTES_MAX + 1)],
])('bytes with %s are not a full key', (_, full) => {
  expect(() => checkFullKey(full)).toThrow(DecodeError);
});

it('the largest bucket and key make a full key', () => {
  expect(() => checkFullKey(of(BUCKET_BYTES_MAX, KEY_BYTES_MAX))).not.toThrow();
});
