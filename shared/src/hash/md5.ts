/**
 * MD5 (RFC 1321), the hash by which Dynamo (SOSP'07, section 4.1) places keys on its ring. It is used for
 * placement only, never for integrity: all that is asked of it is an even spread, a fixed answer for ever, and
 * that nobody can aim many keys at one point cheaply. Written out here because it must run synchronously
 * inside pure code and on runtimes without `node:crypto`.
 */

/** 128 bits as four 32-bit words, most significant first. */
export type Words128 = readonly [number, number, number, number];

const SHIFTS = new Uint8Array([
  7, 12, 17, 22, 7, 12, 17, 22, 7, 12, 17, 22, 7, 12, 17, 22, 5, 9, 14, 20, 5, 9, 14, 20, 5, 9, 14, 20, 5, 9,
  14, 20, 4, 11, 16, 23, 4, 11, 16, 23, 4, 11, 16, 23, 4, 11, 16, 23, 6, 10, 15, 21, 6, 10, 15, 21, 6, 10, 15,
  21, 6, 10, 15, 21,
]);

// RFC 1321, section 3.4: floor(2^32 * abs(sin(i + 1))), i in radians.
const SINES = new Int32Array(64).map((_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) | 0);

const block = new Int32Array(16);

export function md5(message: Uint8Array): Words128 {
  let a = 0x67452301;
  let b = 0xefcdab89 | 0;
  let c = 0x98badcfe | 0;
  let d = 0x10325476;

  const length = message.length;
  const blocks = ((length + 8) >>> 6) + 1;
  for (let n = 0; n < blocks; n++) {
    loadBlock(message, n * 64, n === blocks - 1);
    const [a0, b0, c0, d0] = [a, b, c, d];
    for (let i = 0; i < 64; i++) {
      let mix: number;
      let word: number;
      if (i < 16) {
        mix = (b & c) | (~b & d);
        word = i;
      } else if (i < 32) {
        mix = (d & b) | (~d & c);
        word = (5 * i + 1) & 15;
      } else if (i < 48) {
        mix = b ^ c ^ d;
        word = (3 * i + 5) & 15;
      } else {
        mix = c ^ (b | ~d);
        word = (7 * i) & 15;
      }
      const sum = (a + mix + (SINES[i] as number) + (block[word] as number)) | 0;
      const shift = SHIFTS[i] as number;
      a = d;
      d = c;
      c = b;
      b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0;
    }
    a = (a + a0) | 0;
    b = (b + b0) | 0;
    c = (c + c0) | 0;
    d = (d + d0) | 0;
  }
  return [swap(a), swap(b), swap(c), swap(d)];
}

/** Sixteen little-endian words from `start`, with the 0x80 mark after the message and its bit length at the very end. */
function loadBlock(message: Uint8Array, start: number, last: boolean): void {
  const length = message.length;
  for (let i = 0; i < 16; i++) {
    const at = start + i * 4;
    let word = 0;
    for (let k = 0; k < 4; k++) {
      const j = at + k;
      const byte = j < length ? (message[j] as number) : j === length ? 0x80 : 0;
      word |= byte << (8 * k);
    }
    block[i] = word;
  }
  if (last) {
    block[14] = length << 3;
    block[15] = length >>> 29;
  }
}

function swap(word: number): number {
  return ((word << 24) | ((word << 8) & 0xff0000) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}
