import type { Invariant, Violation } from '../checks/violation.ts';
import type { Outcome } from '../swarm/outcome.ts';
import type { Plan } from '../swarm/plan.ts';

/** What a worker says of a seed. */
export interface SeedResult {
  readonly seed: number;
  readonly cpuMs: number;
  readonly virtualMs: number;
  readonly operations: number;
  readonly succeeded: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly answered: Readonly<Record<string, number>>;
  /** Undefined when the seed never got so far. */
  readonly convergedMs: number | undefined;
  readonly excusedByUnknown: number;
  /** The first violation of each invariant, in the order of the outcome: one broken rule is often broken a hundred times. */
  readonly violations: readonly { readonly invariant: Invariant; readonly what: string }[];
}

/** Never throws: a worker outlives its seeds, and what a seed throws is what was found. */
export function runSeed(
  seed: number,
  drawPlan: (seed: number) => Plan,
  runPlan: (plan: Plan) => Outcome,
): SeedResult {
  const before = process.cpuUsage();
  const cpuMs = () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  try {
    const outcome = runPlan(drawPlan(seed));
    return { ...resultOf(outcome), seed, cpuMs: cpuMs() };
  } catch (error) {
    return { ...brokenSeed(seed, error instanceof Error ? error.message : String(error)), cpuMs: cpuMs() };
  }
}

/** A seed that ended without an outcome. */
export function brokenSeed(seed: number, what: string): SeedResult {
  return {
    seed,
    cpuMs: 0,
    virtualMs: 0,
    operations: 0,
    succeeded: 0,
    faults: {},
    answered: {},
    convergedMs: undefined,
    excusedByUnknown: 0,
    violations: [{ invariant: 'sound', what }],
  };
}

function resultOf(outcome: Outcome): Omit<SeedResult, 'seed' | 'cpuMs'> {
  const { virtualMs, operations, succeeded, faults, answered, convergedMs, excusedByUnknown } = outcome;
  return {
    virtualMs,
    operations,
    succeeded,
    faults,
    answered,
    excusedByUnknown,
    convergedMs: Number.isFinite(convergedMs) ? convergedMs : undefined,
    violations: firstsOf(outcome.violations),
  };
}

function firstsOf(violations: readonly Violation[]): SeedResult['violations'] {
  const firsts = new Map<Invariant, string>();
  for (const { invariant, what } of violations) if (!firsts.has(invariant)) firsts.set(invariant, what);
  return [...firsts].map(([invariant, what]) => ({ invariant, what }));
}
