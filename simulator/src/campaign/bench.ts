import type { Outcome } from '../swarm/outcome.ts';
import type { Plan } from '../swarm/plan.ts';
import { hoursPerCpuMinute } from './counts.ts';
import { count, hours, quantile, rough, seconds } from './figures.ts';

/** Enough for a steady figure: single plans differ in what goes wrong in them. */
const PLANS = 20;

/**
 * Measures simulated hours per CPU-minute of this process, with its garbage collector, over a fixed set of plans; whether
 * all of them ended well. The first plan runs once before, so that no plan pays for compiling.
 */
export function bench(
  benchPlan: (seed: number) => Plan,
  runPlan: (plan: Plan) => Outcome,
  say: (line: string) => void,
): boolean {
  runPlan(benchPlan(1));
  const measured = Array.from({ length: PLANS }, (_, i) => measure(benchPlan(i + 1), runPlan));
  const sum = (of: (one: Measured) => number) => measured.reduce((total, one) => total + of(one), 0);
  const virtualMs = sum(({ outcome }) => outcome.virtualMs);
  const cpuMs = sum((one) => one.cpuMs);
  const operations = sum(({ outcome }) => outcome.operations);
  const each = measured.map((one) =>
    hoursPerCpuMinute({ virtualMs: one.outcome.virtualMs, cpuMs: one.cpuMs }),
  );
  say(`${PLANS} plans, ${hours(virtualMs)} simulated hours, ${seconds(cpuMs)} of CPU`);
  say(`${count(operations)} operations, ${rough(operations / (virtualMs / 1000))} in a simulated second`);
  say(
    `plans from ${rough(quantile(each, 0) ?? 0)} to ${rough(quantile(each, 1) ?? 0)}, median ${rough(quantile(each, 0.5) ?? 0)}`,
  );
  say(`${rough(hoursPerCpuMinute({ virtualMs, cpuMs }))} simulated cluster-hours per CPU-minute`);
  return sayFailures(measured, say);
}

interface Measured {
  readonly outcome: Outcome;
  readonly cpuMs: number;
}

function measure(plan: Plan, runPlan: (plan: Plan) => Outcome): Measured {
  const before = process.cpuUsage();
  const outcome = runPlan(plan);
  const { user, system } = process.cpuUsage(before);
  return { outcome, cpuMs: (user + system) / 1000 };
}

/** A run that fails may have stopped early, and then measures nothing. */
function sayFailures(measured: readonly Measured[], say: (line: string) => void): boolean {
  const failed = measured.filter(({ outcome }) => outcome.violations.length > 0);
  for (const { outcome } of failed) {
    const [first] = outcome.violations;
    say(
      `bench plan ${outcome.seed} violates ${first?.invariant}, so the figure is worth nothing: ${first?.what}`,
    );
  }
  return failed.length === 0;
}
