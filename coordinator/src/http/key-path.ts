import { isUtf8 } from 'node:buffer';
import { BUCKET_BYTES_MAX, FULL_KEY_BYTES_MAX, KEY_BYTES_MAX } from '@circlet/shared/protocol/limits.ts';
import { type FullKey, fullKey } from '@circlet/shared/ring/key.ts';
import { escapedByte } from './percent.ts';
import { Refused } from './problems.ts';

/**
 * A bucket and a key from the path exactly as the client wrote it. Every layer that could touch a path before us gives
 * two keys one name: URL parsers fold `.` and `..` away, decoders leave `%ff` as the three characters "%ff". So the
 * escapes are decoded here, to bytes, and what is not a key is refused with its reason.
 */
export function keyInPath(path: string, prefix: string): FullKey {
  const slash = path.indexOf('/', prefix.length);
  if (slash < 0) throw invalidKey('missing', 'The path has to name a bucket and a key: /{bucket}/{key}.');
  const bucketBytes = decodeSegment(path, prefix.length, slash, 1, BUCKET_BYTES_MAX, 'bucket');
  scratch[0] = bucketBytes;
  const keyBytes = decodeSegment(path, slash + 1, path.length, 1 + bucketBytes, KEY_BYTES_MAX, 'key');
  return scratch.slice(0, 1 + bucketBytes + keyBytes);
}

/** The same key from text that was not in a URL. */
export function keyOfText(bucket: string, key: string): FullKey {
  return fullKey(checkedBytes(bucket, BUCKET_BYTES_MAX, 'bucket'), checkedBytes(key, KEY_BYTES_MAX, 'key'));
}

function invalidKey(reason: KeyFlaw, detail: string): Refused {
  return new Refused({ code: 'invalid_key', reason, detail });
}

export type KeyFlaw =
  | 'missing'
  | 'empty'
  | 'dot_segment'
  | 'slash'
  | 'nul'
  | 'bad_escape'
  | 'not_utf8'
  | 'too_long';

/** Decoding never yields, so one buffer serves all requests. */
const scratch = new Uint8Array(FULL_KEY_BYTES_MAX);

const NUL = 0;
const HASH = 0x23;
const PERCENT = 0x25;
const DOT = 0x2e;
const SLASH = 0x2f;

/** Writes the bytes of `path[from..to)` into the scratch buffer and returns how many they are. */
function decodeSegment(path: string, from: number, to: number, at: number, max: number, what: Part): number {
  let length = 0;
  let isAscii = true;
  for (let i = from; i < to; i++) {
    let byte = path.charCodeAt(i);
    if (byte === PERCENT) {
      byte = escapedByte(path, i, to);
      if (byte < 0)
        throw invalidKey('bad_escape', `A "%" in the ${what} has to be followed by two hexadecimal digits.`);
      i += 2;
    } else if (byte === SLASH) {
      throw invalidKey('slash', 'A "/" inside a key is written %2F.');
    } else if (byte === HASH || byte > 0x7e) {
      throw invalidKey(
        'bad_escape',
        `A "#" and everything outside ASCII in the ${what} has to be percent-encoded.`,
      );
    }
    if (byte === NUL) throw invalidKey('nul', `The ${what} contains a NUL byte.`);
    if (length === max) throw tooLong(what, max);
    if (byte > 0x7e) isAscii = false;
    scratch[at + length++] = byte;
  }
  checkSegment(scratch.subarray(at, at + length), isAscii, what);
  return length;
}

function checkedBytes(text: string, max: number, what: Part): Uint8Array {
  if (text.includes('\0')) throw invalidKey('nul', `The ${what} contains a NUL byte.`);
  if (!text.isWellFormed()) throw invalidKey('not_utf8', `The ${what} contains half of a surrogate pair.`);
  const bytes = Buffer.from(text);
  if (bytes.length > max) throw tooLong(what, max);
  checkSegment(bytes, true, what);
  return bytes;
}

function checkSegment(bytes: Uint8Array, isKnownUtf8: boolean, what: Part): void {
  if (bytes.length === 0) throw invalidKey('empty', `The ${what} is empty.`);
  if (bytes[0] === DOT && (bytes.length === 1 || (bytes.length === 2 && bytes[1] === DOT))) {
    // Clients and proxies remove such segments on the way, so such a key could be written and never be read.
    throw invalidKey('dot_segment', `The ${what} must not be "." or "..".`);
  }
  if (!isKnownUtf8 && !isUtf8(bytes)) throw invalidKey('not_utf8', `The ${what} is not valid UTF-8.`);
}

function tooLong(what: Part, max: number): Refused {
  return invalidKey('too_long', `The ${what} is longer than ${max} bytes.`);
}

type Part = 'bucket' | 'key';
