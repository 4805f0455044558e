import { describe, expect, it } from 'vitest';
import { keyNamed, Story } from '../../story.ts';

describe('a handoff out of a store with damaged rows', () => {
  // verify_corruption_filtering: bad data is not handed off, and does not hold up the good data behind it.
  it('hands over what is whole, nothing else, and is not held up', () => {
    const story = new Story({ seed: 1, storage: 4 });
    const { world, A } = story;
    world.crash(A);
    world.run(3_000);
    const keys = Array.from({ length: 100 }, (_, i) => keyNamed(`key ${i}`));
    for (const put of keys.map((key) => story.put('p', 'X', { key, w: 3 }))) story.written(put);
    story.settle();
    const owed = keys.filter((key) => story.ownersOf(key).includes(A));
    const holder = (key: (typeof keys)[0]) => story.preferences(key).fallbacks[0] ?? '';
    const bad = owed.filter((_, i) => i % 7 === 0);
    const good = owed.filter((_, i) => i % 7 !== 0);
    for (const key of bad) story.damage(holder(key), 'hints', key);
    world.restart(A);
    world.run(5_000);
    for (const key of good) expect(story.holds(A, key)).toEqual(['X']);
    for (const key of bad) expect(story.row(A, 'rows', key)).toBeUndefined();
    // They stay where they are, for somebody to see.
    expect(story.hints()).toBe(bad.length);
    // The other owners have what was lost there, and a read brings it.
    for (const key of bad) expect(story.found(story.get('q', { key, r: 2 })).values).toEqual(['X']);
    story.settle();
    for (const key of bad) expect(story.ownersAgree(key)).toBe(true);
  });

  // verify_corruption_filtering: the receiver's row is the bad one.
  it('into a damaged row does not make that row vouch, and loses neither side', () => {
    const story = new Story({ seed: 2, storage: 4 });
    const { world, A, B, C } = story;
    story.written(story.put('p', 'X', { w: 3 }));
    story.settle();
    world.cut('p', A);
    world.run(3_000);
    story.written(story.put('p', 'Y', { w: 3 }));
    const pages = world.tap({ kind: 'hintPage' }, 'hold');
    world.run(2_000);
    story.damage(A);
    pages.release();
    story.untilDrained();
    expect([story.isSuspect(A), story.holds(A)]).toEqual([true, ['Y']]);
    world.heal();
    world.run(3_000);
    for (const other of [B, C]) {
      world.cut('q', other);
      world.run(4_000);
      expect(story.failed(story.get('q', { sloppy: false }))).toMatchObject({ need: 2, got: 1 });
      expect(story.found(story.get('q')).values).toEqual(['X', 'Y']);
      world.heal();
      world.run(4_000);
    }
    story.untilHealable();
    story.found(story.get('q'));
    story.settle();
    expect([story.isSuspect(A), story.holds(A)]).toEqual([false, ['X', 'Y']]);
  });
});
