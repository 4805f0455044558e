import type { Clock, Scheduler } from '@circlet/shared/host/ports.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What this life's clocks show beyond the world's: monotonic clocks of two pods have nothing in common (rule 15). */
export interface ClockSkew {
  readonly monoMs: number;
  readonly wallMs: number;
  /** How much faster the clocks run than the world's: 0.0002 is 200 ppm. Default 0. */
  readonly drift?: number;
}

/** From "something has arrived" to the turn that handles it. */
const TURN_DELAY_MS = 0.02;

/** An alarm is never so early, by a rounding error, that the time it was set for has not come and never will. */
const TIMER_STEP_MS = 0.001;

/**
 * One life of a pod. Whatever happens to it goes through `run`, so that a frozen process does nothing until it thaws,
 * and then everything at once, late; and a dead one does nothing any more.
 */
export class Process {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** A process that gets no CPU: every turn comes so much later. */
  slowMs = 0;
  private readonly time: VirtualTime;
  private readonly rate: number;
  private state: 'running' | 'frozen' | 'dead' = 'running';
  private backlog: (() => void)[] = [];
  private alarm = 0;
  private jumpedMs = 0;
  private steppedMs = 0;

  constructor(time: VirtualTime, { monoMs, wallMs, drift = 0 }: ClockSkew) {
    this.time = time;
    this.rate = 1 + drift;
    const bornMs = time.nowMs;
    this.clock = {
      now: () => {
        const livedMs = (time.nowMs - bornMs) * this.rate;
        return {
          monoMs: monoMs + bornMs + livedMs + this.jumpedMs,
          wallMs: wallMs + bornMs + livedMs + this.steppedMs,
        };
      },
    };
    this.scheduler = {
      defer: (run) => this.after(TURN_DELAY_MS + this.slowMs, run),
      alarm: (ms, run) => {
        const mine = ++this.alarm;
        this.after(Math.max(TIMER_STEP_MS, ms / this.rate) + this.slowMs, () => {
          if (mine === this.alarm) run();
        });
      },
    };
  }

  get isDead(): boolean {
    return this.state === 'dead';
  }

  get isFrozen(): boolean {
    return this.state === 'frozen';
  }

  run(work: () => void): void {
    if (this.state === 'running') work();
    else if (this.state === 'frozen') this.backlog.push(work);
  }

  end(): void {
    this.state = 'dead';
    this.backlog = [];
  }

  /** The monotonic clock leaps, as after a suspended machine went on. */
  jump(ms: number): void {
    this.jumpedMs += ms;
  }

  /** The wall clock is set, forwards or backwards. */
  step(ms: number): void {
    this.steppedMs += ms;
  }

  freeze(): void {
    if (this.state === 'running') this.state = 'frozen';
  }

  thaw(): void {
    if (this.state !== 'frozen') return;
    this.state = 'running';
    const { backlog } = this;
    this.backlog = [];
    for (const work of backlog) this.run(work);
  }

  private after(ms: number, work: () => void): void {
    this.time.after(ms, () => this.run(work));
  }
}
