import { unreachable } from '@circlet/shared/assert.ts';
import * as z from 'zod';
import type { Failure, Outcome } from '../core/client.ts';
import type { HeaderFields, Reply } from './reply.ts';

/**
 * Everything that is not a success, as RFC 9457 problem details. The codes are stable and what programs branch on; the
 * details say to a person what happened, what was needed and what to do, and never repeat what the client sent.
 */
export const PROBLEMS = {
  bad_request: { status: 400, title: 'The request is not valid HTTP' },
  invalid_parameter: { status: 400, title: 'A parameter, header or field is not valid' },
  invalid_key: { status: 400, title: 'The bucket or key is not valid' },
  invalid_context: { status: 400, title: 'The causal context is not valid' },
  not_found: { status: 404, title: 'Nothing is here' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  too_many_siblings: { status: 409, title: 'The key has too many concurrent values' },
  change_refused: { status: 409, title: 'The cluster refuses this change of its members' },
  history_full: { status: 409, title: 'The key has been overwritten too often under Idempotency-Keys' },
  precondition_failed: { status: 412, title: 'The precondition does not hold' },
  value_too_large: { status: 413, title: 'The value or body is too large' },
  unsupported_media_type: { status: 415, title: 'The encoding or media type is not supported' },
  idempotency_mismatch: { status: 422, title: 'The Idempotency-Key was used for another request' },
  overloaded: { status: 429, title: 'The cluster is busy' },
  headers_too_large: { status: 431, title: 'The request head is too large' },
  internal: { status: 500, title: 'Something is broken in Circlet' },
  quorum_unavailable: { status: 503, title: 'Too few replicas can be reached' },
  stale_replicas: { status: 503, title: 'The replicas that answered are older than the context' },
  not_ready: { status: 503, title: 'This coordinator does not know the cluster yet' },
  timeout: { status: 504, title: 'The replicas did not answer in time' },
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

export interface Problem {
  readonly code: ProblemCode;
  readonly detail: string;
  /** Where the code allows several. */
  readonly status?: number;
  /** Which of the ways in which this can go wrong. */
  readonly reason?: string;
  readonly need?: number;
  readonly got?: number;
  readonly from?: 'any' | 'owners';
  /** Of a write: whether it may appear later. */
  readonly outcome?: Outcome;
  readonly etag?: string;
  readonly retryAfterMs?: number;
}

export interface ProblemWithHeaders {
  readonly problem: Problem;
  readonly headers: HeaderFields;
}

/** What a handler answers: a reply, or what becomes one when it has been reported. */
export type Handled = Reply | ProblemWithHeaders;

/** A request that will not be done, found while it was read: nothing was sent to any replica. */
export class Refused extends Error {
  override name = 'Refused';
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.code);
    this.problem = problem;
  }
}

export const NOTHING_STORED: Problem = {
  code: 'not_found',
  detail:
    'No value is stored under this key. A context beside this answer names its deletion: send it when the key is created again.',
};

export const NOT_READY: Problem = {
  code: 'not_ready',
  detail:
    'This coordinator has not heard from any storage pod yet. Ask again shortly, or ask another coordinator.',
  retryAfterMs: 1_000,
};

