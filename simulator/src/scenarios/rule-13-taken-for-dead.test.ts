import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

const strict = { sloppy: false, w: 2, r: 2, timeoutMs: 1_000 };

/** V is on A, B and C, and then A and C are cut off from the others, with q. */
function cutOff(story: Story, ...alsoHere: readonly string[]) {
  const { world, A, B, C, D, E } = story;
  const context = story.written(story.put('p', 'V', { w: 3, sloppy: false }));
  story.settle();
  world.cut([A, C, 'q'], [B, D, E, 'p', ...alsoHere]);
  world.run(60_000);
  return context;
}

/**
 * B, D and E are enough to choose that A has another disk; C has not heard of it, and reads with the old one go on there. A
 * write that the new disk and B have must not count as one that two owners have: R + W > N would not hold.
 */
describe('a strict write while a member is replaced that others only take for dead (rule 13, found by a review)', () => {
  it('does not count one that an operator has take its place', () => {
    const story = new Story({ seed: 6, storage: 5 });
    const { world, A, B } = story;
    world.addStorage('n9', 'n9');
    world.start('n9');
    world.run(3_000);
    const context = cutOff(story, 'n9');
    expect(world.change(B, { verb: 'replace', names: [A, 'n9'] })).toBeUndefined();
    world.run(5_000);
    expect(story.failed(story.put('p', 'W', { ...strict, context }))).toMatchObject({ need: 2, got: 1 });
    expect(story.found(story.get('q', strict)).values).toEqual(['V']);
  });

  it('does not count a second pod of its name, with an empty disk', () => {
    const story = new Story({ seed: 7, storage: 5 });
    const { world, A, C } = story;
    const context = cutOff(story);
    world.addStorage('twin', A);
    world.cut('twin', [A, C, 'q']);
    world.start('twin');
    world.run(20_000);
    expect(story.failed(story.put('p', 'W', { ...strict, context }))).toMatchObject({ need: 2, got: 1 });
    expect(story.found(story.get('q', strict)).values).toEqual(['V']);
  });

  it('counts the new disk again when it is full, for all other owners have heard of it then', () => {
    const story = new Story({ seed: 8, storage: 5 });
    const { world, A, B, C } = story;
    story.written(story.put('p', 'V', { w: 3, sloppy: false }));
    world.crash(A);
    world.wipe(A);
    world.start(A);
    world.until(() => world.memberState(A) === 'active', 60_000);
    world.run(3_000);
    world.isolate(C);
    story.written(story.put('p', 'W', strict));
    expect([story.holds(A), story.holds(B)]).toEqual([
      ['V', 'W'],
      ['V', 'W'],
    ]);
  });
});
