import type { ClientStep, Plan, Step } from '../swarm/plan.ts';
import { ddmin } from './ddmin.ts';
import type { Search } from './search.ts';

/** Passes of `minimise.ts` that take out steps, and simplify those that stay. */

/** What comes after the violation cannot have caused it. */
export function cutAfterViolation(search: Search): void {
  const atMs = search.outcome.violations.find(({ invariant }) => invariant === search.invariant)?.atMs ?? 0;
  const cut = { ...search.plan, steps: search.plan.steps.filter((step) => step.atMs <= atMs) };
  search.offerFirst([...shorter(cut), cut]);
}

export function dropFaults(search: Search): void {
  if (search.offerSteps(search.plan.steps.filter(({ kind }) => kind === 'client'))) return;
  const names = new Set(search.plan.steps.flatMap((step) => (step.kind === 'fault' ? [step.fault] : [])));
  for (const name of names) {
    search.offerSteps(search.plan.steps.filter((step) => step.kind === 'client' || step.fault !== name));
  }
}

/** Faults first: a run in which less goes wrong is easier to explain than one with fewer operations. */
export function dropSteps(search: Search): void {
  const { steps } = search.plan;
  const faults = steps.filter(({ kind }) => kind === 'fault');
  ddmin(faults, (kept) =>
    search.offerSteps(steps.filter((step) => step.kind === 'client' || kept.includes(step))),
  );
  ddmin(search.plan.steps, (kept) => search.offerSteps(kept));
}

/** Ends the run earlier: just behind the beginning of the last step, or else when every step is over. */
export function endEarlier(search: Search): void {
  search.offerFirst(shorter(search.plan));
}

function shorter(plan: Plan): readonly Plan[] {
  const begunMs = Math.max(0, ...plan.steps.map(({ atMs }) => atMs)) + 1;
  const overMs = Math.max(0, ...plan.steps.map(overAtMs)) + 1;
  return [begunMs, overMs].filter((ms) => ms < plan.busyMs).map((busyMs) => ({ ...plan, busyMs }));
}

function overAtMs(step: Step): number {
  if (step.kind === 'fault') return step.atMs + step.forMs;
  return step.atMs + step.quorum.timeoutMs * (step.retries + 1) + (step.repeatMs ?? 0);
}

const SIMPLER: readonly ((step: ClientStep) => ClientStep)[] = [
  (step) => ({ ...step, condition: undefined }),
  (step) => ({ ...step, returnValue: false }),
  (step) => ({ ...step, repeatMs: undefined }),
  (step) => ({ ...step, retries: 0, repeatMs: undefined }),
  (step) => ({ ...step, bytes: 0 }),
  (step) => ({ ...step, session: false }),
  (step) => ({ ...step, tampered: false }),
];

/** One simplification at a time: for all steps, or else for each that bears it. */
export function simplifySteps(search: Search): void {
  for (const simpler of SIMPLER) {
    const simplified = (step: Step) => (step.kind === 'client' ? simpler(step) : step);
    if (search.offerSteps(search.plan.steps.map(simplified))) continue;
    for (const [i] of search.plan.steps.entries()) {
      search.offerSteps(search.plan.steps.map((step, j) => (i === j ? simplified(step) : step)));
    }
  }
}
