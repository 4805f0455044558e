import { crc32 } from 'node:zlib';
import { equalBytes } from '@circlet/shared/codec/bytes.ts';
import { FULL_KEY_BYTES_MAX } from '@circlet/shared/protocol/limits.ts';

/**
 * What one SQLite row holds: the entries whose keys share a 52-bit prefix, nearly always one.
 *
 *     (crc32  key length  value length  key  value)+
 *
 * SQLite does not notice most bit flips in its main file (invariants.md, section 4), so every entry carries a checksum
 * over prefix, key and value and is verified on every read. The prefix is in it because a flip can also move a row.
 */
export interface ChainEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

const HEADER = 10;

export function encodeChain(prefix: number, entries: readonly ChainEntry[]): Uint8Array {
  const size = entries.reduce((sum, { key, value }) => sum + HEADER + key.length + value.length, 0);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { key, value } of entries) {
    view.setUint16(at + 4, key.length);
    view.setUint32(at + 6, value.length);
    bytes.set(key, at + HEADER);
    bytes.set(value, at + HEADER + key.length);
    const end = at + HEADER + key.length + value.length;
    view.setUint32(at, checksum(prefix, bytes.subarray(at + 4, end)));
    at = end;
  }
  return bytes;
}

/** `corrupt` when any checksum or length is off: a damaged key cannot be told from an absent one, so none is. */
export function decodeChain(prefix: number, bytes: unknown): readonly ChainEntry[] | 'corrupt' {
  if (!(bytes instanceof Uint8Array)) return 'corrupt';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: ChainEntry[] = [];
  let at = 0;
  do {
    if (bytes.length - at < HEADER) return 'corrupt';
    const keyLength = view.getUint16(at + 4);
    const valueLength = view.getUint32(at + 6);
    const end = at + HEADER + keyLength + valueLength;
    if (keyLength > FULL_KEY_BYTES_MAX || end > bytes.length) return 'corrupt';
    if (view.getUint32(at) !== checksum(prefix, bytes.subarray(at + 4, end))) return 'corrupt';
    const valueAt = at + HEADER + keyLength;
    entries.push({ key: bytes.subarray(at + HEADER, valueAt), value: bytes.subarray(valueAt, end) });
    at = end;
  } while (at < bytes.length);
  return entries;
}

/** The prefix seeds it: two prefixes that differ in one bit have two seeds, and two seeds two sums. */
function checksum(prefix: number, bytes: Uint8Array): number {
  return crc32(bytes, (prefix ^ (prefix / 2 ** 32)) >>> 0);
}

export function withEntry(entries: readonly ChainEntry[], entry: ChainEntry): readonly ChainEntry[] {
  const others = withoutKey(entries, entry.key);
  return others.length === 0 ? [entry] : [...others, entry].toSorted((a, b) => Buffer.compare(a.key, b.key));
}

export function withoutKey(entries: readonly ChainEntry[], key: Uint8Array): readonly ChainEntry[] {
  return entries.filter((entry) => !equalBytes(entry.key, key));
}
