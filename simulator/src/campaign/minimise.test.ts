import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Violation } from '../checks/violation.ts';
import type { Outcome } from '../swarm/outcome.ts';
import type { Plan, Step } from '../swarm/plan.ts';
import { fakeClientStep, fakeCrash, fakeOutcome, fakePlan } from './fakes.case.ts';
import { minimise } from './minimise.ts';

const violation: Violation = { invariant: 'I3', atMs: 12_000, what: 'key-3 lost a write' };

/** Fails with I3 when the plan is as wanted, and with something else when it is not. */
function failsWhen(isWanted: (plan: Plan) => boolean): (plan: Plan) => Outcome {
  return (plan) =>
    fakeOutcome(plan.seed, isWanted(plan) ? [violation] : [{ ...violation, invariant: 'vacuous' }]);
}

function hasClientStep({ steps }: Plan, id: number): boolean {
  return steps.some((step) => step.kind === 'client' && step.id === id);
}

function hasFault({ steps }: Plan, fault: string): boolean {
  return steps.some((step) => step.kind === 'fault' && step.fault === fault);
}

const busy: readonly Step[] = [
  ...Array.from({ length: 200 }, (_, i) => fakeClientStep(i)),
  fakeCrash(3000, 'n6'),
  fakeCrash(4000, 'n2'),
  { kind: 'fault', atMs: 5000, forMs: 100, fault: 'busFreeze' } as const,
  { kind: 'fault', atMs: 6000, forMs: 100, fault: 'clog', from: 'q', to: 'n7' } as const,
].toSorted((a, b) => a.atMs - b.atMs);

describe('minimise', () => {
  it('ends with exactly the two operations and the fault that the failure needs', () => {
    const wanted = (plan: Plan) =>
      hasClientStep(plan, 17) && hasClientStep(plan, 93) && plan.steps.some((step) => hasPod(step, 'clog'));
    const { plan, outcome } = minimise(fakePlan(1, busy), failsWhen(wanted), { maxRuns: 1000 });
    expect(plan.steps).toEqual(
      [
        { kind: 'fault', atMs: 6000, forMs: 100, fault: 'clog', from: 'p', to: 'n1' },
        simple(17, 0),
        simple(93, 1),
      ].toSorted((a, b) => a.atMs - b.atMs),
    );
    expect(plan.shape).toMatchObject({
      storage: 1,
      coordinators: 1,
      zones: 1,
      replicas: 1,
      clients: 2,
      keys: 2,
    });
    expect(plan.shape).toMatchObject({ wallSkewMs: 0, drift: 0 });
    expect(plan.network).toEqual({ hopMs: 1, loss: 0, duplicate: 0, delay: 0, delayMs: 0 });
    expect(plan.busyMs).toBe(9301);
    expect(outcome.violations).toEqual([violation]);
  });

  it('keeps what matters of the cluster, the network and a step', () => {
    const wanted = ({ shape, network, steps }: Plan) =>
      shape.storage >= 4 &&
      shape.zones >= 2 &&
      shape.replicas >= 2 &&
      network.loss > 0 &&
      steps.some((step) => step.kind === 'client' && step.id === 17 && step.retries > 0) &&
      steps.some((step) => step.kind === 'fault' && step.fault === 'crash' && step.pod !== 'n1');
    const { plan } = minimise(fakePlan(1, busy), failsWhen(wanted), { maxRuns: 1000 });
    expect(plan.steps).toHaveLength(2);
    expect(plan.shape).toMatchObject({
      storage: 4,
      coordinators: 1,
      zones: 3,
      replicas: 2,
      clients: 1,
      keys: 1,
    });
    expect(plan.network).toMatchObject({ loss: 0.01, duplicate: 0, delay: 0 });
    expect(plan.steps.find(({ kind }) => kind === 'client')).toMatchObject({
      retries: 2,
      condition: undefined,
    });
  });

  it('takes out faults rather than operations when either would do', () => {
    const wanted = (plan: Plan) => hasClientStep(plan, 17) || hasFault(plan, 'busFreeze');
    const { plan } = minimise(fakePlan(1, busy), failsWhen(wanted), { maxRuns: 1000 });
    expect(plan.steps).toEqual([simple(17, 0)]);
  });

  it('leaves a cluster that can be founded, and quorums that it can meet', () => {
    const everything = minimise(
      fakePlan(1, busy),
      failsWhen(() => true),
      { maxRuns: 1000 },
    );
    expect(everything.plan.steps).toEqual([]);
    const seen: Plan[] = [];
    const run = failsWhen((plan) => {
      seen.push(plan);
      return hasClientStep(plan, 17);
    });
    minimise(fakePlan(1, busy), run, { maxRuns: 1000 });
    for (const { shape, steps } of seen) {
      expect(shape.storage).toBeGreaterThanOrEqual(Math.max(shape.replicas, shape.zones));
      for (const step of steps) {
        if (step.kind === 'client') expect(step.quorum.r ?? 0).toBeLessThanOrEqual(shape.replicas);
        if (step.kind === 'client') expect(step.via).toBeLessThan(shape.coordinators);
        if (step.kind === 'client') expect(step.client).toBeLessThan(shape.clients);
        if (step.kind === 'client') expect(step.key).toBeLessThan(shape.keys);
      }
    }
  });

  it('never returns a plan that does not fail, makes no run twice and no more runs than it may', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 300 }), (salt, maxRuns) => {
        const plans: string[] = [];
        const isWanted = (plan: Plan) =>
          plans.length < 2 || (plan.steps.length * 7 + salt + plan.busyMs) % 3 > 0;
        const run = failsWhen((plan) => {
          plans.push(JSON.stringify(plan));
          return isWanted(plan);
        });
        const { plan, outcome, runs } = minimise(fakePlan(salt, busy), run, { maxRuns });
        expect(outcome.violations).toEqual([violation]);
        expect(plans).toContain(JSON.stringify(plan));
        expect(runs).toBe(plans.length);
        expect(runs).toBeLessThanOrEqual(maxRuns);
        expect(new Set(plans).size).toBe(plans.length);
      }),
      { numRuns: 50 },
    );
  });

  it('does the same each time, and tells how far it is', () => {
    const run = failsWhen((plan) => hasClientStep(plan, 17));
    const once: string[] = [];
    const again: string[] = [];
    minimise(fakePlan(1, busy), run, { maxRuns: 500, progress: (line) => once.push(line) });
    minimise(fakePlan(1, busy), run, { maxRuns: 500, progress: (line) => again.push(line) });
    expect(again).toEqual(once);
    expect(once.at(-1)).toMatch(/^\d+ runs, steps: 1 operations, 0 faults, 1 storage pods, /);
  });

  it('refuses a plan that does not fail', () => {
    expect(() => minimise(fakePlan(9), (plan) => fakeOutcome(plan.seed), { maxRuns: 10 })).toThrow(
      'The plan of seed 9 violates nothing, so there is nothing to shrink.',
    );
  });
});

function hasPod(step: Step, fault: string): boolean {
  return step.kind === 'fault' && step.fault === fault;
}

/** What is left of the operation in the smallest cluster. */
function simple(id: number, index: number): Step {
  return fakeClientStep(id, {
    client: index,
    key: index,
    via: 0,
    quorum: { r: 1, w: 1, sloppy: true, timeoutMs: 1000 },
    session: false,
    retries: 0,
    condition: undefined,
    returnValue: false,
    bytes: 0,
  });
}
