import type { Outcome } from '../swarm/outcome.ts';
import type { Plan } from '../swarm/plan.ts';
import { minimise } from './minimise.ts';
import { writePlan } from './plan-file.ts';
import { outcomeLines, planLines } from './report.ts';

export type RunPlan = (plan: Plan, options?: { story?: (line: string) => void; isPart?: boolean }) => Outcome;

export interface OneRunOptions {
  readonly story: boolean;
  /** The plan is what is left of another, and need not show anything by itself. */
  readonly isPart: boolean;
  /** How many runs shrinking may take; undefined when nothing is shrunk. */
  readonly minimiseRuns: number | undefined;
  /** Where the shrunk plan is written. */
  readonly failureFile: string;
  readonly say: (line: string) => void;
  readonly progress: (line: string) => void;
}

/** Runs a plan, says what it is and what came of it, and shrinks it if it fails; whether it ended well. */
export function oneRun(plan: Plan, runPlan: RunPlan, options: OneRunOptions): boolean {
  const { say, minimiseRuns } = options;
  const outcome = tell(plan, runPlan, say, {
    story: options.story && minimiseRuns === undefined,
    isPart: options.isPart,
  });
  const well = outcome.violations.length === 0;
  if (minimiseRuns === undefined) return well;
  if (well) say('It violates nothing, so there is nothing to shrink.');
  else if (outcome.violations.every(({ invariant }) => invariant === 'vacuous'))
    say('It shows nothing, and less of it would show no more: there is nothing to shrink.');
  else shrink(plan, runPlan, { ...options, minimiseRuns });
  return well;
}

function tell(
  plan: Plan,
  runPlan: RunPlan,
  say: (line: string) => void,
  { story, isPart }: { readonly story: boolean; readonly isPart: boolean },
): Outcome {
  planLines(plan).forEach(say);
  const outcome = runPlan(plan, { isPart, ...(story && { story: say }) });
  outcomeLines(outcome).forEach(say);
  return outcome;
}

function shrink(
  plan: Plan,
  runPlan: RunPlan,
  options: OneRunOptions & { readonly minimiseRuns: number },
): void {
  const { say, progress, failureFile, minimiseRuns } = options;
  const small = minimise(plan, (smaller) => runPlan(smaller, { isPart: true }), {
    maxRuns: minimiseRuns,
    progress,
  });
  say(`\nShrunk in ${small.runs} runs to:`);
  tell(small.plan, runPlan, say, { story: true, isPart: true });
  writePlan(failureFile, small.plan);
  say(`\n  npm run sim -- --plan ${failureFile} --story`);
}
