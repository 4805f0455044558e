import { type Entry, valueBytes } from '../store.ts';

/**
 * What background work may take from the foreground: so many bytes a second, so many rows in one step, and nothing at all
 * for a while when the step itself came late. A step that was due and was not run is what a request that arrived then had to
 * wait, so no other measure of foreground latency is needed, nor a threshold per machine.
 */
export class Budget {
  rows = 0;
  bytes = 0;
  private readonly bytesPerSecond: number;
  private skipped = 0;

  constructor(bytesPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond;
  }

  /** A step begins, `lateMs` after its time. */
  begin(lateMs: number): void {
    this.rows = 0;
    if (lateMs > LATE_MS && this.skipped < SKIPS_MAX) {
      this.skipped++;
      return;
    }
    // Starved for a second: then a little, or a pod that is always busy would never be repaired.
    this.rows = lateMs > LATE_MS ? ROWS_PER_STEP / 8 : ROWS_PER_STEP;
    this.skipped = 0;
    const perStep = (this.bytesPerSecond * STEP_MS) / 1000;
    // What a large state took too much is made up for.
    this.bytes = Math.min(perStep, this.bytes + perStep);
  }

  /** Rows were read. */
  read(entries: readonly Entry[]): void {
    this.rows -= entries.length + valueBytes(entries) / BYTES_PER_ROW;
  }

  get isSpent(): boolean {
    return this.rows <= 0 || this.bytes <= 0;
  }
}

export const STEP_MS = 25;
/** At 5 µs each a tenth of a step; so long it takes to read and verify some kilobytes, too. */
const ROWS_PER_STEP = 512;
const BYTES_PER_ROW = 8 * 1024;
const LATE_MS = 20;
const SKIPS_MAX = 40;
