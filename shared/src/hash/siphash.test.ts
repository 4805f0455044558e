import { describe, expect, it } from 'vitest';
import { toHex } from '../codec/bytes.ts';
import { sipKey, siphash } from './siphash.ts';

const key = sipKey(Uint8Array.from({ length: 16 }, (_, i) => i));
const input = (length: number) => Uint8Array.from({ length }, (_, i) => i);

// Published vectors of SipHash-2-4-128 (reference `vectors.h`, vectors_sip128): key 00..0f, input 00..n-1.
const VECTORS: [number, string][] = [
  [0, 'a3817f04ba25a8e66df67214c7550293'],
  [1, 'da87c1d86b99af44347659119b22fc45'],
  [2, '8177228da4a45dc7fca38bdef60affe4'],
  [3, '9c70b60c5267a94e5f33b6b02985ed51'],
  [7, 'a1f1ebbed8dbc153c0b84aa61ff08239'],
  [8, '3b62a9ba6258f5610f83e264f31497b4'],
  [63, '5150d1772f50834a503e069a973fbd7c'],
  [15, '5493e99933b0a8117e08ec0f97cfc3d9'],
];

describe('SipHash-2-4-128', () => {
  it.each(VECTORS)('gives the reference digest of %i bytes', (length, digest) => {
    expect(toHex(siphash(key, input(length)))).toBe(digest);
  });

  it('hashes a slice like a copy of it', () => {
    const data = input(200);
    expect(siphash(key, data, 13, 77)).toEqual(siphash(key, data.slice(13, 77)));
  });

  it('changes with any bit of key or data', () => {
    const seen = new Set([toHex(siphash(key, input(40)))]);
    for (let bit = 0; bit < 40 * 8; bit++) {
      const data = input(40);
      data[bit >> 3] = (data[bit >> 3] as number) ^ (1 << (bit & 7));
      seen.add(toHex(siphash(key, data)));
    }
    for (let bit = 0; bit < 128; bit++) {
      const secret = input(16);
      secret[bit >> 3] = (secret[bit >> 3] as number) ^ (1 << (bit & 7));
      seen.add(toHex(siphash(sipKey(secret), input(40))));
    }
    expect(seen.size).toBe(1 + 40 * 8 + 128);
  });

  it('refuses a key that is not 16 bytes', () => {
    expect(() => sipKey(input(15))).toThrow('16 bytes');
  });
});
