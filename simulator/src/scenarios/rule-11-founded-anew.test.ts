import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

/** All disks are wiped and a cluster of the same name is founded on them, at epoch 1 again; `stays` keeps running. */
function foundedAnew(story: Story, stays: readonly string[]): void {
  const { world } = story;
  for (const id of world.storage) world.crash(id);
  for (const id of world.storage) world.wipe(id);
  const others = world.coordinators.filter((id) => !stays.includes(id));
  for (const id of others) world.crash(id);
  for (const id of [...world.storage, ...others]) world.start(id);
  world.run(10_000);
}

describe('a cluster that is founded anew (rule 11)', () => {
  it('is not stopped by a coordinator that knows the old one, which learns the new one', () => {
    const story = new Story({ seed: 1, storage: 3 });
    const { world } = story;
    // It would learn the new one from echoes, before it is asked anything.
    const told = world.tap({ to: 'p', kind: 'topologyTold' }, 'drop');
    foundedAnew(story, ['p']);
    expect(world.usable('q')).toHaveLength(3);
    story.written(story.put('q', 'X'));
    story.answer(story.get('p', { timeoutMs: 500 }));
    expect(told.seen).toBeGreaterThan(0);
    told.stop();
    world.run(5_000);
    expect(world.usable('q')).toHaveLength(3);
    story.written(story.put('q', 'Y'));
    expect(world.coordinator('p').topology?.digest).toBe(world.coordinator('q').topology?.digest);
    expect(story.found(story.get('p')).values).toEqual(['X', 'Y']);
    expect(world.noticesOf('topology_conflict')).toBe(0);
  });

  it('is found by a coordinator that knows the old one, though nobody asks it for anything', () => {
    const story = new Story({ seed: 2, storage: 3 });
    foundedAnew(story, ['p', 'q']);
    story.world.run(5_000);
    story.written(story.put('p', 'X'));
    expect(story.found(story.get('q')).values).toEqual(['X']);
  });

  it('is not stopped by frames that its pods sent in the old one', () => {
    const story = new Story({ seed: 3, storage: 3 });
    const { world } = story;
    const old = (['swim', 'merge'] as const).map((kind) => world.tap({ kind }, 'watch'));
    story.written(story.put('p', 'old'));
    world.run(3_000);
    for (const tap of old) expect(tap.seen).toBeGreaterThan(0);
    foundedAnew(story, []);
    for (let i = 0; i < 20; i++) {
      for (const tap of old) tap.replay();
      world.run(500);
    }
    expect(world.usable('p')).toHaveLength(3);
    expect(world.noticesOf('topology_conflict')).toBe(0);
    story.written(story.put('p', 'new'));
    expect(story.found(story.get('q')).values).toEqual(['new']);
  });
});
