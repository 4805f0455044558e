/**
 * Everything that can go wrong with a call, a class for each cause. `outcome` is the question a writer asks next:
 * `none`, the write can never appear; `unknown`, it may be stored or appear later; undefined, the call was no write.
 */
export type Outcome = 'none' | 'unknown';

export abstract class CircletError extends Error {
  /** Stable, for scripts and counters. */
  abstract readonly code: string;
  readonly outcome: Outcome | undefined;
  /** The same call may succeed later. Whether it may be repeated is for the caller to know. */
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    facts: { outcome: Outcome | undefined; retryable: boolean; retryAfterMs?: number },
  ) {
    super(message);
    this.name = new.target.name;
    this.outcome = facts.outcome;
    this.retryable = facts.retryable;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

/** What a coordinator said in problem JSON, or what its status said when a proxy answered instead. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly detail: string | undefined;
  readonly traceId: string | undefined;
  readonly outcome: Outcome | undefined;
  readonly need: number | undefined;
  readonly got: number | undefined;
  readonly from: string | undefined;
  readonly reason: string | undefined;
  readonly retryAfterMs: number | undefined;
}

export class ProblemError extends CircletError {
  override readonly code: string;
  readonly status: number;
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(`${problem.code} (${problem.status})${problem.detail === undefined ? '' : `: ${problem.detail}`}`, {
      outcome: problem.outcome,
      retryable: RETRYABLE_STATUS.has(problem.status) || problem.outcome === 'unknown',
      ...(problem.retryAfterMs === undefined ? {} : { retryAfterMs: problem.retryAfterMs }),
    });
    this.code = problem.code;
    this.status = problem.status;
    this.problem = problem;
  }
}

/**
 * 408: the request came too slowly to be read. 502 is not the coordinator's: a proxy says it while a pod behind it
 * restarts.
 */
const RETRYABLE_STATUS = new Set([408, 429, 502, 503, 504]);

/** No coordinator took the request: nothing was sent. */
export class UnreachableError extends CircletError {
  override readonly code = 'unreachable';

  constructor(message: string, outcome: Outcome | undefined) {
    super(message, { outcome, retryable: true });
  }
}

/** The request left and no whole answer came back. */
export class LostAnswerError extends CircletError {
  override readonly code = 'lost_answer';

  constructor(message: string, outcome: Outcome | undefined) {
    super(message, { outcome, retryable: true });
  }
}

/** Whatever answered does not speak the contract: another program on that port, or another version. */
export class UnexpectedAnswerError extends CircletError {
  override readonly code = 'unexpected_answer';

  constructor(message: string, outcome: Outcome | undefined) {
    super(message, { outcome, retryable: false });
  }
}
