import type { AdminClient, Move } from '../client/admin.ts';
import { retry } from '../retry.ts';
import { systemClock } from '../system-clock.ts';
import { stdoutIsTerminal, stdoutSize, writeData } from '../terminal.ts';
import { explainingChange } from './explain.ts';
import { type Fill, FillProgress, fillLines, fillTable } from './fill-progress.ts';

/** Shows a move until it is over: a table that is repainted on a terminal, lines elsewhere, or a JSON document a line. */
export interface WatchOptions {
  readonly everyMs: number | undefined;
  readonly json: boolean;
}

const REPAINT_MS = 1_000;
const LOG_MS = 5_000;
/** A coordinator that restarts is back by then. */
const PATIENCE_MS = 30_000;
const NEVER = new AbortController().signal;

export async function watchMove(client: AdminClient, { everyMs, json }: WatchOptions): Promise<void> {
  const isTerminal = stdoutIsTerminal() && !json;
  const progress = new FillProgress();
  const screen = new Screen();
  for (let isFirst = true; ; isFirst = false) {
    const move = await explainingChange('watch the move', asked(client, isFirst ? 0 : PATIENCE_MS));
    const fills = progress.at(performance.now(), move);
    if (json) await writeData(`${JSON.stringify(documentOf(move, fills))}\n`);
    if (move.phase === undefined) {
      if (isTerminal) await screen.show('');
      if (!json) await writeData(`epoch ${move.epoch}: no move is under way\n`);
      return;
    }
    if (isTerminal) await screen.show(fillTable(move, fills));
    else if (!json)
      await writeData(
        fillLines(move, fills)
          .map((line) => `${line}\n`)
          .join(''),
      );
    await systemClock.sleep(everyMs ?? (isTerminal ? REPAINT_MS : LOG_MS), NEVER);
  }
}

async function asked(client: AdminClient, forMs: number): Promise<Move> {
  return await retry(async () => await client.move(), { forMs, clock: systemClock, signal: NEVER });
}

/** Takes back what it showed last. */
class Screen {
  #lines = 0;

  async show(text: string): Promise<void> {
    const { columns, rows } = stdoutSize();
    // A line that wraps, or one that has scrolled away, cannot be taken back.
    const lines = text
      .split('\n')
      .slice(0, -1)
      .slice(0, rows - 1)
      .map((line) => `${line.slice(0, columns - 1)}\n`);
    const back = this.#lines === 0 ? '' : `\u001b[${this.#lines}A\u001b[J`;
    this.#lines = lines.length;
    await writeData(back + lines.join(''));
  }
}

function documentOf({ epoch, phase }: Move, fills: readonly Fill[]): unknown {
  return {
    epoch,
    phase: phase ?? null,
    nodes: fills.map(({ name, status, left, of, bytes, bytesPerSecond, etaMs }) => ({
      name,
      status: status ?? null,
      left: left ?? null,
      of: of ?? null,
      bytes: bytes ?? null,
      bytesPerSecond: bytesPerSecond === undefined ? null : Math.round(bytesPerSecond),
      etaMs: etaMs === undefined ? null : Math.round(etaMs),
    })),
  };
}
