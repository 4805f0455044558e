import type { Clock, Scheduler } from '@circlet/shared/host/ports.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What this life's clocks show beyond the world's: monotonic clocks of two pods have nothing in common (rule 15). */
export interface ClockSkew {
  readonly monoMs: number;
  readonly wallMs: number;
}

/** From "something has arrived" to the turn that handles it. */
const TURN_DELAY_MS = 0.02;

/**
 * One life of a pod. Whatever happens to it goes through `run`, so that a frozen process does nothing until it thaws,
 * and then everything at once, late; and a dead one does nothing any more.
 */
export class Process {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  private readonly time: VirtualTime;
  private state: 'running' | 'frozen' | 'dead' = 'running';
  private backlog: (() => void)[] = [];
  private alarm = 0;
  private jumpedMs = 0;

  constructor(time: VirtualTime, skew: ClockSkew) {
    this.time = time;
    this.clock = {
      now: () => ({ monoMs: time.nowMs + skew.monoMs + this.jumpedMs, wallMs: time.nowMs + skew.wallMs }),
    };
    this.scheduler = {
      defer: (run) => this.after(TURN_DELAY_MS, run),
      alarm: (ms, run) => {
        const mine = ++this.alarm;
        this.after(ms, () => {
          if (mine === this.alarm) run();
        });
      },
    };
  }

  get isDead(): boolean {
    return this.state === 'dead';
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
