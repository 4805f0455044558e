import { CircletError } from './client/errors.ts';

/**
 * Full-jitter exponential backoff: the n-th wait is drawn evenly from 0 to base * 2^n, at most a cap. Waits that are
 * merely doubled keep the clients of an overloaded cluster in step, and it stays overloaded.
 */
export interface RetryClock {
  now(): number;
  /** Throws Interrupted when the signal fires first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** 0 to 1, 1 excluded. */
  random(): number;
}

export interface RetryOptions {
  /** How long after the first attempt a new one may still begin. */
  readonly forMs: number;
  readonly clock: RetryClock;
  readonly signal: AbortSignal;
  readonly onRetry?: (error: CircletError, waitMs: number) => void;
}

/** The wait was cut short because the user wants to stop. */
export class Interrupted extends Error {
  override name = 'Interrupted';

  constructor() {
    super('interrupted');
  }
}

const WAIT_MS_FIRST = 50;
/** Longer waits save the cluster nothing and let a recovered one idle. */
const WAIT_MS_MAX = 5_000;

/** Repeats the attempt while it fails retryably and there is time; then throws its last error. */
export async function retry<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { forMs, clock, signal, onRetry } = options;
  const endsMs = clock.now() + forMs;
  for (let failures = 0; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof CircletError) || !error.retryable) throw error;
      const waitMs = waitBefore(failures, error.retryAfterMs, clock.random());
      if (clock.now() + waitMs >= endsMs) throw error;
      onRetry?.(error, waitMs);
      await clock.sleep(waitMs, signal);
    }
  }
}

/** Retry-After is the least; the jitter on top keeps those who were told the same second from returning in it. */
export function waitBefore(failures: number, retryAfterMs: number | undefined, random: number): number {
  const jitterMs = random * Math.min(WAIT_MS_MAX, WAIT_MS_FIRST * 2 ** failures);
  return (retryAfterMs ?? 0) + jitterMs;
}
