import { createHash } from 'node:crypto';
import type { Invariant } from '../checks/violation.ts';
import type { Outcome } from '../swarm/outcome.ts';
import type { Plan, Step } from '../swarm/plan.ts';

/** The smallest plan so far that violates the invariant; every pass offers it smaller ones. */
export class Search {
  readonly invariant: Invariant;
  plan: Plan;
  outcome: Outcome;
  runs = 1;
  private readonly run: (plan: Plan) => Outcome;
  private readonly maxRuns: number;
  /** Digests of what was run, so that no plan costs a second run. */
  private readonly tried: Set<string>;

  constructor(plan: Plan, run: (plan: Plan) => Outcome, maxRuns: number) {
    this.run = run;
    this.maxRuns = maxRuns;
    this.plan = plan;
    this.tried = new Set([digest(plan)]);
    this.outcome = run(plan);
    const [first] = this.outcome.violations;
    if (first === undefined) {
      throw new Error(`The plan of seed ${plan.seed} violates nothing, so there is nothing to shrink.`);
    }
    this.invariant = first.invariant;
  }

  /** Takes the plan if it violates the same invariant, and says whether it did. */
  offer(plan: Plan): boolean {
    if (this.runs >= this.maxRuns) return false;
    const known = digest(plan);
    if (this.tried.has(known)) return false;
    this.tried.add(known);
    this.runs++;
    const outcome = this.run(plan);
    if (!outcome.violations.some(({ invariant }) => invariant === this.invariant)) return false;
    this.plan = plan;
    this.outcome = outcome;
    return true;
  }

  /** Takes the first of these that fails as the search wants it. */
  offerFirst(plans: Iterable<Plan>): boolean {
    for (const plan of plans) if (this.offer(plan)) return true;
    return false;
  }

  offerSteps(steps: readonly Step[]): boolean {
    return this.offer({ ...this.plan, steps });
  }
}

function digest(plan: Plan): string {
  return createHash('sha1').update(JSON.stringify(plan)).digest('hex');
}
