import type { Notice } from '@circlet/shared/machine.ts';
import type { Call } from './call.ts';
import { type Problem, type ProblemBody, problemBody, problemReply, statusOf } from './problems.ts';
import type { HeaderFields, Reply } from './reply.ts';
import { traceIdOf } from './trace-id.ts';

/**
 * Where a problem leaves the pod: as an answer to the client and as one line for the operator, under one trace id. The
 * line says what kind of problem it was and never what was sent: no key, value, token or path.
 */
export interface ProblemReporterOptions {
  readonly log: (notice: Notice) => void;
  readonly randomBytes: (n: number) => Uint8Array;
}

export class ProblemReporter {
  private readonly options: ProblemReporterOptions;

  constructor(options: ProblemReporterOptions) {
    this.options = options;
  }

  reply(call: Call, route: string, problem: Problem, headers?: HeaderFields): Reply {
    const traceId = this.traceId(call);
    const { code, reason } = problem;
    const fields = { code, status: statusOf(problem), route, method: call.method, traceId };
    this.options.log({
      level: levelOf(problem),
      event: 'http_problem',
      fields: reason === undefined ? fields : { ...fields, reason },
    });
    return problemReply(problem, traceId, headers);
  }

  /** One line for all that went wrong in a batch: how often each code. */
  batch(call: Call, problems: readonly Problem[]): readonly ProblemBody[] {
    if (problems.length === 0) return [];
    const traceId = this.traceId(call);
    const counts: Record<string, number> = {};
    for (const { code } of problems) counts[code] = (counts[code] ?? 0) + 1;
    const level =
      problems.map(levelOf).toSorted((a, b) => SEVERITY.indexOf(b) - SEVERITY.indexOf(a))[0] ?? 'info';
    this.options.log({ level, event: 'http_batch_problems', fields: { ...counts, traceId } });
    return problems.map((problem) => problemBody(problem, traceId));
  }

  /** Something that must not happen did. The stack goes here, and nowhere else. */
  alarm(event: string, error: unknown): void {
    const stack = error instanceof Error ? (error.stack ?? error.name) : 'not an Error';
    this.options.log({ level: 'alarm', event, fields: { stack } });
  }

  private traceId(call: Call): string {
    return traceIdOf(call.header('traceparent')) ?? freshTraceId(this.options.randomBytes);
  }
}

export function freshTraceId(randomBytes: (n: number) => Uint8Array): string {
  return Buffer.from(randomBytes(16)).toString('hex');
}

const SEVERITY: readonly Notice['level'][] = ['debug', 'info', 'warn', 'alarm'];

function levelOf(problem: Problem): Notice['level'] {
  if (problem.code === 'internal') return 'alarm';
  if (statusOf(problem) >= 500) return 'warn';
  // Ordinary answers of a store.
  return problem.code === 'not_found' || problem.code === 'precondition_failed' ? 'debug' : 'info';
}
