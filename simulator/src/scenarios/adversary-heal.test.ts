import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

/**
 * ADVERSARY. A suspect row counts as whole again after a merge from every other owner. But a write that it acknowledged
 * before it was damaged may still be on its way to them: A led U and answered, its row is damaged, a read heals it from B
 * and C, which do not have U yet, and then C gets it. U is acknowledged by A and C; A does not have it, and vouches.
 */
describe('a damaged row that was healed', () => {
  it('does not vouch without a write that it acknowledged', () => {
    const story = new Story({ seed: 1, storage: 3 });
    const { world, A, B, C } = story;
    const strict = { sloppy: false };
    story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    const toB = world.tap({ from: 'p', to: B, kind: 'merge' }, 'drop');
    const toC = world.tap({ from: 'p', to: C, kind: 'merge' }, 'hold');
    const call = story.put('p', 'U', strict);
    world.until(() => toC.seen > 0, 1_000);
    expect(story.holds(A)).toEqual(['U', 'V']);
    story.damage(A);
    story.found(story.get('q', strict));
    world.run(100);
    expect([story.row(A)?.suspect, story.holds(A)]).toEqual([false, ['V']]);
    toC.release();
    story.written(call);
    toB.stop();
    // Both writes and this read are strict, with R + W > N.
    world.isolate(C);
    world.run(3_000);
    expect(story.found(story.get('q', strict)).values).toContain('U');
  });
});
