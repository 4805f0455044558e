import { createHash, randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { md5 } from './md5.ts';

const hex = (text: string | Uint8Array) =>
  md5(typeof text === 'string' ? new TextEncoder().encode(text) : text)
    .map((word) => word.toString(16).padStart(8, '0'))
    .join('');

// RFC 1321, appendix A.5.
const VECTORS: [string, string][] = [
  ['', 'd41d8cd98f00b204e9800998ecf8427e'],
  ['a', '0cc175b9c0f1b6a831c399e269772661'],
  ['abc', '900150983cd24fb0d6963f7d28e17f72'],
  ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
  ['abcdefghijklmnopqrstuvwxyz', 'c3fcd3d76192e4007dfb496cca67e13b'],
  ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 'd174ab98d277d9f5a5611c2c9f419d9f'],
  ['1234567890'.repeat(8), '57edf4a22be3c955ac49da2e2107b67a'],
];

it.each(VECTORS)('gives the RFC 1321 digest of %j', (text, digest) => {
  expect(hex(text)).toBe(digest);
});

it('agrees with node:crypto at every length around a block boundary', () => {
  for (let length = 0; length < 1200; length++) {
    const message = randomBytes(length);
    expect(hex(message)).toBe(createHash('md5').update(message).digest('hex'));
  }
});
