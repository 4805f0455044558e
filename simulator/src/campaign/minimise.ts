import type { Outcome } from '../swarm/outcome.ts';
import type { Plan } from '../swarm/plan.ts';
import { Search } from './search.ts';
import { fewerCoordinators, fewerReplicas, fewerStoragePods, oneZone } from './shrink-cluster.ts';
import { fewerClients, fewerKeys, quieten } from './shrink-load.ts';
import { cutAfterViolation, dropFaults, dropSteps, endEarlier, simplifySteps } from './shrink-steps.ts';

export interface MinimiseOptions {
  readonly maxRuns: number;
  /** Gets a line for each pass. */
  readonly progress?: (line: string) => void;
}

export interface Minimised {
  readonly plan: Plan;
  readonly outcome: Outcome;
  readonly runs: number;
}

/** Cheap and large cuts first; steps once more at the end, because a smaller cluster may need fewer. */
const PASSES: readonly (readonly [name: string, pass: (search: Search) => void])[] = [
  ['cut after the violation', cutAfterViolation],
  ['kinds of faults', dropFaults],
  ['network and clocks', quieten],
  ['steps', dropSteps],
  ['end', endEarlier],
  ['clients', fewerClients],
  ['keys', fewerKeys],
  ['storage pods', fewerStoragePods],
  ['coordinators', fewerCoordinators],
  ['zones', oneZone],
  ['replicas', fewerReplicas],
  ['simpler steps', simplifySteps],
  ['steps', dropSteps],
  ['end', endEarlier],
];

/**
 * Shrinks a plan that fails while the invariant of its first violation is still violated. The plan that comes back was
 * run and fails, also when `maxRuns` cut the search short. One run is always made; a plan that does not fail is an error.
 */
export function minimise(plan: Plan, run: (plan: Plan) => Outcome, options: MinimiseOptions): Minimised {
  const search = new Search(plan, run, options.maxRuns);
  for (const [name, pass] of PASSES) {
    const runs = search.runs;
    pass(search);
    if (search.runs > runs) options.progress?.(`${search.runs} runs, ${name}: ${sizeOf(search.plan)}`);
  }
  return { plan: search.plan, outcome: search.outcome, runs: search.runs };
}

function sizeOf({ steps, shape }: Plan): string {
  const faults = steps.filter(({ kind }) => kind === 'fault').length;
  return (
    `${steps.length - faults} operations, ${faults} faults, ${shape.storage} storage pods, ` +
    `${shape.coordinators} coordinators, ${shape.clients} clients, ${shape.keys} keys`
  );
}
