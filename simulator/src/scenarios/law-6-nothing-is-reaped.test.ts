import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';
import { DAY_MS } from '../world.ts';

/** Every pod in its next life, a year later. */
function aYearPasses({ world }: Story): void {
  const later = { monoMs: 0, wallMs: 1.8e12 + 365 * DAY_MS };
  for (const id of [...world.storage, ...world.coordinators]) world.restart(id, later);
  world.run(3_000);
}

/** X was read and deleted, and everything that was under way has arrived. */
function deleted(story: Story): void {
  const { context } = story.found(story.get('p'));
  story.written(story.remove('q', { context, w: 3 }));
  story.settle();
}

describe('nothing leaves a key state, as long as there are no reap rounds (law 6)', () => {
  it('so that a disk from before the delete brings nothing back', () => {
    const story = new Story({ seed: 1 });
    const { world, A, owners } = story;
    story.written(story.put('p', 'X', { w: 3 }));
    story.settle();
    const yesterday = world.backup(A);
    deleted(story);
    world.crash(A);
    world.replaceDisk(A, yesterday);
    aYearPasses(story);
    expect(story.holds(A)).toEqual(['X']);
    expect(story.found(story.get('p', { r: 3 })).values).toEqual([]);
    story.settle();
    for (const node of owners) expect(story.stateAt(node)?.siblings).toMatchObject([{ deleted: true }]);
  });

  it('nor does a hint that its holder kept through all of that', () => {
    const story = new Story({ seed: 2 });
    const { world, A, D, owners } = story;
    world.crash(A);
    story.written(story.put('p', 'X', { w: 3 }));
    expect(story.holds(D)).toEqual(['X']);
    const disk = world.backup(D);
    world.restart(A);
    world.run(3_000);
    story.untilDrained();
    deleted(story);
    // What D had when it was cut off.
    world.crash(D);
    world.replaceDisk(D, disk);
    aYearPasses(story);
    story.untilDrained();
    for (const node of owners) expect(story.holds(node)).toEqual([]);
    expect(story.found(story.get('p', { r: 3 })).values).toEqual([]);
  });

  it('and a key that is written anew keeps its new value, whatever comes back of the old one', () => {
    const story = new Story({ seed: 3 });
    const { world, B } = story;
    story.written(story.put('p', 'X', { w: 3 }));
    story.settle();
    const yesterday = world.backup(B);
    deleted(story);
    aYearPasses(story);
    story.written(story.put('p', 'Y', { w: 3 }));
    world.crash(B);
    world.replaceDisk(B, yesterday);
    world.restart(B);
    world.run(3_000);
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['Y']);
    story.settle();
    expect(story.ownersAgree()).toBe(true);
  });
});
