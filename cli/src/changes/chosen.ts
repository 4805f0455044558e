import type { Committed } from '../client/admin.ts';
import { CircletError, UnreachableError } from '../client/errors.ts';
import { EXIT } from '../exit-codes.ts';
import { Failure } from '../failure.ts';

/** Waits until what was proposed is chosen. A commit that is sent again is the same change, so every doubt is asked away. */
export interface Patience {
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

const POLL_MS = 500;
const WITHIN_MS = 60_000;

export async function untilChosen(
  attempt: () => Promise<Committed>,
  { now, sleep }: Patience,
): Promise<Extract<Committed, { status: 'chosen' }>> {
  const endsMs = now() + WITHIN_MS;
  for (let isFirst = true; ; isFirst = false) {
    try {
      const answer = await attempt();
      if (answer.status === 'chosen') return answer;
    } catch (error) {
      if (!(error instanceof CircletError) || !error.retryable || now() >= endsMs) throw error;
      // Nobody is there, and nothing is under way: waiting would only hide it.
      if (isFirst && error instanceof UnreachableError) throw error;
    }
    if (now() >= endsMs) {
      throw new Failure(
        `the change is proposed, and was not chosen within ${WITHIN_MS / 1_000} s: it takes a majority of the members ("circlet status" shows which are down). ${OPEN}`,
        EXIT.unavailable,
      );
    }
    await sleep(POLL_MS);
  }
}

export const OPEN = 'It may be chosen yet: run the same command again.';
