/**
 * The only source of randomness below the hosts: xoshiro128** (Blackman and Vigna 2018), seeded by the host. A machine
 * built twice from one seed and fed the same events behaves the same.
 */
export class Prng {
  private readonly s: Uint32Array;

  constructor(seed: number) {
    // splitmix32 spreads any seed, zero included, over the whole state.
    let z = seed >>> 0;
    this.s = new Uint32Array(4).map(() => {
      z = (z + 0x9e3779b9) >>> 0;
      let t = z ^ (z >>> 16);
      t = Math.imul(t, 0x21f0aaad);
      t ^= t >>> 15;
      t = Math.imul(t, 0x735a2d97);
      return t ^ (t >>> 15);
    });
  }

  /** Uniform over all 32-bit integers. */
  u32(): number {
    const s = this.s;
    const [s0, s1, s2, s3] = [s[0] as number, s[1] as number, s[2] as number, s[3] as number];
    const product = Math.imul(s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const t = s1 << 9;
    s[2] = s2 ^ s0;
    s[3] = s3 ^ s1;
    s[1] = s1 ^ s[2];
    s[0] = s0 ^ s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** Uniform in [0, 1). */
  readonly next = (): number => this.u32() / 2 ** 32;

  /** `length` random bytes as a binary string. */
  id(length: number): string {
    let text = '';
    for (let i = 0; i < length; i++) text += String.fromCharCode(this.u32() & 0xff);
    return text;
  }
}
