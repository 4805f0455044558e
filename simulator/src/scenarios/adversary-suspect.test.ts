import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

/**
 * ADVERSARY. A suspect row is made whole only by a merge from every other owner. With one of them gone for good (and no way
 * yet to replace it), the row stays suspect for ever, whatever is written to it: strict reads with R=2 of three owners,
 * and every "not found", fail although two owners are alive and hold the same bytes.
 */
describe('a damaged row while another owner is gone for good', () => {
  it('does not make the key unreadable for ever', () => {
    const story = new Story({ seed: 1, storage: 3 });
    const { world, A, B, C } = story;
    const context = story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    world.crash(C);
    story.damage(A);
    world.run(3_000);
    // A new write, acknowledged by both.
    const after = story.written(story.put('p', 'W', { context, w: 2 }));
    story.written(story.remove('p', { context: after, w: 2 }));
    for (let i = 0; i < 20; i++) {
      story.answer(story.get('q'));
      world.run(10_000);
    }
    expect(story.row(A)?.digest).toBe(story.row(B)?.digest);
    expect(story.answer(story.get('q')).kind).toBe('read');
  });
});
