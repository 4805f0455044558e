import { chaos } from '../chaos.ts';

/** Runs seeds against whatever was loaded, until one ends badly or the CPU budget is used; see `main.ts` beside it. */
export interface Trial {
  readonly seeds: number;
  readonly cpuSeconds: number;
  /** The first violation; undefined when none was found. */
  readonly violation: string | undefined;
}

const budgetSeconds = Number(process.argv[2]);
let seeds = 0;
let violation: string | undefined;
while (violation === undefined && cpuSeconds() < budgetSeconds) {
  seeds++;
  try {
    violation = chaos(seeds).violations[0];
  } catch (error) {
    violation = error instanceof Error ? error.message : String(error);
  }
}
const trial: Trial = { seeds, cpuSeconds: cpuSeconds(), violation };
process.stdout.write(JSON.stringify(trial));

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
