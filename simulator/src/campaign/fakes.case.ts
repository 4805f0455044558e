import type { Violation } from '../checks/violation.ts';
import type { Outcome } from '../swarm/outcome.ts';
import type { ClientStep, FaultStep, Plan, Step } from '../swarm/plan.ts';

/** Plans and outcomes for tests of the campaign, which needs no cluster to be tested. */
export function fakePlan(seed: number, steps: readonly Step[] = []): Plan {
  return {
    seed,
    shape: {
      spares: 0,
      storage: 7,
      coordinators: 3,
      zones: 3,
      replicas: 3,
      vnodes: 16,
      keys: 8,
      clients: 8,
      hintKeysMax: 100,
      repair: undefined,
      siblingsMax: 8,
      requestsMax: 64,
      wallSkewMs: 1000,
      drift: 0.0002,
    },
    network: { hopMs: 1, loss: 0.01, duplicate: 0.01, delay: 0.01, delayMs: 500 },
    steps,
    busyMs: 1_000_000,
  };
}

export function fakeClientStep(id: number, changes: Partial<ClientStep> = {}): ClientStep {
  return {
    kind: 'client',
    atMs: id * 100,
    id,
    client: id % 8,
    key: id % 5,
    via: id % 3,
    verb: 'put',
    quorum: { r: 3, w: 2, sloppy: true, timeoutMs: 1000 },
    session: true,
    retries: 2,
    repeatMs: undefined,
    condition: 'exists',
    returnValue: true,
    bytes: 100,
    tampered: false,
    ...changes,
  };
}

export function fakeCrash(atMs: number, pod: string): FaultStep {
  return { kind: 'fault', atMs, forMs: 1000, fault: 'crash', pod };
}

export function fakeOutcome(seed: number, violations: readonly Violation[] = []): Outcome {
  return {
    seed,
    trace: '0123456789abcdef',
    violations,
    operations: 100,
    succeeded: 90,
    answered: { written: 60, found: 40 },
    faults: { crash: 2, freeze: 1 },
    virtualMs: 60_000,
    convergedMs: seed * 10,
    excusedByUnknown: 1,
  };
}
