import { must } from '@circlet/shared/assert.ts';
import { Prng } from '@circlet/shared/prng.ts';

/** Draws of a plan, all from one seed. */
export class Draw {
  private readonly prng: Prng;

  constructor(seed: number) {
    this.prng = new Prng(seed);
  }

  /** Uniform in [0, 1). */
  share(): number {
    return this.prng.next();
  }

  chance(p: number): boolean {
    return this.prng.next() < p;
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + Math.floor(this.prng.next() * (most - least + 1));
  }

  pick<T>(from: readonly T[]): T {
    return must(from[Math.floor(this.prng.next() * from.length)], 'something to pick from');
  }

  /** From `least` to `most`, as often between 1 and 10 as between 10 and 100. */
  scale(least: number, most: number): number {
    return least * (most / least) ** this.prng.next();
  }

  /** Waiting times of something that happens `perMs` times a millisecond on average. */
  waitMs(perMs: number): number {
    return -Math.log(1 - this.prng.next()) / perMs;
  }

  /** Some of them, at least one and not all if there are two. */
  some<T>(from: readonly T[]): readonly T[] {
    const shuffled = from.map((item) => ({ item, at: this.prng.next() })).toSorted((a, b) => a.at - b.at);
    return shuffled.slice(0, this.between(1, Math.max(1, from.length - 1))).map(({ item }) => item);
  }
}
