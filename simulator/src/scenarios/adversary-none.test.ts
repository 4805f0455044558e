import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

/**
 * ADVERSARY. `Coordinator.refused` asks `mayBeDone` only when it asks again. A lead request that was asked again because
 * of a clock (`expired`), was done by a life that died before it answered, and whose copy meets the next life, comes back
 * as the second "not our view" refusal: it goes to `setBack('wrong_boot')`, and `isUndone` calls that undone.
 */
describe('an attempt that a dead life may have done', () => {
  it('is never called "none"', () => {
    const story = new Story({ seed: 1, storage: 3, replicas: 1 });
    const { world, A } = story;
    // A's clock leaps: the first request is refused as expired, and asked again with the right deadline.
    world.jump(A, 20_000);
    let leads = 0;
    const isSecond = () => ++leads === 2;
    world.tap({ from: 'p', to: A, kind: 'lead' }, { copyAfterMs: 40 });
    world.crashOn(A, { kind: 'lead', where: isSecond }, 'afterCommit');
    const call = story.put('p', 'X', { sloppy: false, w: 1, timeoutMs: 4_000 });
    world.until(() => !world.isRunning(A), 1_000);
    expect(story.holds(A)).toEqual(['X']);
    world.start(A);
    const answer = story.answer(call);
    story.settle(3_000);
    const { values } = story.found(story.get('q', { r: 1 }));
    expect({ answer, values }).not.toMatchObject({ answer: { failure: { outcome: 'none' } }, values: ['X'] });
  });
});
