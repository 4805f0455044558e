import type { Plan, Step } from '../swarm/plan.ts';
import type { Search } from './search.ts';

/** Passes of `minimise.ts` that make everything around the steps calmer: the network, clocks, clients and keys. */

export function quieten(search: Search): void {
  for (const calm of [{ loss: 0 }, { duplicate: 0 }, { delay: 0, delayMs: 0 }]) {
    search.offer({ ...search.plan, network: { ...search.plan.network, ...calm } });
  }
  for (const calm of [{ wallSkewMs: 0 }, { drift: 0 }]) search.offer(withShape(search.plan, calm));
}

export function fewerClients(search: Search): void {
  fewer(search, {
    count: 'clients',
    of: (step) => (step.kind === 'client' ? step.client : undefined),
    as: (step, client) => (step.kind === 'client' ? { ...step, client } : step),
  });
}

export function fewerKeys(search: Search): void {
  fewer(search, {
    count: 'keys',
    of: (step) => ('key' in step ? step.key : undefined),
    as: (step, key) => ('key' in step ? { ...step, key } : step),
  });
}

/** What steps name by its index, of which the shape has so many. */
interface Indexed {
  readonly count: 'clients' | 'keys';
  readonly of: (step: Step) => number | undefined;
  readonly as: (step: Step, index: number) => Step;
}

/** The first few and their steps alone; or those that are named, with new indices; or as few as have every index. */
function fewer(search: Search, indexed: Indexed): void {
  search.offerFirst(firstFew(search.plan, indexed));
  const { steps } = search.plan;
  const named = [...new Set(steps.flatMap((step) => indexed.of(step) ?? []))].toSorted((a, b) => a - b);
  const renumbered = steps.map((step) => {
    const index = indexed.of(step);
    return index === undefined ? step : indexed.as(step, named.indexOf(index));
  });
  search.offerFirst([
    { ...withShape(search.plan, { [indexed.count]: Math.max(1, named.length) }), steps: renumbered },
    withShape(search.plan, { [indexed.count]: (named.at(-1) ?? 0) + 1 }),
  ]);
}

function* firstFew(plan: Plan, { count, of }: Indexed): Iterable<Plan> {
  for (let few = 1; few < plan.shape[count]; few *= 2) {
    const steps = plan.steps.filter((step) => (of(step) ?? 0) < few);
    yield { ...withShape(plan, { [count]: few }), steps };
  }
}

function withShape(plan: Plan, changes: Partial<Plan['shape']>): Plan {
  return { ...plan, shape: { ...plan.shape, ...changes } };
}
