import { retry } from '../retry.ts';
import { systemClock } from '../system-clock.ts';

const NEVER = new AbortController().signal;

/** Repeats a single call for as long as `--retry-for` says. Ctrl-C ends the process, and the wait with it. */
export async function patiently<T>(attempt: () => Promise<T>, forMs: number): Promise<T> {
  return await retry(attempt, { forMs, clock: systemClock, signal: NEVER });
}
