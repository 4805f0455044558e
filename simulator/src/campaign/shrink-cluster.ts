import type { Plan, Step } from '../swarm/plan.ts';
import { podsNamedBy, type Rename, renamePods } from './rename-pods.ts';
import type { Search } from './search.ts';

/**
 * Passes of `minimise.ts` that make the cluster smaller. None leaves fewer storage pods than replicas or zones that have
 * no pod: a cluster that cannot be founded fails too, and says nothing about the failure that is looked for.
 */

/** As `World` names them. */
const COORDINATOR_NAMES = ['p', 'q', 'r', 's', 't', 'u'];

export function fewerStoragePods(search: Search): void {
  const { storage, replicas } = search.plan.shape;
  const names = Array.from({ length: storage }, (_, i) => `n${i + 1}`);
  search.offerFirst(withFewer(search.plan, names, replicas, withStorage));
}

export function fewerCoordinators(search: Search): void {
  const names = COORDINATOR_NAMES.slice(0, search.plan.shape.coordinators);
  search.offerFirst(withFewer(search.plan, names, 1, withCoordinators));
}

export function oneZone(search: Search): void {
  search.offer({ ...search.plan, shape: { ...search.plan.shape, zones: 1 } });
}

export function fewerReplicas(search: Search): void {
  const { plan } = search;
  const counts = Array.from({ length: plan.shape.replicas - 1 }, (_, i) => i + 1);
  if (search.offerFirst(counts.map((replicas) => withReplicas(plan, replicas)))) fewerStoragePods(search);
}

/** From the fewest on, in each of the ways to do without the others. */
function* withFewer(
  plan: Plan,
  names: readonly string[],
  min: number,
  resize: (plan: Plan, count: number) => Plan,
): Iterable<Plan> {
  const all = new Set(plan.steps.flatMap(podsNamedBy));
  const named = names.filter((name) => all.has(name));
  for (let count = min; count < names.length; count++) {
    const stay = names.slice(0, count);
    for (const moved of [toFront(named, names), intoGaps(named, stay), new Map<string, string>()]) {
      const rename: Rename = (pod) => {
        const name = moved.get(pod) ?? pod;
        return stay.includes(name) || !names.includes(name) ? name : undefined;
      };
      yield resize({ ...plan, steps: plan.steps.flatMap((step) => renamePods(step, rename)) }, count);
    }
  }
}

/** The first pod that a step names becomes the first of all, and so on. */
function toFront(named: readonly string[], names: readonly string[]): ReadonlyMap<string, string> {
  return new Map(named.map((pod, i) => [pod, names[i] ?? pod]));
}

/** A pod that goes takes the place of one that stays and is not named. */
function intoGaps(named: readonly string[], stay: readonly string[]): ReadonlyMap<string, string> {
  const gaps = stay.filter((pod) => !named.includes(pod));
  const going = named.filter((pod) => !stay.includes(pod));
  return new Map(going.map((pod) => [pod, gaps.pop() ?? pod]));
}

function withStorage(plan: Plan, storage: number): Plan {
  return { ...plan, shape: { ...plan.shape, storage, zones: Math.min(plan.shape.zones, storage) } };
}

function withCoordinators(plan: Plan, coordinators: number): Plan {
  const steps = plan.steps.map((step) =>
    step.kind === 'client' ? { ...step, via: step.via % coordinators } : step,
  );
  return { ...plan, steps, shape: { ...plan.shape, coordinators } };
}

function withReplicas(plan: Plan, replicas: number): Plan {
  const steps = plan.steps.map((step) => withQuorumWithin(replicas, step));
  return { ...plan, steps, shape: { ...plan.shape, replicas } };
}

function withQuorumWithin(replicas: number, step: Step): Step {
  if (step.kind === 'fault') return step;
  const { r, w, pr, pw, ...rest } = step.quorum;
  const most = (count: number) => Math.min(count, replicas);
  return {
    ...step,
    quorum: {
      ...rest,
      ...(r === undefined ? {} : { r: most(r) }),
      ...(w === undefined ? {} : { w: most(w) }),
      ...(pr === undefined ? {} : { pr: most(pr) }),
      ...(pw === undefined ? {} : { pw: most(pw) }),
    },
  };
}
