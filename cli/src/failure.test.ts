import { expect, test } from 'vitest';
import { ProblemError, UnreachableError } from './client/errors.ts';
import { problemFrom } from './client/problem.ts';
import { explain } from './failure.ts';

function told(status: number, said: Record<string, unknown>, isWrite = true): string {
  return explain('write b/k', new ProblemError(problemFrom(said, status, isWrite, undefined)), 'Do it again.')
    .message;
}

test('what the coordinator says in full is not said again', () => {
  expect(
    told(412, {
      code: 'precondition_failed',
      detail: 'It does not hold; nothing was written. Decide anew.',
      traceId: 't',
    }),
  ).toBe(
    'cannot write b/k: precondition_failed (412): It does not hold; nothing was written. Decide anew. [trace t]',
  );
  expect(
    told(503, { code: 'quorum_unavailable', detail: '2 were needed.', need: 2, got: 1, outcome: 'none' }),
  ).toBe(
    'cannot write b/k: quorum_unavailable (503): 2 were needed. Nothing was written. "circlet status" shows which nodes are down.',
  );
});

test('what it leaves out is added', () => {
  expect(told(412, { code: 'precondition_failed' })).toBe(
    'cannot write b/k: precondition_failed (412). Nothing was written. Read the key again and decide anew.',
  );
  expect(
    told(503, { code: 'quorum_unavailable', need: 2, got: 1, from: 'owners', outcome: 'none' }),
  ).toContain('needed 2 replicas among the owners, got 1.');
  expect(told(400, { code: 'invalid_context', reason: 'foreign' })).toContain(
    'invalid_context (400, foreign).',
  );
});

test('an unknown outcome is told with how to find out, a read has no outcome', () => {
  expect(told(504, { code: 'timeout', outcome: 'unknown' })).toBe(
    'cannot write b/k: timeout (504). The write may have happened, or appear later. Do it again. --timeout allows more.',
  );
  expect(told(504, { code: 'timeout' }, false)).toBe(
    'cannot write b/k: timeout (504). --timeout allows more.',
  );
  expect(explain('read b/k', new UnreachableError('a: refused', undefined)).message).not.toContain('written');
});

test.each([
  [400, 'invalid_key', 2],
  [401, 'unauthorized', 1],
  [408, 'request_timeout', 5],
  [409, 'too_many_siblings', 1],
  [412, 'precondition_failed', 7],
  [413, 'value_too_large', 1],
  [422, 'idempotency_mismatch', 1],
  [429, 'overloaded', 5],
  [503, 'stale_replicas', 5],
  [504, 'timeout', 5],
])('%i %s ends with %i', (status, code, exit) => {
  const problem = problemFrom({ code }, status, true, undefined);
  expect(explain('write b/k', new ProblemError(problem)).exit).toBe(exit);
});
