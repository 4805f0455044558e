/** The last latencies of one node, and the quantiles by which it is judged slow. Milliseconds throughout. */
export class Latencies {
  private readonly samples: number[] = [];
  private next = 0;
  private fresh = 0;
  private sorted: readonly number[] = [];

  add(ms: number): void {
    this.samples[this.next] = ms;
    this.next = (this.next + 1) % SAMPLES;
    this.fresh++;
  }

  /** The q-quantile of the last samples, or `unknown` before there are enough to tell. */
  quantile(q: number, unknown: number): number {
    if (this.samples.length < SAMPLES_MIN) return unknown;
    // Sorting for each question would cost more than a request; the answer moves slowly.
    if (this.sorted.length === 0 || this.fresh >= RESORT_AFTER) {
      this.sorted = this.samples.toSorted((a, b) => a - b);
      this.fresh = 0;
    }
    return this.sorted[Math.min(this.sorted.length - 1, Math.floor(q * this.sorted.length))] ?? unknown;
  }
}

/** Enough for a p99 with two samples beyond it; the p99.9 is then the worst one seen. */
const SAMPLES = 256;
const SAMPLES_MIN = 16;
const RESORT_AFTER = 64;
