import { drawPlan } from './draw-plan.ts';
import type { ClientStep, Plan } from './plan.ts';

const PER_SECOND = 10;
const MINUTES = 10;

/** A plan for measuring: five storage pods, two coordinators, ten client operations a second, a crash a minute. */
export function benchPlan(seed: number): Plan {
  const busyMs = MINUTES * 60_000;
  const steps: ClientStep[] = Array.from({ length: MINUTES * 60 * PER_SECOND }, (_, id) => ({
    kind: 'client',
    atMs: (id * 1000) / PER_SECOND,
    id,
    client: id % 6,
    key: (id * 7) % 8,
    via: id % 2,
    verb: id % 2 === 0 ? 'get' : id % 20 === 1 ? 'delete' : 'put',
    quorum: { sloppy: true, timeoutMs: 1_000 },
    session: false,
    retries: 0,
    repeatMs: undefined,
    condition: undefined,
    returnValue: false,
    bytes: 100,
    tampered: false,
  }));
  const crashes = Array.from({ length: MINUTES }, (_, minute) => ({
    kind: 'fault' as const,
    fault: 'crash' as const,
    pod: `n${(minute % 5) + 1}`,
    atMs: minute * 60_000 + 10_000,
    forMs: 10_000,
  }));
  const { shape } = drawPlan(seed);
  return {
    seed,
    shape: {
      ...shape,
      storage: 5,
      coordinators: 2,
      zones: 1,
      replicas: 3,
      keys: 8,
      clients: 6,
      hintKeysMax: 1_000_000,
      repair: { everyMs: 5_000, bytesPerSecond: 8_000_000, scrubRowsPerSecond: 500 },
      siblingsMax: 100,
      requestsMax: 10_000,
    },
    network: { hopMs: 0.3, loss: 0, duplicate: 0, delay: 0, delayMs: 0 },
    steps: [...steps, ...crashes].toSorted((a, b) => a.atMs - b.atMs),
    busyMs,
  };
}
