import type { Move, Receiver } from '../client/admin.ts';
import { formatDuration } from '../duration.ts';
import { formatBytes, formatCount } from '../human.ts';
import { type Column, formatTable } from '../table.ts';

/** How far each pod is that fetches what a move gives it. Time is passed in: nothing here waits. */
export interface Fill extends Receiver {
  readonly bytesPerSecond: number | undefined;
  readonly etaMs: number | undefined;
}

/** Pods come forward vnode by vnode, so less would jump. */
const WINDOW_MS = 20_000;

interface Sample {
  readonly atMs: number;
  readonly left: number;
  readonly bytes: number;
}

export class FillProgress {
  readonly #samples = new Map<string, Sample[]>();

  at(nowMs: number, { nodes }: Move): Fill[] {
    return nodes.map((node) => ({ ...node, ...this.#speed(nowMs, node) }));
  }

  #speed(nowMs: number, { name, left, bytes }: Receiver): Pick<Fill, 'bytesPerSecond' | 'etaMs'> {
    if (left === undefined || bytes === undefined) return { bytesPerSecond: undefined, etaMs: undefined };
    const samples = this.#samples.get(name) ?? [];
    const last = samples.at(-1);
    // It began a new life, or a new move: what it said before is no beginning of this.
    if (last !== undefined && (bytes < last.bytes || left > last.left)) samples.length = 0;
    samples.push({ atMs: nowMs, left, bytes });
    while ((samples[1]?.atMs ?? nowMs) <= nowMs - WINDOW_MS) samples.shift();
    this.#samples.set(name, samples);
    const [first] = samples;
    const ms = first === undefined ? 0 : nowMs - first.atMs;
    if (first === undefined || ms <= 0) return { bytesPerSecond: undefined, etaMs: undefined };
    const done = first.left - left;
    return {
      bytesPerSecond: ((bytes - first.bytes) / ms) * 1_000,
      etaMs: done > 0 ? (left / done) * ms : undefined,
    };
  }
}

export function fillTable({ epoch, phase }: Move, fills: readonly Fill[]): string {
  return `epoch ${epoch}  ${phase ?? 'nothing moves'}\n${formatTable(COLUMNS, fills)}`;
}

/** `n4  filling  120/171  70%  12.3 MiB  4.1 MiB/s  ETA 12s`, a line for each pod. */
export function fillLines({ phase }: Move, fills: readonly Fill[]): string[] {
  return fills.map((fill) =>
    [
      fill.name,
      phase ?? '-',
      doneOf(fill),
      percentOf(fill),
      bytesOf(fill),
      rateOf(fill),
      `ETA ${etaOf(fill)}`,
    ].join('  '),
  );
}

const COLUMNS: readonly Column<Fill>[] = [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'STATUS', value: ({ status }) => status ?? '-' },
  { title: 'DONE/OF', value: doneOf, align: 'right' },
  { title: '%', value: percentOf, align: 'right' },
  { title: 'BYTES', value: bytesOf, align: 'right' },
  { title: 'RATE', value: rateOf, align: 'right' },
  { title: 'ETA', value: etaOf, align: 'right' },
];

function doneOf({ left, of }: Fill): string {
  return left === undefined || of === undefined ? '-' : `${formatCount(of - left)}/${formatCount(of)}`;
}

function percentOf({ left, of }: Fill): string {
  if (left === undefined || of === undefined) return '-';
  return of === 0 ? '100%' : `${Math.floor(((of - left) / of) * 100)}%`;
}

function bytesOf({ bytes }: Fill): string {
  return bytes === undefined ? '-' : formatBytes(bytes);
}

function rateOf({ bytesPerSecond }: Fill): string {
  return bytesPerSecond === undefined ? '-' : `${formatBytes(Math.round(bytesPerSecond))}/s`;
}

function etaOf({ left, etaMs }: Fill): string {
  if (left === 0) return '0s';
  return etaMs === undefined ? '-' : formatDuration(etaMs);
}
