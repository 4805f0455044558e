import { DecodeError } from '../codec/bytes.ts';
import { BUCKET_BYTES_MAX, KEY_BYTES_MAX } from '../protocol/limits.ts';

/**
 * A full key is one byte string: the bucket's length, the bucket, the key. Everything below HTTP handles keys in
 * this form only; the bytes are UTF-8 and are never normalised, so two spellings of "é" are two keys.
 */
export type FullKey = Uint8Array;

export function fullKey(bucket: Uint8Array, key: Uint8Array): FullKey {
  const full = new Uint8Array(1 + bucket.length + key.length);
  full[0] = bucket.length;
  full.set(bucket, 1);
  full.set(key, 1 + bucket.length);
  return full;
}

export function splitKey(full: FullKey): { readonly bucket: Uint8Array; readonly key: Uint8Array } {
  const bucketLength = full[0] ?? 0;
  return { bucket: full.subarray(1, 1 + bucketLength), key: full.subarray(1 + bucketLength) };
}

/** Throws {@link DecodeError} unless the bytes are a full key within its limits. */
export function checkFullKey(full: Uint8Array): void {
  const bucketLength = full[0] ?? 0;
  const keyLength = full.length - 1 - bucketLength;
  if (bucketLength < 1 || bucketLength > BUCKET_BYTES_MAX || keyLength < 1 || keyLength > KEY_BYTES_MAX) {
    throw new DecodeError('not a full key');
  }
}
