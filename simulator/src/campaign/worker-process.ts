import { type ChildProcess, fork } from 'node:child_process';
import type { Order, Report } from './messages.ts';
import type { SeedRange } from './seed-range.ts';
import type { SeedResult } from './seed-result.ts';

/** How a worker's chunk ended: it waits for another; or it died, or was dead before the first, of something in words. */
export type ChunkEnd =
  | { readonly kind: 'idle' }
  | { readonly kind: 'died' | 'stillborn'; readonly of: string };

/** Enough for the message of a fatal error, which stands before a long trace. */
const STDERR_MAX = 64 * 1024;

/** The campaign's end of a worker. */
export class WorkerProcess {
  private readonly child: ChildProcess;
  /** Milliseconds that a seed may take before it counts as one that never ends. */
  private readonly seedMaxMs: number;
  private readonly ready: Promise<ChunkEnd>;
  private stderr = '';
  private watchdog: NodeJS.Timeout | undefined;
  private hung = false;
  private onResult: (result: SeedResult) => void = () => {};
  private onEnd: (end: ChunkEnd) => void = () => {};

  constructor(file: URL, seedMaxMs: number) {
    this.seedMaxMs = seedMaxMs;
    this.ready = new Promise((resolve) => (this.onEnd = resolve));
    this.child = fork(file, [], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => this.keep(text));
    this.child.on('message', (report: Report) => this.take(report));
    this.child.on('error', ({ message }) => this.end({ kind: 'died', of: message }));
    // Not 'exit', which may come before the last results.
    this.child.on('close', (code, signal) => this.end({ kind: 'died', of: this.causeOfDeath(code, signal) }));
  }

  /** Runs the chunk's seeds in their order, and calls `onResult` with each. */
  async run({ from, to }: SeedRange, onResult: (result: SeedResult) => void): Promise<ChunkEnd> {
    const ready = await this.ready;
    if (ready.kind !== 'idle') return { kind: 'stillborn', of: ready.of };
    this.onResult = onResult;
    const ended = new Promise<ChunkEnd>((resolve) => (this.onEnd = resolve));
    this.watch();
    this.order({ kind: 'run', from, to });
    return ended;
  }

  /** Begins no more seeds: the chunk ends early. */
  stop(): void {
    this.order({ kind: 'stop' });
  }

  kill(): void {
    clearTimeout(this.watchdog);
    this.child.kill('SIGKILL');
  }

  private order(order: Order): void {
    // One that died meanwhile cannot be told, and its 'close' says so.
    this.child.send(order, () => {});
  }

  private take(report: Report): void {
    if (report.kind === 'idle') {
      this.end(report);
      return;
    }
    this.watch();
    this.onResult(report.result);
  }

  private end(end: ChunkEnd): void {
    clearTimeout(this.watchdog);
    this.onEnd(end);
  }

  private watch(): void {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => {
      this.hung = true;
      this.child.kill('SIGKILL');
    }, this.seedMaxMs);
  }

  private keep(text: string): void {
    if (this.stderr.length < STDERR_MAX) this.stderr += text;
  }

  private causeOfDeath(code: number | null, signal: NodeJS.Signals | null): string {
    if (this.hung) return `it did not end within ${this.seedMaxMs / 1000} s`;
    const said = /^FATAL ERROR: (.*)$|^(\w*Error\b.*)$/m.exec(this.stderr);
    const exit = signal ?? `exit code ${code}`;
    return said === null ? exit : `${exit}, ${said[1] ?? said[2]}`;
  }
}
