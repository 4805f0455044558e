import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

/** ADVERSARY. A coordinator, which is no member and can hold a document that no disk has any more, stops every storage pod. */
describe('a coordinator with a topology of a cluster that was wiped', () => {
  it('does not stop the cluster that was founded after it', () => {
    const story = new Story({ seed: 1, storage: 3 });
    const { world } = story;
    for (const id of world.storage) world.crash(id);
    for (const id of world.storage) world.wipe(id);
    // q restarts with the storage pods, p does not.
    world.crash('q');
    for (const id of world.storage) world.start(id);
    world.start('q');
    world.run(10_000);
    expect(world.usable('q').length).toBe(3);
    story.written(story.put('q', 'X'));
    // One request of somebody else through p.
    story.answer(story.get('p', { timeoutMs: 500 }));
    world.run(5_000);
    expect(world.usable('q').length).toBe(3);
    story.written(story.put('q', 'Y'));
  });
});

/** ADVERSARY. A lead with a suspect row begins an actor for each write, until somebody reads. */
describe('a key that is written and never read, with a damaged row at its lead', () => {
  it('has a history that stays small', () => {
    const story = new Story({ seed: 1, storage: 3 });
    const { A } = story;
    let context = story.written(story.put('p', 'first'));
    story.damage(A);
    for (let i = 0; i < 300; i++) context = story.written(story.put('p', `v${i}`, { context }));
    expect(story.stateAt(A)?.history.actors.length).toBeLessThan(10);
  });
});
