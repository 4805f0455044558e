import { setImmediate } from 'node:timers/promises';
import type { Order, Report } from './messages.ts';
import type { SeedRange } from './seed-range.ts';
import type { SeedResult } from './seed-result.ts';

/** A worker's life: runs the seeds that the campaign orders, one after the other, until the campaign is gone. */
export function serve(run: (seed: number) => SeedResult): void {
  const stop = new AbortController();

  async function runChunk({ from, to }: SeedRange): Promise<void> {
    for (let seed = from; seed <= to && !stop.signal.aborted; seed++) {
      await report({ kind: 'result', result: run(seed) });
      // A seed blocks the thread: orders are read here.
      await setImmediate();
    }
    await report({ kind: 'idle' });
  }

  // A Ctrl-C reaches every process of the terminal, and the campaign decides what it means.
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit());
  process.on('message', (order: Order) => {
    if (order.kind === 'stop') stop.abort();
    else void runChunk(order);
  });
  void report({ kind: 'idle' });
}

/** Resolves when it was handed over: a process that dies in the next seed has then told of this one. */
async function report(message: Report): Promise<void> {
  // When the campaign is gone, `disconnect` ends this process.
  await new Promise<void>((resolve) => process.send?.(message, () => resolve()));
}
