import { formatDuration } from '../duration.ts';
import { formatBytes, formatCount } from '../human.ts';

/** How far an import is, as text. Time is passed in: nothing here waits. */
export interface Reading {
  readonly settled: number;
  readonly failed: number;
  readonly position: number;
  readonly totalBytes: number | undefined;
  readonly trouble: string | undefined;
}

/** The last ten seconds tell the rate: long enough to be calm, short enough to show that something has changed. */
const WINDOW_MS = 10_000;

export class Speed {
  readonly #samples: { atMs: number; settled: number; position: number }[];

  constructor(startMs: number) {
    this.#samples = [{ atMs: startMs, settled: 0, position: 0 }];
  }

  /** Records and bytes of input a second, over the window that ends now. */
  at(nowMs: number, { settled, position }: Reading): { records: number; bytes: number } {
    this.#samples.push({ atMs: nowMs, settled, position });
    while ((this.#samples[1]?.atMs ?? nowMs) <= nowMs - WINDOW_MS) this.#samples.shift();
    const [first] = this.#samples;
    const seconds = first === undefined ? 0 : (nowMs - first.atMs) / 1_000;
    if (first === undefined || seconds <= 0) return { records: 0, bytes: 0 };
    return { records: (settled - first.settled) / seconds, bytes: (position - first.position) / seconds };
  }
}

/** `cities.ndjson [######----]  61%  84,210 records  4,120/s  ETA 12s  3 failed  retrying: overloaded` */
export function progressLine(
  reading: Reading,
  rate: { records: number; bytes: number },
  elapsedMs: number,
  barWidth: number,
): string {
  const { settled, failed, position, totalBytes, trouble } = reading;
  const fraction =
    totalBytes === undefined || totalBytes === 0 ? undefined : Math.min(1, position / totalBytes);
  const parts: string[] = [];
  if (fraction === undefined) {
    parts.push(formatBytes(Math.round(position)));
  } else {
    const percent = `${Math.floor(fraction * 100)}%`.padStart(4);
    parts.push(barWidth > 0 ? `${bar(fraction, barWidth)} ${percent}` : percent.trim());
  }
  parts.push(`${formatCount(settled)} records`, `${formatCount(rate.records)}/s`);
  if (fraction === undefined || totalBytes === undefined) parts.push(`for ${formatDuration(elapsedMs)}`);
  else if (rate.bytes > 0)
    parts.push(`ETA ${formatDuration(((totalBytes - position) / rate.bytes) * 1_000)}`);
  else parts.push('ETA -');
  if (failed > 0) parts.push(`${formatCount(failed)} failed`);
  if (trouble !== undefined) parts.push(`retrying: ${trouble}`);
  return parts.join('  ');
}

function bar(fraction: number, width: number): string {
  const full = Math.floor(fraction * width);
  return `[${'#'.repeat(full)}${'-'.repeat(width - full)}]`;
}
