import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

/**
 * ADVERSARY. A DELETE without a context that reads a tombstone says 204, "nothing is there". But the tombstone may be on one
 * owner alone: an earlier attempt's, of unknown outcome. The value is still on the others, nobody has promised W copies of
 * its deletion, and the read repair that follows is not waited for.
 */
describe('a DELETE that is told 204', () => {
  it('survives the loss of one disk (W=2)', () => {
    const story = new Story({ seed: 1, storage: 3 });
    const { world, A, B, C } = story;
    const context = story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    // The first attempt reaches A alone, and the client is told that its outcome is unknown.
    const lost = world.tap({ to: [B, C], kind: 'merge' }, 'drop');
    expect(story.failed(story.remove('p', { context, timeoutMs: 1_000 }))).toMatchObject({
      outcome: 'unknown',
    });
    // So it asks again, and is told that it is done.
    expect(story.answer(story.remove('q', { sloppy: false, w: 2, r: 2 })).kind).toBe('nothing');
    // A's disk is lost for good, and the repair with the coordinator that would have made it.
    world.crash('q');
    world.crash(A);
    world.run(3_000);
    lost.stop();
    expect(story.found(story.get('p', { sloppy: false })).values).toEqual([]);
  });
});
