import { describe, expect, it } from 'vitest';
import { keyNamed, Story } from '../../story.ts';

/** What makes a pod forget a key that it led writes of, and go on leading. Its disk is taken when it had nothing yet. */
const FORGETTING = {
  'has its disk put back to before the key was written': (story: Story, node: string) => {
    const disk = story.world.backup(node);
    return () => {
      story.world.crash(node);
      story.world.replaceDisk(node, disk);
      story.world.restart(node);
      story.world.run(3_000);
    };
  },
  'finds its row damaged': (story: Story, node: string) => () => story.damage(node),
} as const;

for (const [how, forgetting] of Object.entries(FORGETTING)) {
  describe(`a lead that ${how}`, () => {
    // kv679_dataloss: the coordinating vnode cannot read its row, restarts its clock, and its next write is dropped as old.
    it('loses neither what it wrote before nor what it writes next', () => {
      const story = new Story({ seed: 1 });
      const forget = forgetting(story, story.A);
      for (const value of ['phil', 'bob']) story.written(story.put('p', value, { w: 3 }));
      story.settle();
      forget();
      story.written(story.put('p', 'jon'));
      expect(story.holds(story.A)).toEqual(['jon']);
      story.settle();
      expect(story.found(story.get('q', { r: 2 })).values).toEqual(['bob', 'jon', 'phil']);
      expect(story.doubleDots([story.key])).toEqual([]);
    });

    // kv679_dataloss_fb: as above, and then repaired from fallbacks that know only its first writes: its clock is in the past.
    it('and is repaired from fallbacks that know its first writes only, loses nothing either', () => {
      const story = new Story({ seed: 2 });
      const { world, A, B, C, fallbacks } = story;
      const forget = forgetting(story, A);
      const put = (value: string, context = story.found(story.get('p')).context) =>
        story.written(story.put('p', value, { context }));
      const swap = (leave: readonly string[], come: readonly string[]) => {
        for (const node of leave) world.crash(node);
        for (const node of come) world.restart(node);
        world.run(4_000);
      };
      swap([B, C], []);
      put('jim', story.written(story.put('p', 'bob')));
      // The fallbacks die before they can hand off; the owners never hear of these two from them.
      swap(fallbacks, [B, C]);
      expect([story.holds(B), story.holds(C)]).toEqual([[], []]);
      put('joe', put('jon'));
      swap([B, C], []);
      forget();
      swap([], fallbacks);
      story.found(story.get('p'));
      story.settle();
      expect(story.holds(A)).toEqual(['jim']);
      put('anne');
      swap([], [B, C]);
      story.untilDrained();
      expect(story.found(story.get('q', { r: 2 })).values).toEqual(['anne', 'joe']);
      story.settle();
      expect([story.holds(B), story.holds(C)]).toEqual([
        ['anne', 'joe'],
        ['anne', 'joe'],
      ]);
    });

    // kv679_dataloss_fb2: the row is lost just before a handoff, and older states come in by further ones, the newest last.
    it('while hints of three fallbacks come in, the newest at the end, loses nothing either', () => {
      const story = new Story({ seed: 3, replicas: 2 });
      const { world, A, B, D, E } = story;
      const last = story.fallbacks[2] ?? '';
      const forget = forgetting(story, A);
      world.cut(['p', A, D, E], ['q', B, last]);
      world.run(4_000);
      const alice = story.written(story.put('p', 'alice'));
      world.crash(D);
      const bob = story.written(story.put('p', 'bob', { context: alice }));
      story.written(story.put('p', 'charlie', { context: bob }));
      world.crash(E);
      story.written(story.put('q', 'dave'));
      expect([D, E, last].map((node) => story.holds(node))).toEqual([['alice'], ['charlie'], ['dave']]);
      forget();
      world.heal();
      world.run(4_000);
      expect(story.holds(A)).toEqual(['dave']);
      world.restart(D);
      world.until(() => story.holds(D).length === 0, 10_000);
      const { values, context } = story.found(story.get('p'));
      expect(values).toEqual(['alice', 'dave']);
      story.written(story.put('p', 'emma', { context }));
      world.restart(E);
      world.run(4_000);
      story.untilDrained();
      expect(story.found(story.get('q')).values).toEqual(['charlie', 'emma']);
      expect(story.doubleDots([story.key])).toEqual([]);
    });
  });
}

/** The key was deleted; all but one who has the tombstone forget that there ever was one, as after a reap. */
function doomed(seed: number, keeps: (story: Story) => string) {
  const story = new Story({ seed, storage: 4 });
  const { world, A, B, C, D } = story;
  const keeper = keeps(story);
  const before = new Map(world.storage.map((node) => [node, world.backup(node)]));
  let context = story.written(story.put('p', 'bob', { w: 3 }));
  for (const value of ['phil', 'pete']) context = story.written(story.put('p', value, { context, w: 3 }));
  if (keeper === D) world.crash(C);
  story.written(story.remove('p', { context, w: 3 }));
  story.settle();
  world.crash(keeper);
  const forgetful = keeper === D ? [A, B, C] : [A, B];
  for (const node of forgetful) {
    world.crash(node);
    world.replaceDisk(node, before.get(node) ?? world.backup(node));
    world.restart(node);
  }
  world.run(4_000);
  return { story, keeper };
}

describe('a delete that only one pod still knows of', () => {
  for (const [who, keeps] of [
    ['an owner', (story: Story) => story.C],
    ['a fallback that owes it', (story: Story) => story.D],
  ] as const) {
    // kv679_tombstone, kv679_tombstone2 ("doomstone"): a reaped delete comes back and kills what was written anew since.
    it(`and that is ${who} which was away: it comes back, and the new value stays`, () => {
      const { story, keeper } = doomed(10, keeps);
      story.written(story.put('p', 'jon'));
      story.world.restart(keeper);
      story.world.run(4_000);
      story.untilDrained();
      for (let i = 0; i < 5; i++) {
        expect(story.found(story.get(i % 2 === 0 ? 'p' : 'q', { r: 3 })).values).toEqual(['jon']);
        story.settle();
      }
      expect(story.ownersAgree()).toBe(true);
      expect(
        story
          .stateAt(story.A)
          ?.siblings.map(({ deleted }) => deleted)
          .toSorted(),
      ).toEqual([false, true]);
    });
  }
});

describe('an actor', () => {
  // kv679_uid: two vnodes of one node had the same actor id.
  it('is of one pod, of one life of it, and of one key', () => {
    const story = new Story({ seed: 20 });
    const { world } = story;
    const keys = Array.from({ length: 30 }, (_, i) => keyNamed(`key ${i}`));
    const users = new Map<string, Set<number>>();
    for (let life = 0; life < 3; life++) {
      keys.map((key) => story.put('p', `life ${life}`, { key, w: 3 })).forEach((put) => story.written(put));
      for (const node of world.storage) world.restart(node);
      world.run(4_000);
    }
    keys.forEach((key, i) => {
      const { actors } = story.found(story.get('q', { key, r: 3 })).context.history;
      expect(actors).toHaveLength(3);
      for (const actor of actors) users.set(actor, (users.get(actor) ?? new Set()).add(i));
    });
    expect([...users.values()].filter((of) => of.size > 1)).toEqual([]);
  });
});
