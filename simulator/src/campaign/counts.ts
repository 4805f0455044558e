import type { SeedResult } from './seed-result.ts';

/** What a number of seeds came to; adds up. */
export interface Counts {
  readonly seeds: number;
  readonly virtualMs: number;
  readonly cpuMs: number;
  readonly operations: number;
  readonly succeeded: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly answered: Readonly<Record<string, number>>;
  /** Of each seed that converged. */
  readonly convergedMs: readonly number[];
  readonly excusedByUnknown: number;
  readonly violations: readonly Found[];
}

export interface Found {
  readonly seed: number;
  readonly invariant: string;
  readonly what: string;
}

export function countsOf({ seed, violations, convergedMs, ...result }: SeedResult): Counts {
  return {
    ...result,
    seeds: 1,
    virtualMs: Math.round(result.virtualMs),
    cpuMs: Math.round(result.cpuMs),
    convergedMs: convergedMs === undefined ? [] : [Math.round(convergedMs)],
    violations: violations.map(({ invariant, what }) => ({ seed, invariant, what })),
  };
}

export function totals(all: readonly Counts[]): Counts {
  const sum = (of: (counts: Counts) => number) => all.reduce((total, counts) => total + of(counts), 0);
  return {
    seeds: sum(({ seeds }) => seeds),
    virtualMs: sum(({ virtualMs }) => virtualMs),
    cpuMs: sum(({ cpuMs }) => cpuMs),
    operations: sum(({ operations }) => operations),
    succeeded: sum(({ succeeded }) => succeeded),
    faults: sumByName(all.map(({ faults }) => faults)),
    answered: sumByName(all.map(({ answered }) => answered)),
    convergedMs: all.flatMap(({ convergedMs }) => convergedMs),
    excusedByUnknown: sum(({ excusedByUnknown }) => excusedByUnknown),
    violations: all.flatMap(({ violations }) => violations),
  };
}

function sumByName(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const counts of all) {
    for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count;
  }
  return total;
}

export function hoursPerCpuMinute({ virtualMs, cpuMs }: Pick<Counts, 'virtualMs' | 'cpuMs'>): number {
  return cpuMs === 0 ? 0 : virtualMs / 3_600_000 / (cpuMs / 60_000);
}

export function failingSeeds({ violations }: Pick<Counts, 'violations'>): readonly number[] {
  return [...new Set(violations.map(({ seed }) => seed))].toSorted((a, b) => a - b);
}
