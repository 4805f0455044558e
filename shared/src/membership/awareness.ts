/**
 * Lifeguard's local health score: 0 is well. A node that misses answers it had reason to expect first doubts itself,
 * and probes slower and waits longer before it accuses others. Being accused does not raise it, unlike in Lifeguard:
 * any peer could then slow our failure detection by lying about us.
 */
export class Awareness {
  /** 0 (well) to max. */
  score = 0;
  private readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  /** Adds `delta` (negative: better), clamped to [0, max]. */
  add(delta: number): void {
    this.score = Math.min(this.max, Math.max(0, this.score + delta));
  }

  /** `ms` stretched by the present ill health, between once and max + 1 times. */
  scale(ms: number): number {
    return ms * (this.score + 1);
  }
}
