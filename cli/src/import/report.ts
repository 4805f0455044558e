import { formatDuration } from '../duration.ts';
import { formatBytes, formatCount, plural, printable } from '../human.ts';
import type { Ending } from './importer.ts';
import type { Tally } from './tally.ts';

/** What an import did, as one JSON document and as text. Nothing is claimed that the cluster did not say. */
export interface Report {
  readonly bucket: string;
  readonly source: string;
  readonly ending: Ending['kind'];
  readonly records: number;
  readonly stored: number;
  /** Keys that `--if-absent` left alone; without it, nobody looked. */
  readonly alreadyThere: number | null;
  readonly failed: number;
  readonly skipped: number;
  readonly unsettled: number;
  readonly repeatedKeys: number;
  readonly valueBytes: number;
  readonly seconds: number;
  readonly recordsPerSecond: number;
  readonly latencyMs: {
    readonly p50: number | null;
    readonly p99: number | null;
    readonly max: number | null;
  };
  readonly retries: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
  readonly settledUpTo: number;
}

export function reportOf(facts: {
  readonly bucket: string;
  readonly source: string;
  readonly ending: Ending['kind'];
  readonly ifAbsent: boolean;
  readonly tally: Tally;
  readonly unsettled: number;
  readonly settledUpTo: number;
  readonly elapsedMs: number;
}): Report {
  const { tally, elapsedMs } = facts;
  const done = tally.stored + tally.present;
  const latency = (ns: number): number | null => (tally.latency.count === 0 ? null : ns / 1_000);
  return {
    bucket: facts.bucket,
    source: facts.source,
    ending: facts.ending,
    records: tally.read,
    stored: tally.stored,
    alreadyThere: facts.ifAbsent ? tally.present : null,
    failed: tally.failed,
    skipped: tally.skipped,
    unsettled: facts.unsettled,
    repeatedKeys: tally.repeatedKeys,
    valueBytes: tally.bytes,
    seconds: Math.round(elapsedMs) / 1_000,
    recordsPerSecond: elapsedMs === 0 ? 0 : Math.round((done / elapsedMs) * 1_000_000) / 1_000,
    latencyMs: {
      p50: latency(tally.latency.percentile(50)),
      p99: latency(tally.latency.percentile(99)),
      max: latency(tally.latency.max),
    },
    retries: tally.retries,
    errors: Object.fromEntries(tally.errors),
    failures: Object.fromEntries(tally.failures),
    settledUpTo: facts.settledUpTo,
  };
}

export function formatReport(report: Report): string {
  const rows: [string, string][] = [
    ['records', `${formatCount(report.records)} read from ${report.source}`],
    ['stored', `${formatCount(report.stored)} acknowledged, ${formatBytes(report.valueBytes)}`],
    [
      'already there',
      report.alreadyThere === null
        ? 'not looked for: a repeated write is acknowledged like a first one, another becomes a sibling'
        : `${formatCount(report.alreadyThere)} with another value, left as they were`,
    ],
    ['failed', formatCount(report.failed) + listed(report.failures)],
  ];
  if (report.skipped > 0) rows.push(['skipped', formatCount(report.skipped)]);
  if (report.unsettled > 0)
    rows.push(['unsettled', `${formatCount(report.unsettled)} read, but neither stored nor failed for sure`]);
  if (report.repeatedKeys > 0) {
    rows.push([
      'repeated keys',
      `${plural(report.repeatedKeys, 'record has', 'records have')} the key of an earlier one: they are siblings unless equal`,
    ]);
  }
  rows.push([
    'time',
    `${formatDuration(report.seconds * 1_000)}, ${formatCount(report.recordsPerSecond)} records/s`,
  ]);
  const { p50, p99, max } = report.latencyMs;
  rows.push([
    'latency',
    p50 === null
      ? '-'
      : `p50 ${ms(p50)}  p99 ${ms(p99)}  max ${ms(max)} a request, waits between attempts aside`,
  ]);
  rows.push(
    ['retries', formatCount(report.retries)],
    ['errors', `${formatCount(sum(report.errors))}${listed(report.errors)}`],
  );
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${printable(text)}\n`).join('');
}

function listed(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts).toSorted((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return entries.length === 0
    ? ''
    : ` (${entries.map(([code, count]) => `${code} ${formatCount(count)}`).join(', ')})`;
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}

function ms(value: number | null): string {
  return value === null ? '-' : `${value.toFixed(value < 10 ? 2 : 0)} ms`;
}
