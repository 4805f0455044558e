import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { CircletError, UnexpectedAnswerError, UnreachableError } from './client/errors.ts';
import { Interrupted, type RetryClock, retry, waitBefore } from './retry.ts';

/** Time that passes only by sleeping. */
class VirtualClock implements RetryClock {
  nowMs = 1_000;
  readonly slept: number[] = [];
  readonly #random: () => number;

  constructor(random: () => number = () => 0.5) {
    this.#random = random;
  }

  now(): number {
    return this.nowMs;
  }

  random(): number {
    return this.#random();
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(new Interrupted());
    this.slept.push(ms);
    this.nowMs += ms;
    return Promise.resolve();
  }
}

class Overloaded extends CircletError {
  override readonly code = 'overloaded';

  constructor(retryAfterMs: number) {
    super('overloaded', { outcome: 'none', retryable: true, retryAfterMs });
  }
}

const never = new AbortController().signal;

/** Fails so many times, then succeeds. */
function failing(times: number, error: () => Error): () => Promise<string> {
  let left = times;
  return () => (left-- > 0 ? Promise.reject(error()) : Promise.resolve('done'));
}

const unreachable = (): Error => new UnreachableError('no', 'none');

test('an attempt that succeeds is made once', async () => {
  const clock = new VirtualClock();
  expect(await retry(failing(0, unreachable), { forMs: 0, clock, signal: never })).toBe('done');
  expect(clock.slept).toEqual([]);
});

test('waits grow until the cap, and each is drawn from all that is below', async () => {
  const clock = new VirtualClock();
  await retry(failing(9, unreachable), { forMs: 60_000, clock, signal: never });
  expect(clock.slept).toEqual([25, 50, 100, 200, 400, 800, 1600, 2500, 2500]);
});

test('without time for another attempt, the last error is what is thrown', async () => {
  const clock = new VirtualClock();
  await expect(retry(failing(99, unreachable), { forMs: 0, clock, signal: never })).rejects.toThrow(
    UnreachableError,
  );
  expect(clock.slept).toEqual([]);
  await expect(retry(failing(99, unreachable), { forMs: 500, clock, signal: never })).rejects.toThrow(
    UnreachableError,
  );
  expect(clock.nowMs).toBeLessThan(1_500);
});

test('what will never succeed is not repeated', async () => {
  const clock = new VirtualClock();
  const attempt = failing(1, () => new UnexpectedAnswerError('html', undefined));
  await expect(retry(attempt, { forMs: 60_000, clock, signal: never })).rejects.toThrow(
    UnexpectedAnswerError,
  );
  await expect(
    retry(
      failing(1, () => new Error('bug')),
      { forMs: 60_000, clock, signal: never },
    ),
  ).rejects.toThrow('bug');
  expect(clock.slept).toEqual([]);
});

test('Retry-After is the least that is waited', async () => {
  const clock = new VirtualClock(() => 0);
  await retry(
    failing(2, () => new Overloaded(3_000)),
    { forMs: 60_000, clock, signal: never },
  );
  expect(clock.slept).toEqual([3_000, 3_000]);
  const late = new VirtualClock(() => 0);
  await expect(
    retry(
      failing(9, () => new Overloaded(3_000)),
      { forMs: 2_000, clock: late, signal: never },
    ),
  ).rejects.toThrow(Overloaded);
  expect(late.slept).toEqual([]);
});

test('a user who stops is not kept waiting', async () => {
  const stop = new AbortController();
  const clock = new VirtualClock();
  const attempt = (): Promise<never> => {
    stop.abort();
    return Promise.reject(unreachable());
  };
  await expect(retry(attempt, { forMs: 60_000, clock, signal: stop.signal })).rejects.toThrow(Interrupted);
});

test('whatever the dice say, attempts begin within the time and waits stay within their bounds', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
      fc.nat(30_000),
      fc.nat(40),
      async (dice, forMs, failures) => {
        const clock = new VirtualClock(() => dice.next().value);
        const begunMs: number[] = [];
        const attempt = failing(failures, unreachable);
        const outcome = await retry(
          () => {
            begunMs.push(clock.now());
            return attempt();
          },
          { forMs, clock, signal: never },
        ).catch(() => 'failed');
        expect(Math.max(...begunMs)).toBeLessThanOrEqual(1_000 + forMs);
        expect(outcome).toBe(begunMs.length > failures ? 'done' : 'failed');
        clock.slept.forEach((ms, i) => {
          expect(ms).toBeGreaterThanOrEqual(0);
          expect(ms).toBeLessThan(Math.min(5_000, 50 * 2 ** i));
        });
      },
    ),
  );
});

test('the wait before the n-th repeat spans everything from nothing to its bound', () => {
  expect(waitBefore(3, undefined, 0)).toBe(0);
  expect(waitBefore(3, undefined, 0.999)).toBeCloseTo(399.6);
  expect(waitBefore(1_100, undefined, 0.5)).toBe(2_500);
});