export const problemSchema = z
  .object({
    type: z.string().describe('`urn:circlet:problem:` and the code.'),
    title: z.string(),
    status: z.int(),
    code: z.string().meta({ enum: Object.keys(PROBLEMS) }),
    detail: z.string().describe('For people; its wording may change.'),
    traceId: z.string().describe('Of the `traceparent` that was sent, else of this answer alone.'),
    reason: z.string().optional().describe('A finer code.'),
    need: z.int().optional().describe('Replicas that were needed.'),
    got: z.int().optional().describe('Replicas that could be had.'),
    from: z.enum(['any', 'owners']).optional().describe('Whether only owners of the key count.'),
    outcome: z
      .enum(['none', 'unknown'])
      .optional()
      .describe(
        'Of a write. `none`: it can never appear. `unknown`: some replica may hold it, and it may appear later.',
      ),
    etag: z.string().optional().describe('The tag of what is there, when a precondition failed.'),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' });

export type ProblemBody = z.infer<typeof problemSchema>;

export function statusOf({ code, status }: Problem): number {
  return status ?? PROBLEMS[code].status;
}

export function problemBody(problem: Problem, traceId: string): ProblemBody {
  const { code, detail, status: _status, retryAfterMs: _retryAfterMs, ...rest } = problem;
  return {
    type: `urn:circlet:problem:${code}`,
    title: PROBLEMS[code].title,
    status: statusOf(problem),
    code,
    detail,
    traceId,
    ...rest,
  };
}

export function problemReply(problem: Problem, traceId: string, headers: HeaderFields = {}): Reply {
  const all: HeaderFields = {
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store',
    ...headers,
  };
  if (problem.retryAfterMs !== undefined)
    all['Retry-After'] = `${Math.max(1, Math.ceil(problem.retryAfterMs / 1000))}`;
  return { status: statusOf(problem), headers: all, body: JSON.stringify(problemBody(problem, traceId)) };
}

/** The one mapping from what the coordinator says to what a client is told. */
export function problemOf(failure: Failure, request: 'get' | 'write'): Problem {
  const problem = explain(failure);
  const status = statusOf(problem);
  // A write that failed with a 5xx says what may still become of it; where nobody knows, that is the answer.
  if (request === 'write' && status >= 500 && problem.outcome === undefined)
    return { ...problem, outcome: 'unknown' };
  return problem;
}

function explain(failure: Failure): Problem {
  switch (failure.code) {
    case 'quorum_unavailable':
    case 'timeout': {
      const { code, need, got, from, outcome } = failure;
      const who = from === 'owners' ? 'owners of this key' : 'replicas';
      const what =
        code === 'timeout'
          ? `${need} ${who} had to answer within the timeout, and ${got} did.`
          : `${need} ${who} were needed, and ${got} could be had.`;
      return { code, detail: `${what} ${nextStep(outcome)}`, need, got, from, ...known(outcome) };
    }
    case 'stale_replicas':
      return {
        code: 'stale_replicas',
        detail:
          'The replicas that could be asked have not seen everything that the context names. Ask again shortly, or without Circlet-Context if an older value will do.',
      };
    case 'precondition_failed':
      return {
        code: 'precondition_failed',
        detail:
          'What is stored is not what If-Match or If-None-Match asks for; nothing was written. Get the key and decide anew.',
        ...(failure.etag === undefined ? {} : { etag: failure.etag }),
      };
    case 'too_many_siblings':
      return {
        code: 'too_many_siblings',
        detail:
          'The key has as many concurrent values as are allowed; nothing was written. Get the key, merge the values, and put the result with the Circlet-Context of that get.',
      };
    case 'history_full':
      return {
        code: 'history_full',
        detail:
          'The key remembers as many writes made under Idempotency-Keys as it can; nothing was written. Delete it, and write it without an Idempotency-Key from then on; or use another key.',
      };
    case 'idempotency_mismatch':
      return {
        code: 'idempotency_mismatch',
        detail:
          'This Idempotency-Key was used on this key with another body, type, metadata or context; nothing was written. Use a fresh one for every new write.',
      };
    case 'overloaded': {
      // 4xx promises that nothing happened; a write that might have is a 503.
      const status = failure.outcome === 'unknown' ? 503 : 429;
      const detail = `Too much is under way; ask again after the time in Retry-After. ${nextStep(failure.outcome)}`;
      return {
        code: 'overloaded',
        status,
        detail,
        ...known(failure.outcome),
        retryAfterMs: failure.retryAfterMs,
      };
    }
    case 'internal':
      return {
        code: 'internal',
        detail: `A replica or this coordinator failed in a way it should not. Please report it with the traceId. ${nextStep(failure.outcome)}`,
        ...known(failure.outcome),
      };
    default:
      return unreachable(failure);
  }
}

function known(outcome: Outcome | undefined): { readonly outcome?: Outcome } {
  return outcome === undefined ? {} : { outcome };
}

function nextStep(outcome: Outcome | undefined): string {
  switch (outcome) {
    case undefined:
      return 'Nothing was changed: ask again.';
    case 'none':
      return 'Nothing was sent, so the write can never appear: send it again.';
    case 'unknown':
      return 'The write may be on some replica and may appear later: read the key, or send the same write again with the same Idempotency-Key.';
    default:
      return unreachable(outcome);
  }
}
