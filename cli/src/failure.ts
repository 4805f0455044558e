import {
  CircletError,
  LostAnswerError,
  type Problem,
  ProblemError,
  UnexpectedAnswerError,
  UnreachableError,
} from './client/errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { plural } from './human.ts';

/** What a command ends with when it cannot do its work: one line, and an exit code. */
export class Failure extends Error {
  override name = 'Failure';
  readonly exit: ExitCode;

  constructor(message: string, exit: ExitCode) {
    super(message);
    this.exit = exit;
  }
}

export function usageFailure(message: string): Failure {
  return new Failure(message, EXIT.usage);
}

/** Runs the work; what the client throws becomes a line that says what happened, what was needed and what to do. */
export async function explaining<T>(doing: string, work: Promise<T>, repeatHint = ''): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof CircletError) throw explain(doing, error, repeatHint);
    throw error;
  }
}

export function explain(doing: string, error: CircletError, repeatHint = ''): Failure {
  const trace = error instanceof ProblemError ? error.problem.traceId : undefined;
  const parts = [
    `cannot ${doing}: ${reasonOf(error)}.`,
    outcomeOf(error, repeatHint),
    adviceOf(error),
    trace === undefined ? '' : `[trace ${trace}]`,
  ];
  return new Failure(parts.filter((part) => part !== '').join(' '), exitOf(error));
}

/** What happened, without advice: also the text of a failed record. */
export function reasonOf(error: CircletError): string {
  if (error instanceof UnreachableError) return `no coordinator could be reached (${error.message})`;
  if (error instanceof LostAnswerError) return `the answer was lost (${error.message})`;
  if (error instanceof UnexpectedAnswerError)
    return `not an answer of the Circlet HTTP API (${error.message})`;
  if (!(error instanceof ProblemError)) return error.message;
  const { code, status, reason, detail } = error.problem;
  const head = `${code} (${status}${reason === undefined ? '' : `, ${reason}`})`;
  const said = detail === undefined ? needed(error.problem) : detail.trim().replace(/\.$/, '');
  return said === '' ? head : `${head}: ${said}`;
}

function needed({ need, got, from }: Problem): string {
  if (need === undefined || got === undefined) return '';
  return `needed ${plural(need, 'replica')}${from === 'owners' ? ' among the owners' : ''}, got ${got}`;
}

function outcomeOf(error: CircletError, repeatHint: string): string {
  if (error.outcome === 'unknown')
    return `The write may have happened, or appear later.${repeatHint && ` ${repeatHint}`}`;
  const isSaid =
    error instanceof ProblemError && /nothing was (sent|written)/i.test(error.problem.detail ?? '');
  return error.outcome === 'none' && !isSaid ? 'Nothing was written.' : '';
}

/** What this command can do about it, whatever the coordinator said. */
const OPTIONS: Readonly<Record<string, string>> = {
  unreachable: 'Start the cluster, or name a coordinator with --url or CIRCLET_URL.',
  unexpected_answer: 'Check that --url names a Circlet coordinator.',
  overloaded: 'With --retry-for 30s this command asks again by itself.',
  quorum_unavailable: '"circlet status" shows which nodes are down.',
  timeout: '--timeout allows more.',
};

/** What to do, from a coordinator that left it out; usually its detail ends with that. */
const ADVICE: Readonly<Record<string, string>> = {
  invalid_context: 'Use the context that a get of this very key printed.',
  value_too_large: 'Store less under one key, or raise the limit of the cluster.',
  too_many_siblings: 'Read the key and write the resolved value with --context.',
  stale_replicas: 'Try again: the replicas that are reachable have not caught up.',
  idempotency_mismatch: 'Use another --idempotency-key for another write.',
  precondition_failed: 'Read the key again and decide anew.',
  internal: 'This is a bug of the cluster; report it.',
};

function adviceOf(error: CircletError): string {
  const advised = error instanceof ProblemError && error.problem.detail !== undefined;
  return OPTIONS[error.code] ?? (advised ? '' : ADVICE[error.code]) ?? '';
}

const UNAVAILABLE_STATUS = new Set([408, 429, 502, 503, 504]);

export function exitOf(error: CircletError): ExitCode {
  if (error.outcome === 'unknown') return EXIT.unavailable;
  if (error instanceof UnreachableError || error instanceof LostAnswerError) return EXIT.unavailable;
  if (!(error instanceof ProblemError)) return EXIT.failure;
  if (UNAVAILABLE_STATUS.has(error.status)) return EXIT.unavailable;
  if (error.status === 412) return EXIT.precondition;
  return error.status === 400 ? EXIT.usage : EXIT.failure;
}

/** Errors of files and pipes, in the words of `cat` rather than of Node. */
export function fileFailure(doing: string, error: unknown): Failure {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const why = FILE_REASONS[code] ?? (error instanceof Error ? error.message : String(error));
  return new Failure(`cannot ${doing}: ${why}.`, EXIT.failure);
}

const FILE_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EISDIR: 'it is a directory',
  ENOTDIR: 'part of the path is not a directory',
  ENOSPC: 'no space left on the device',
  EROFS: 'the file system is read-only',
};
