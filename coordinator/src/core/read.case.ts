import type { Context } from '@circlet/shared/causality/context.ts';
import { decodeState } from '@circlet/shared/causality/state-codec.ts';
import type { Quorum } from './client.ts';
import type { Operation } from './desk.ts';
import { ReadOperation, type ReadResult } from './read.ts';
import { KEY, lettersIn, QUORUM, ScriptedDesk, sibling, stateWith } from './scripted-desk.case.ts';

/** One read of three owners (a, b, c) and two fallbacks (d, e), whose answers the test gives. */
export interface Reading {
  readonly desk: ScriptedDesk;
  readonly operation: Operation;
  readonly results: ReadResult[];
}

export function begin(quorum: Partial<Quorum> = {}, desk = new ScriptedDesk(), atLeast?: Context): Reading {
  const results: ReadResult[] = [];
  const whole = { ...QUORUM, ...quorum };
  const operation = new ReadOperation({
    id: 1,
    key: KEY,
    quorum: whole,
    atLeast,
    deadlineMs: desk.nowMs + whole.timeoutMs,
    done: (_, result) => results.push(result),
  });
  operation.begin(desk);
  return { desk, operation, results };
}

/** What was answered: letters of the siblings, or the code of the failure. */
export const answers = ({ results }: Reading) =>
  results.map((result) =>
    result.kind === 'read' ? lettersIn(result.reading.state).join('') : result.failure.code,
  );
export const failures = ({ results }: Reading) =>
  results.map((result) => (result.kind === 'failed' ? result.failure : 'read'));
export const merges = ({ desk }: Reading) =>
  desk.asked.flatMap(({ node, question }) =>
    question.kind === 'merge' ? [{ node, ...question, state: decodeState(question.state) }] : [],
  );
export const repaired = (reading: Reading) =>
  merges(reading).map(({ node, state }) => `${node} ${lettersIn(state).join('')}`);

export const X = stateWith(sibling('X', 'a'));
export const Y = stateWith(sibling('Y', 'b'));
export const XY = stateWith(sibling('X', 'a'), sibling('Y', 'b'));
