import { type Context, emptyContext } from '@circlet/shared/causality/context.ts';
import { decodeState } from '@circlet/shared/causality/state-codec.ts';
import type { NewWrite, Quorum } from './client.ts';
import type { Operation } from './desk.ts';
import { idOf, KEY, QUORUM, ScriptedDesk } from './scripted-desk.case.ts';
import { WriteOperation, type WriteResult } from './write.ts';

/** One write to three owners (a, b, c) and two fallbacks (d, e), whose answers the test gives. */
export interface Writing {
  readonly desk: ScriptedDesk;
  readonly operation: Operation;
  readonly results: WriteResult[];
}

export function begin(
  quorum: Partial<Quorum> = {},
  desk = new ScriptedDesk(),
  write: Partial<NewWrite> = {},
  context: Context = emptyContext,
): Writing {
  const results: WriteResult[] = [];
  const body = Uint8Array.of(1, 2, 3);
  const whole = { ...QUORUM, ...quorum };
  const operation = new WriteOperation({
    id: 1,
    key: KEY,
    quorum: whole,
    write: { writeId: idOf('X'), keyed: false, deleted: false, writtenAtMs: 7, check: 1, body, ...write },
    context,
    deadlineMs: desk.nowMs + whole.timeoutMs,
    done: (_, result) => results.push(result),
  });
  operation.begin(desk);
  return { desk, operation, results };
}

export const failure = ({ results }: Writing) =>
  results.map((result) => (result.kind === 'failed' ? result.failure : result.kind));
export const contexts = ({ results }: Writing) =>
  results.map((result) => (result.kind === 'written' ? result.context : undefined));
export const merges = ({ desk }: Writing) =>
  desk.asked.flatMap(({ node, question }) =>
    question.kind === 'merge' ? [{ node, ...question, state: decodeState(question.state) }] : [],
  );
