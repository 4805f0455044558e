/**
 * The difference between another pod's monotonic clock and ours, as Cristian's algorithm (1989) measures it: a reading
 * that came back within `rtt` is right to half of it, so the shortest round trip of the recent ones is the best.
 *
 * Deadlines travel in the receiver's clock (protocol.md, rule 15). No law of safety rests on them.
 */
export interface Offset {
  /** Their clock minus ours, milliseconds. */
  readonly offsetMs: number;
  readonly errorMs: number;
}

export class ClockOffset {
  private samples: Offset[] = [];

  /** True when the clock jumped: it disagrees with all we knew by more than a second beyond the errors. */
  add(sentMs: number, theirMs: number, receivedMs: number): boolean {
    const errorMs = Math.max(0, receivedMs - sentMs) / 2;
    // Their clock is read in whole milliseconds, rounded down.
    const sample = { offsetMs: theirMs + 0.5 - (sentMs + receivedMs) / 2, errorMs: errorMs + 0.5 };
    const best = this.best;
    const jumped =
      best !== undefined &&
      Math.abs(sample.offsetMs - best.offsetMs) > JUMP_MS + sample.errorMs + best.errorMs;
    if (jumped) this.samples = [];
    this.samples.push(sample);
    if (this.samples.length > SAMPLES) this.samples.shift();
    return jumped;
  }

  get best(): Offset | undefined {
    let best: Offset | undefined;
    for (const sample of this.samples) if (best === undefined || sample.errorMs < best.errorMs) best = sample;
    return best;
  }

  forget(): void {
    this.samples = [];
  }
}

const JUMP_MS = 1_000;
/** Ten echoes are ten seconds: long enough to have met a quiet moment, short enough for drift not to matter. */
const SAMPLES = 10;
