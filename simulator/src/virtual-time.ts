import { TimerQueue } from '@circlet/shared/host/timer-queue.ts';

/** The one clock of a world: time passes only from one scheduled thing to the next. */
export class VirtualTime {
  /** Milliseconds since the world began, with fractions. */
  nowMs = 0;
  private readonly queue = new TimerQueue<() => void>();

  after(ms: number, run: () => void): void {
    this.queue.push(this.nowMs + ms, run);
  }

  at(ms: number, run: () => void): void {
    this.queue.push(Math.max(ms, this.nowMs), run);
  }

  /** Does the next thing that is due by `untilMs`; false when there is none, and then it is `untilMs`. */
  step(untilMs: number): boolean {
    const dueMs = this.queue.nextMs;
    if (dueMs === undefined || dueMs > untilMs) {
      this.nowMs = Math.max(this.nowMs, untilMs);
      return false;
    }
    this.nowMs = Math.max(this.nowMs, dueMs);
    this.queue.pop(dueMs)?.();
    return true;
  }
}
