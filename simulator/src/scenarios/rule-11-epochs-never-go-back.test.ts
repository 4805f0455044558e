import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

const epochAt = ({ world }: Story, coordinator: string) =>
  world.coordinator(coordinator).topology?.topology.epoch ?? 0;

describe('an epoch never goes back (rule 11)', () => {
  // Seed 2136 of 83c98fb. The others have gone on while E was away; p knows, and then E is all that it can reach.
  it('in a coordinator that is cut off from all who have gone on, and hears who has not', () => {
    const story = new Story({ seed: 1, storage: 5 });
    const { world, A, E } = story;
    world.isolate(E);
    world.crash(A);
    world.wipe(A);
    world.start(A);
    world.until(() => world.memberState(A) === 'active', 60_000);
    world.run(5_000);
    const epoch = epochAt(story, 'p');
    expect(epoch).toBeGreaterThan(1);
    world.heal();
    const others = world.storage.filter((name) => name !== E);
    world.cut(['p', E], [...others, 'q']);
    const told = world.tap({ from: E, to: 'p', kind: 'topologyTold' }, 'watch');
    // What p says of the epoch is lost, or E would have gone on itself.
    const silent = world.tap({ from: 'p', to: E, kind: 'topologyTold' }, 'drop');
    world.run(30_000);
    expect(told.seen).toBeGreaterThan(0);
    expect(epochAt(story, 'p')).toBe(epoch);
    silent.stop();
    world.heal();
    world.run(10_000);
    expect(epochAt(story, 'p')).toBe(epochAt(story, 'q'));
    expect(world.usable('p')).toHaveLength(5);
    story.written(story.put('p', 'X', { w: 3, sloppy: false }));
  });
});
