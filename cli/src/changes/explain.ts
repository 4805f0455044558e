import { CircletError, ProblemError } from '../client/errors.ts';
import { Failure, exitOf, reasonOf } from '../failure.ts';

/** The same line as for other commands, with what an operator of members can do. */
export async function explainingChange<T>(doing: string, work: Promise<T>, unsettled = ''): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof CircletError)) throw error;
    const trace = error instanceof ProblemError ? error.problem.traceId : undefined;
    const isOpen = unsettled !== '' && error.retryable;
    const parts = [
      `cannot ${doing}: ${reasonOf(error)}.`,
      isOpen ? unsettled : (ADVICE[error.code] ?? ''),
      trace === undefined ? '' : `[trace ${trace}]`,
    ];
    throw new Failure(parts.filter((part) => part !== '').join(' '), exitOf(error));
  }
}

const WHERE = 'Name the admin listener of a coordinator (its --admin-listen) with --admin or CIRCLET_ADMIN.';

/** Where the coordinator's own words do not end with what to do. */
const ADVICE: Readonly<Record<string, string>> = {
  unreachable: WHERE,
  lost_answer: 'Run it again.',
  unexpected_answer: WHERE,
  not_found: WHERE,
  http_404: WHERE,
};
