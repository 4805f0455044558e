import { expect, test } from 'vitest';
import type { Committed } from '../client/admin.ts';
import { LostAnswerError, UnreachableError } from '../client/errors.ts';
import { EXIT } from '../exit-codes.ts';
import { untilChosen } from './chosen.ts';

const proposed: Committed = { status: 'proposed', digest: 'd' };
const chosen: Committed = { status: 'chosen', digest: 'd', epoch: 8 };

/** Answers in order, the last for ever, and a clock that only sleeping moves. */
function script(...answers: (Committed | Error)[]) {
  let ms = 0;
  const attempt = async (): Promise<Committed> => {
    const next = (answers.length > 1 ? answers.shift() : answers[0]) ?? proposed;
    if (next instanceof Error) throw next;
    return await Promise.resolve(next);
  };
  const patience = {
    now: () => ms,
    sleep: async (forMs: number) => {
      ms += forMs;
      await Promise.resolve();
    },
  };
  return { done: untilChosen(attempt, patience), passed: () => ms };
}

test('every doubt is asked away', async () => {
  const lost = new LostAnswerError('lost', undefined);
  const gone = new UnreachableError('gone', undefined);
  const { done, passed } = script(lost, gone, proposed, chosen);
  expect(await done).toEqual(chosen);
  expect(passed()).toBe(1_500);
});

test('nobody there at first is told at once', async () => {
  const { done, passed } = script(new UnreachableError('gone', undefined), chosen);
  await expect(done).rejects.toThrow('gone');
  expect(passed()).toBe(0);
});

test('it does not wait for ever, and does not say that the change failed', async () => {
  const { done, passed } = script(proposed);
  await expect(done).rejects.toMatchObject({
    exit: EXIT.unavailable,
    message: expect.stringContaining('It may be chosen yet: run the same command again.'),
  });
  expect(passed()).toBe(60_000);
  const lost = script(proposed, new LostAnswerError('lost', undefined));
  await expect(lost.done).rejects.toThrow('lost');
  expect(lost.passed()).toBe(60_000);
});
