import type { Violation } from '../checks/violation.ts';
import { drawPlan } from '../swarm/draw-plan.ts';
import { runPlan } from '../swarm/run-plan.ts';

/**
 * `trial.ts SECONDS` runs seeds against whatever was loaded, until one ends badly or the CPU budget is used, and
 * `trial.ts --seed SEED` that one; see `main.ts` beside it.
 */
export interface Trial {
  readonly seeds: number;
  /** The one that ended badly, or the last. */
  readonly seed: number;
  readonly cpuSeconds: number;
  /** The first violation; undefined when none was found. A run that shows nothing has found nothing. */
  readonly violation: Violation | undefined;
}

process.stdout.write(JSON.stringify(trial(process.argv.slice(2))));

function trial([first, second]: readonly string[]): Trial {
  if (first === '--seed') {
    const seed = Number(second);
    return { seeds: 1, seed, violation: foundBy(seed), cpuSeconds: cpuSeconds() };
  }
  let seed = 0;
  let violation: Violation | undefined;
  while (violation === undefined && cpuSeconds() < Number(first)) violation = foundBy(++seed);
  return { seeds: seed, seed, violation, cpuSeconds: cpuSeconds() };
}

function foundBy(seed: number): Violation | undefined {
  return runPlan(drawPlan(seed)).violations.find(({ invariant }) => invariant !== 'vacuous');
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
