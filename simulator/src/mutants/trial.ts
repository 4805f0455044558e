import type { Violation } from '../checks/violation.ts';
import { drawPlan } from '../swarm/draw-plan.ts';
import { runPlan } from '../swarm/run-plan.ts';

/** Runs seeds against whatever was loaded, until one ends badly or the CPU budget is used; see `main.ts` beside it. */
export interface Trial {
  readonly seeds: number;
  readonly cpuSeconds: number;
  /** The first violation; undefined when none was found. */
  readonly violation: Violation | undefined;
}

const budgetSeconds = Number(process.argv[2]);
let seeds = 0;
let violation: Violation | undefined;
while (violation === undefined && cpuSeconds() < budgetSeconds) {
  seeds++;
  [violation] = runPlan(drawPlan(seeds)).violations;
}
const trial: Trial = { seeds, cpuSeconds: cpuSeconds(), violation };
process.stdout.write(JSON.stringify(trial));

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
