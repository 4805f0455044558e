import { type Counts, failingSeeds, hoursPerCpuMinute } from './counts.ts';
import { count, hours, quantile, rough, seconds } from './figures.ts';

/** Columns of figures under their titles. */
export interface Column {
  readonly title: string;
  readonly counts: Counts;
}

type Row = readonly [name: string, cell: (counts: Counts) => string];

export function table(columns: readonly Column[]): readonly string[] {
  const rows = [
    ['', ...columns.map(({ title }) => title)],
    ...rowsFor(columns).map(([name, cell]) => [name, ...columns.map(({ counts }) => cell(counts))]),
  ];
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((cells) => cells[i]?.length ?? 0))) ?? [];
  return rows.map((cells) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

function rowsFor(columns: readonly Column[]): readonly Row[] {
  return [
    ['seeds', ({ seeds }) => count(seeds)],
    ['simulated hours', ({ virtualMs }) => hours(virtualMs)],
    ['operations', ({ operations }) => count(operations)],
    ['  succeeded', ({ succeeded }) => count(succeeded)],
    ...named(columns, ({ answered }) => answered),
    ['faults', ({ faults }) => count(Object.values(faults).reduce((a, b) => a + b, 0))],
    ...named(columns, ({ faults }) => faults),
    ['CPU seconds', ({ cpuMs }) => count(cpuMs / 1000)],
    ['hours per CPU-minute', (counts) => rough(hoursPerCpuMinute(counts))],
    ['convergence, median', convergence(0.5)],
    ['convergence, p99', convergence(0.99)],
    ['replaced by unknown only', ({ excusedByUnknown }) => count(excusedByUnknown)],
    ['failing seeds', (counts) => count(failingSeeds(counts).length)],
    ...named(columns, seedsByInvariant),
  ];
}

function convergence(share: number): Row[1] {
  return ({ convergedMs }) => {
    const ms = quantile(convergedMs, share);
    return ms === undefined ? '-' : seconds(ms);
  };
}

/** A row for each name that any column has, the commonest first. */
function named(
  columns: readonly Column[],
  of: (counts: Counts) => Readonly<Record<string, number>>,
): readonly Row[] {
  const most = new Map<string, number>();
  for (const { counts } of columns) {
    for (const [name, n] of Object.entries(of(counts))) most.set(name, Math.max(n, most.get(name) ?? 0));
  }
  const names = [...most].toSorted(([a, m], [b, n]) => n - m || a.localeCompare(b)).map(([name]) => name);
  return names.map((name) => [`  ${name}`, (counts) => count(of(counts)[name] ?? 0)]);
}

/** A seed counts once for each invariant that it violates. */
function seedsByInvariant({ violations }: Counts): Record<string, number> {
  const seeds: Record<string, number> = {};
  for (const { invariant } of violations) seeds[invariant] = (seeds[invariant] ?? 0) + 1;
  return seeds;
}
