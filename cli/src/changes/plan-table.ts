import type { Plan, Transfer } from '../client/admin.ts';
import { formatDuration } from '../duration.ts';
import { formatBytes, formatCount, plural } from '../human.ts';
import { type Column, formatTable } from '../table.ts';

/** What a plan would move, for people. */

/** What a pod fetches in a second unless it is configured otherwise (--repair-kib-per-second). */
const BYTES_PER_SECOND = 8 * 1024 * 1024;

export function secondsOf(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_SECOND);
}

/** Pods fetch at once, so the one with the most to fetch is what is waited for. Undefined where a size is not known. */
export function secondsOfAll(transfers: readonly Transfer[]): number | undefined {
  const received = new Map<string, number>();
  for (const { to, bytes } of transfers) {
    if (bytes === undefined) return undefined;
    received.set(to, (received.get(to) ?? 0) + bytes);
  }
  return secondsOf(Math.max(0, ...received.values()));
}

export function planText({ epoch, transfers }: Plan): string {
  if (transfers.length === 0) return `epoch ${epoch} would begin the change: nothing moves\n`;
  const vnodes = transfers.reduce((sum, each) => sum + each.vnodes, 0);
  const bytes = transfers.reduce((sum, each) => sum + (each.bytes ?? 0), 0);
  const seconds = secondsOfAll(transfers);
  const facts = [
    `epoch ${epoch} would begin the change: ${plural(vnodes, 'vnode')}`,
    `${seconds === undefined ? 'at least' : 'about'} ${formatBytes(bytes)}`,
    seconds === undefined ? 'for an unknown time' : `in ${formatDuration(seconds * 1_000)} or more`,
  ];
  return `${facts.join(', ')}\n${formatTable(COLUMNS, transfers)}`;
}

const COLUMNS: readonly Column<Transfer>[] = [
  { title: 'FROM', value: ({ from }) => from ?? '-' },
  { title: 'TO', value: ({ to }) => to },
  { title: 'VNODES', value: ({ vnodes }) => formatCount(vnodes), align: 'right' },
  {
    title: 'BYTES',
    value: ({ bytes }) => (bytes === undefined ? '-' : formatBytes(bytes)),
    align: 'right',
  },
  {
    title: 'SECONDS',
    value: ({ bytes }) => (bytes === undefined ? '-' : formatCount(secondsOf(bytes))),
    align: 'right',
  },
];
