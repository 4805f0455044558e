/**
 * Which frames have been seen, so that a copy is never handled: a second lead request must not mint a second dot, nor a
 * refused one be done after its client was told "none" (protocol.md, rule 14). Copies are dropped before anything in them
 * is looked at; the first one's answer stands.
 *
 * Senders number their frames. For each life of a sender the last 65,536 numbers are remembered, and older ones count as
 * seen: that is seconds at the highest rate, and a frame delayed by more is as good as lost. A sender not heard from for
 * longer than any deadline is forgotten; what it may still repeat is refused as expired.
 */
export class Received {
  private readonly senders = new Map<string, Window>();
  private sweptMs = 0;

  /** Remembers the frame; false when it was there before. */
  isFirst(boot: string, number: number, nowMs: number): boolean {
    this.forgetIdle(nowMs);
    let window = this.senders.get(boot);
    if (window === undefined) {
      window = { highest: -1, heardMs: nowMs, seen: new Uint32Array(NUMBERS / 32) };
      this.senders.set(boot, window);
    }
    window.heardMs = nowMs;
    if (number <= window.highest - NUMBERS) return false;
    if (number > window.highest) this.advance(window, number);
    const word = (number % NUMBERS) >>> 5;
    const bit = 1 << (number & 31);
    const before = window.seen[word] as number;
    window.seen[word] = before | bit;
    return (before & bit) === 0;
  }

  /** The numbers between the old highest and the new one have not been seen. */
  private advance(window: Window, highest: number): void {
    if (highest - window.highest >= NUMBERS) window.seen.fill(0);
    else {
      for (let n = window.highest + 1; n <= highest; n++) {
        const word = (n % NUMBERS) >>> 5;
        window.seen[word] = (window.seen[word] as number) & ~(1 << (n & 31));
      }
    }
    window.highest = highest;
  }

  private forgetIdle(nowMs: number): void {
    if (nowMs - this.sweptMs < IDLE_MS) return;
    this.sweptMs = nowMs;
    for (const [boot, { heardMs }] of this.senders) if (nowMs - heardMs > IDLE_MS) this.senders.delete(boot);
  }
}

interface Window {
  highest: number;
  heardMs: number;
  /** One bit for each of the last numbers. */
  readonly seen: Uint32Array;
}

const NUMBERS = 65_536;
/** Twice the longest deadline. */
const IDLE_MS = 120_000;
