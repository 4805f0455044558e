/**
 * SipHash-2-4 with 128 bits of output (Aumasson and Bernstein 2012; reference implementation `siphash.c`): a keyed
 * pseudo-random function, fast on short inputs. Its key comes from the cluster secret, so that nobody who picks
 * keys and values can steer a digest (protocol.md, rule 25), and that a context nobody issued does not verify.
 * It is ours because it must run synchronously in pure code; a 64-bit word is a pair of 32-bit halves.
 */

/** 16 secret bytes, unpacked once: k0 low, k0 high, k1 low, k1 high. */
export type SipKey = readonly [number, number, number, number];

export function sipKey(secret: Uint8Array): SipKey {
  if (secret.length !== 16) throw new RangeError(`a SipHash key has 16 bytes, not ${secret.length}`);
  const word = (at: number) =>
    (secret[at] as number) |
    ((secret[at + 1] as number) << 8) |
    ((secret[at + 2] as number) << 16) |
    ((secret[at + 3] as number) << 24);
  return [word(0), word(4), word(8), word(12)];
}

/**
 * One SipRound on 64-bit words held as (low, high) pairs, `times` over. Written out in local variables: the state in an
 * array costs three times as much, and a digest is taken for every write.
 */
const v = new Int32Array(8);

function rounds(times: number): void {
  let a = v[0] as number;
  let ah = v[1] as number;
  let b = v[2] as number;
  let bh = v[3] as number;
  let c = v[4] as number;
  let ch = v[5] as number;
  let d = v[6] as number;
  let dh = v[7] as number;
  for (let i = 0; i < times; i++) {
    // a += b; b = rotl(b, 13) ^ a; a = rotl(a, 32)
    let sum = (a >>> 0) + (b >>> 0);
    ah = (ah + bh + (sum > 0xffffffff ? 1 : 0)) | 0;
    a = sum | 0;
    let t = ((b << 13) | (bh >>> 19)) ^ a;
    bh = ((bh << 13) | (b >>> 19)) ^ ah;
    b = t;
    t = a;
    a = ah;
    ah = t;
    // c += d; d = rotl(d, 16) ^ c
    sum = (c >>> 0) + (d >>> 0);
    ch = (ch + dh + (sum > 0xffffffff ? 1 : 0)) | 0;
    c = sum | 0;
    t = ((d << 16) | (dh >>> 16)) ^ c;
    dh = ((dh << 16) | (d >>> 16)) ^ ch;
    d = t;
    // a += d; d = rotl(d, 21) ^ a
    sum = (a >>> 0) + (d >>> 0);
    ah = (ah + dh + (sum > 0xffffffff ? 1 : 0)) | 0;
    a = sum | 0;
    t = ((d << 21) | (dh >>> 11)) ^ a;
    dh = ((dh << 21) | (d >>> 11)) ^ ah;
    d = t;
    // c += b; b = rotl(b, 17) ^ c; c = rotl(c, 32)
    sum = (c >>> 0) + (b >>> 0);
    ch = (ch + bh + (sum > 0xffffffff ? 1 : 0)) | 0;
    c = sum | 0;
    t = ((b << 17) | (bh >>> 15)) ^ c;
    bh = ((bh << 17) | (b >>> 15)) ^ ch;
    b = t;
    t = c;
    c = ch;
    ch = t;
  }
  v[0] = a;
  v[1] = ah;
  v[2] = b;
  v[3] = bh;
  v[4] = c;
  v[5] = ch;
  v[6] = d;
  v[7] = dh;
}

/** The 16-byte digest of `data` under `key`. */
export function siphash(key: SipKey, data: Uint8Array, start = 0, end = data.length): Uint8Array {
  const [k0, k0h, k1, k1h] = key;
  v[0] = k0 ^ 0x70736575;
  v[1] = k0h ^ 0x736f6d65;
  v[2] = k1 ^ 0x6e646f6d ^ 0xee;
  v[3] = k1h ^ 0x646f7261;
  v[4] = k0 ^ 0x6e657261;
  v[5] = k0h ^ 0x6c796765;
  v[6] = k1 ^ 0x79746573;
  v[7] = k1h ^ 0x74656462;

  const length = end - start;
  const tail = start + (length & ~7);
  let at = start;
  for (; at < tail; at += 8) {
    absorb(
      (data[at] as number) |
        ((data[at + 1] as number) << 8) |
        ((data[at + 2] as number) << 16) |
        ((data[at + 3] as number) << 24),
      (data[at + 4] as number) |
        ((data[at + 5] as number) << 8) |
        ((data[at + 6] as number) << 16) |
        ((data[at + 7] as number) << 24),
    );
  }
  let low = 0;
  let high = length << 24;
  for (let i = 0; at + i < end; i++) {
    if (i < 4) low |= (data[at + i] as number) << (8 * i);
    else high |= (data[at + i] as number) << (8 * (i - 4));
  }
  absorb(low, high);

  const digest = new Uint8Array(16);
  v[4] ^= 0xee;
  rounds(4);
  emit(digest, 0);
  v[2] ^= 0xdd;
  rounds(4);
  emit(digest, 8);
  return digest;
}

function absorb(low: number, high: number): void {
  v[6] = (v[6] as number) ^ low;
  v[7] = (v[7] as number) ^ high;
  rounds(2);
  v[0] = (v[0] as number) ^ low;
  v[1] = (v[1] as number) ^ high;
}

function emit(digest: Uint8Array, at: number): void {
  const low = (v[0] as number) ^ (v[2] as number) ^ (v[4] as number) ^ (v[6] as number);
  const high = (v[1] as number) ^ (v[3] as number) ^ (v[5] as number) ^ (v[7] as number);
  for (let i = 0; i < 4; i++) {
    digest[at + i] = low >>> (8 * i);
    digest[at + 4 + i] = high >>> (8 * i);
  }
}
