import { sayRaw, stderrColumns, stderrIsTerminal } from '../terminal.ts';
import { type Reading, Speed, progressLine } from './progress.ts';

/** Shows progress on stderr: a line that is repainted on a terminal, and one every five seconds in a log. */
const REPAINT_MS = 200;
const LOG_MS = 5_000;

const CLEAR_LINE = '\r\u001b[2K';

export interface Display {
  stop(): void;
}

export function showProgress(read: () => Reading): Display {
  const startMs = performance.now();
  const speed = new Speed(startMs);
  const terminal = stderrIsTerminal();

  const paint = (): void => {
    const nowMs = performance.now();
    const reading = read();
    const columns = stderrColumns();
    const barWidth = terminal && columns >= 80 ? 24 : 0;
    const line = progressLine(reading, speed.at(nowMs, reading), nowMs - startMs, barWidth);
    // A line that wraps cannot be repainted.
    sayRaw(terminal ? CLEAR_LINE + line.slice(0, columns - 1) : `${line}\n`);
  };
  const timer = setInterval(paint, terminal ? REPAINT_MS : LOG_MS);
  timer.unref();
  return {
    stop: () => {
      clearInterval(timer);
      if (terminal) sayRaw(CLEAR_LINE);
    },
  };
}
