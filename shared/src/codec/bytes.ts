/**
 * Bytes in and out of our canonical encodings: little-endian fixed integers and LEB128 varints up to 2^53-1,
 * the largest integer a JavaScript number holds exactly.
 *
 * A reader trusts nothing: every length is compared with what is left before anything is allocated, a varint
 * has exactly one encoding (no padding, no overflow), and trailing bytes are an error. A canonical encoding
 * makes "equal states" and "equal bytes" the same statement.
 */

/** The bytes are not an encoding of what was expected: bad input, never our bug. */
export class DecodeError extends Error {
  override name = 'DecodeError';
}

export class Writer {
  private buffer: Uint8Array;
  private length = 0;

  constructor(initialBytes = 256) {
    this.buffer = new Uint8Array(initialBytes);
  }

  get size(): number {
    return this.length;
  }

  u8(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  u32(value: number): void {
    this.reserve(4);
    const at = this.length;
    this.buffer[at] = value;
    this.buffer[at + 1] = value >>> 8;
    this.buffer[at + 2] = value >>> 16;
    this.buffer[at + 3] = value >>> 24;
    this.length = at + 4;
  }

  varint(value: number): void {
    if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER))
      throw new RangeError(`varint out of range: ${value}`);
    this.reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.buffer[this.length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.buffer[this.length++] = rest;
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length);
    // A loop beats `set` for the short fields that make up most of a frame.
    if (value.length <= 24) {
      for (let i = 0; i < value.length; i++) this.buffer[this.length + i] = value[i] as number;
    } else {
      this.buffer.set(value, this.length);
    }
    this.length += value.length;
  }

  /** A string of char codes 0-255, one byte each, without a length. */
  latin1(value: string): void {
    this.reserve(value.length);
    for (let i = 0; i < value.length; i++) this.buffer[this.length + i] = value.charCodeAt(i);
    this.length += value.length;
  }

  /** What has been written, as a copy of exactly that size. */
  finish(): Uint8Array {
    const copy = allocate(this.length);
    copy.set(this.buffer.subarray(0, this.length));
    return copy;
  }

  /** What has been written, as a view that the next write may change. */
  view(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  reset(): void {
    this.length = 0;
  }

  /** Forgets what was written from `size` on. */
  truncate(size: number): void {
    this.length = size;
  }

  /** Overwrites four bytes written before: for a length that is known only after what it counts. */
  setU32(at: number, value: number): void {
    const end = this.length;
    this.length = at;
    this.u32(value);
    this.length = end;
  }

  private reserve(bytes: number): void {
    const need = this.length + bytes;
    if (need <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(need, this.buffer.length * 2));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }
}

/**
 * Small results share slabs: an allocation of its own for each costs a microsecond and is slow to be collected. What
 * keeps a slice for long keeps its slab too, so nothing that is stored in memory for long is made here.
 */
const SLAB_BYTES = 64 * 1024;
const SHARED_BYTES_MAX = 4 * 1024;
let slab = new Uint8Array(SLAB_BYTES);
let slabUsed = 0;

function allocate(bytes: number): Uint8Array {
  if (bytes > SHARED_BYTES_MAX) return new Uint8Array(bytes);
  if (slabUsed + bytes > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  const start = slabUsed;
  slabUsed += bytes;
  return slab.subarray(start, slabUsed);
}

export class Reader {
  private readonly buffer: Uint8Array;
  private at: number;
  private readonly end: number;

  constructor(buffer: Uint8Array, start = 0, end = buffer.length) {
    this.buffer = buffer;
    this.at = start;
    this.end = end;
  }

  get offset(): number {
    return this.at;
  }

  get left(): number {
    return this.end - this.at;
  }

  u8(): number {
    if (this.at >= this.end) throw new DecodeError('truncated');
    return this.buffer[this.at++] as number;
  }

  u32(): number {
    if (this.end - this.at < 4) throw new DecodeError('truncated');
    const b = this.buffer;
    const at = this.at;
    this.at = at + 4;
    return (
      ((b[at] as number) |
        ((b[at + 1] as number) << 8) |
        ((b[at + 2] as number) << 16) |
        ((b[at + 3] as number) << 24)) >>>
      0
    );
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0 && i > 0) throw new DecodeError('padded varint');
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 0x80;
    }
    throw new DecodeError('varint above 2^53-1');
  }

  /** A varint that counts things of at least `bytesEach` bytes: more than fit in what is left is refused unread. */
  count(bytesEach: number, max = Number.MAX_SAFE_INTEGER): number {
    const n = this.varint();
    if (n > max || n * bytesEach > this.left) throw new DecodeError('count larger than its data');
    return n;
  }

  /** A view, not a copy: it lives as long as the buffer it was read from. */
  bytes(length: number): Uint8Array {
    if (length > this.left) throw new DecodeError('truncated');
    const start = this.at;
    this.at = start + length;
    return this.buffer.subarray(start, this.at);
  }

  /** A reader of the next `length` bytes alone. */
  slice(length: number): Reader {
    const view = this.bytes(length);
    return new Reader(view);
  }

  latin1(length: number): string {
    if (length > this.left) throw new DecodeError('truncated');
    const start = this.at;
    this.at = start + length;
    return latin1(this.buffer, start, this.at);
  }

  /** Every byte must have been read. */
  finish(): void {
    if (this.at !== this.end) throw new DecodeError('trailing bytes');
  }
}

/** Bytes as a string of char codes 0-255: a cheap, exact map key for binary ids. */
export function latin1(bytes: Uint8Array, start = 0, end = bytes.length): string {
  // Eight at once: appending makes a string for each step, and that was a third of what a storage pod allocated. What is
  // left over is put together first: up to 12 characters are copied, more become a tree that the next use must flatten.
  const { fromCharCode } = String;
  const at = (i: number) => bytes[i] as number;
  let text = '';
  let i = start;
  for (; i + 8 <= end; i += 8) {
    text += fromCharCode(at(i), at(i + 1), at(i + 2), at(i + 3), at(i + 4), at(i + 5), at(i + 6), at(i + 7));
  }
  let rest = '';
  for (; i < end; i++) rest += fromCharCode(at(i));
  return text + rest;
}

/** The inverse of {@link latin1}. */
export function fromLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

const HEX = '0123456789abcdef';

export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX.charAt(byte >>> 4) + HEX.charAt(byte & 15);
  return text;
}
