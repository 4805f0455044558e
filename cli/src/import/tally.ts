import { createHistogram } from 'node:perf_hooks';

/** What has happened in an import so far. */
export class Tally {
  /** Records read from the input, malformed ones included. */
  read = 0;
  /** Passed over because of `--skip`. */
  skipped = 0;
  /** Acknowledged by the cluster. Whether for the first time, a 204 does not tell. */
  stored = 0;
  /** Their keys had a value that was not this very write's, and were left alone (`--if-absent`). */
  present = 0;
  failed = 0;
  /** Bytes of the values that were acknowledged. */
  bytes = 0;
  /** Of the input; an estimate between the ends of chunks. */
  position = 0;
  retries = 0;
  /** Records of a key that came before in the input: concurrent writes, which become siblings. */
  repeatedKeys = 0;
  /** Every error answer, repeated later or not. */
  readonly errors = new Map<string, number>();
  /** What the failed records failed with. */
  readonly failures = new Map<string, number>();
  /** The error that was last repeated, for the progress line; gone with the next success. */
  trouble: string | undefined;
  /** Microseconds of each request that was acknowledged, waits between attempts not included. */
  readonly latency = createHistogram({ highest: 10 * 60_000_000, figures: 3 });

  get settled(): number {
    return this.skipped + this.stored + this.present + this.failed;
  }

  acknowledged(latencyMs: number): void {
    this.latency.record(Math.max(1, Math.round(latencyMs * 1000)));
    this.trouble = undefined;
  }

  error(code: string): void {
    add(this.errors, code);
  }

  failure(code: string): void {
    this.failed++;
    add(this.failures, code);
  }
}

function add(counts: Map<string, number>, code: string): void {
  counts.set(code, (counts.get(code) ?? 0) + 1);
}
