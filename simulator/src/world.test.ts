import { describe, expect, it } from 'vitest';
import { Story } from './story.ts';

describe('a world', () => {
  it('starts, and a put is read back through the other coordinator', () => {
    const story = new Story({ seed: 1 });
    const context = story.written(story.put('p', 'X'));
    expect(context.writes).toHaveLength(1);
    expect(story.found(story.get('q')).values).toEqual(['X']);
    console.log(story.world.nowMs, story.world.trace.events, story.owners, story.fallbacks);
  });

  it('does the same things again with the same seed, and others with another', () => {
    const digest = (seed: number) => {
      const story = new Story({ seed });
      story.written(story.put('p', 'X'));
      story.world.crash(story.A);
      story.written(story.put('q', 'Y'));
      story.world.restart(story.A);
      story.settle();
      return story.world.trace.digest;
    };
    expect(digest(7)).toBe(digest(7));
    expect(digest(7)).not.toBe(digest(8));
  });
});
