import { DecodeError } from './bytes.ts';

/** What `read` gives, or the refusal it throws. Any other error is a bug and passes through. */
export function readOrRefusal<T>(read: () => T): T | DecodeError {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecodeError) return error;
    throw error;
  }
}

/** `bytes`, cut short at every position. */
export function cuts(bytes: Uint8Array): readonly Uint8Array[] {
  return Array.from(bytes, (_, length) => bytes.slice(0, length));
}

/** `bytes`, each time with another one of its first `length` bytes' bits changed. */
export function bitFlips(bytes: Uint8Array, length = bytes.length): readonly Uint8Array[] {
  return Array.from({ length: length * 8 }, (_, bit) =>
    bytes.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte)),
  );
}
