import { hoursPerCpuMinute } from './counts.ts';
import { count, duration, hours, rough } from './figures.ts';
import type { SeedResult } from './seed-result.ts';

/** How far a campaign is. */
export interface Pace {
  readonly seeds: number;
  /** Undefined when time is what ends the campaign. */
  readonly total: number | undefined;
  readonly elapsedMs: number;
  /** How long seeds may be begun. */
  readonly maxMs: number | undefined;
  readonly virtualMs: number;
  readonly cpuMs: number;
  readonly operations: number;
  readonly faults: number;
  /** Seeds with a violation. */
  readonly failing: number;
}

/** Rewriting a line more often than this is flicker; in a log, more often than that is noise. */
const TTY_MS = 200;
const LOG_MS = 10_000;

export interface ProgressOptions {
  readonly total: number | undefined;
  readonly maxMs: number | undefined;
  /** Standard error, in the program. */
  readonly stream: { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };
}

/** One line that is rewritten on a terminal, and one every ten seconds elsewhere. */
export class Progress {
  private readonly options: ProgressOptions;
  private readonly startedMs = performance.now();
  private readonly timer: NodeJS.Timeout;
  private pace: Omit<Pace, 'elapsedMs'>;

  constructor(options: ProgressOptions) {
    this.options = options;
    const { total, maxMs } = options;
    this.pace = { seeds: 0, total, maxMs, virtualMs: 0, cpuMs: 0, operations: 0, faults: 0, failing: 0 };
    this.timer = setInterval(() => this.show(), options.stream.isTTY ? TTY_MS : LOG_MS);
  }

  add(result: SeedResult): void {
    const { seeds, virtualMs, cpuMs, operations, faults, failing } = this.pace;
    this.pace = {
      ...this.pace,
      seeds: seeds + 1,
      virtualMs: virtualMs + result.virtualMs,
      cpuMs: cpuMs + result.cpuMs,
      operations: operations + result.operations,
      faults: faults + Object.values(result.faults).reduce((a, b) => a + b, 0),
      failing: failing + (result.violations.length > 0 ? 1 : 0),
    };
  }

  /** Before anything else is written to the terminal. */
  clear(): void {
    if (this.options.stream.isTTY) this.options.stream.write('\r\u001b[K');
  }

  end(): void {
    clearInterval(this.timer);
    this.clear();
  }

  private show(): void {
    const { stream } = this.options;
    const line = paceLine({ ...this.pace, elapsedMs: performance.now() - this.startedMs });
    // A line that wraps cannot be rewritten.
    stream.write(stream.isTTY ? `\r\u001b[K${line.slice(0, (stream.columns ?? 200) - 1)}` : `${line}\n`);
  }
}

export function paceLine(pace: Pace): string {
  const { seeds, total, virtualMs, operations, faults, failing, elapsedMs } = pace;
  const left = leftMs(pace);
  return [
    total === undefined ? `${count(seeds)} seeds` : `${count(seeds)}/${count(total)} seeds`,
    ...(left === undefined ? [] : [`${duration(left)} left`]),
    `${failing} failing`,
    `${hours(virtualMs)} h simulated`,
    `${count(operations)} operations`,
    `${count(faults)} faults`,
    `${rough(seeds / (elapsedMs / 1000))} seeds/s`,
    `${rough(hoursPerCpuMinute(pace))} h/CPU-min`,
  ].join(' · ');
}

function leftMs({ seeds, total, elapsedMs, maxMs }: Pace): number | undefined {
  const byTime = maxMs === undefined ? undefined : Math.max(0, maxMs - elapsedMs);
  const bySeeds = total === undefined || seeds === 0 ? undefined : (elapsedMs / seeds) * (total - seeds);
  if (byTime === undefined || bySeeds === undefined) return byTime ?? bySeeds;
  return Math.min(byTime, bySeeds);
}
