import { describe, expect, it } from 'vitest';
import { TIMEOUT_MS_MAX } from '@circlet/shared/protocol/limits.ts';
import { keyNamed, Story } from '../story.ts';

const repair = { everyMs: 5_000, bytesPerSecond: 8_000_000, scrubRowsPerSecond: 100 };
/** Everybody has compared with everybody. */
const ROUNDS_MS = 30_000;
const keys = (count: number) => Array.from({ length: count }, (_, i) => keyNamed(`k${i}`));

describe('owners become equal without a read (I3)', () => {
  it('when one was cut off while the others took writes, and nobody held hints for it', () => {
    const story = new Story({ seed: 1, storage: 3, repair });
    const { world, A, B, C } = story;
    world.isolate(C);
    for (const key of keys(20)) story.written(story.put('p', 'v', { key, w: 2 }));
    world.heal();
    world.run(ROUNDS_MS);
    for (const key of keys(20)) expect(story.ownersAgree(key)).toBe(true);
    expect([A, B, C].map((node) => world.store(node).count('rows'))).toEqual([20, 20, 20]);
  });

  it('and what was deleted on one side of a partition stays deleted on both', () => {
    const story = new Story({ seed: 2, storage: 3, repair });
    const { world, A, B, C } = story;
    const context = story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    world.isolate(C);
    story.written(story.remove('p', { context, w: 2 }));
    world.run(10_000);
    expect(story.holds(C)).toEqual(['V']);
    world.heal();
    world.run(ROUNDS_MS);
    expect([story.holds(A), story.holds(B), story.holds(C)]).toEqual([[], [], []]);
    expect(story.ownersAgree()).toBe(true);
  });

  it('when both sides of a partition were written: both have both', () => {
    const story = new Story({ seed: 3, storage: 3, repair });
    const { world, A, B, C } = story;
    world.cut(['p', A], ['q', B, C]);
    story.written(story.put('p', 'left', { w: 1 }));
    story.written(story.put('q', 'right', { w: 2 }));
    world.heal();
    world.run(ROUNDS_MS);
    for (const node of [A, B, C]) expect(story.holds(node)).toEqual(['left', 'right']);
  });

  it('when an owner has lost its rows, and whoever sends them dies in the middle', () => {
    const story = new Story({ seed: 4, storage: 3, repair: { ...repair, bytesPerSecond: 20_000 } });
    const { world, A, B, C } = story;
    for (const key of keys(300)) story.written(story.put('p', 'v'.repeat(100), { key, w: 3 }));
    story.settle();
    world.crash(C);
    const { store } = { store: world.store(C) };
    store.begin();
    for (const { at } of store.scan('rows', undefined, 1_000)) store.delete('rows', at);
    store.commit();
    world.start(C);
    world.until(() => world.store(C).count('rows') > 50, 60_000);
    for (const node of [A, B]) world.restart(node);
    world.run(1_000);
    expect(world.store(C).count('rows')).toBeLessThan(300);
    world.run(90_000);
    for (const key of keys(300)) expect(story.ownersAgree(key)).toBe(true);
  });
});

describe('a damaged row (I14)', () => {
  it('that nobody reads is found, repaired and vouches again', () => {
    const story = new Story({ seed: 5, storage: 3, repair });
    const { world, A, B } = story;
    story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    story.damage(A);
    world.run(70_000);
    expect([story.holds(A), story.isSuspect(A)]).toEqual([['V'], true]);
    world.run(90_000);
    expect([story.isSuspect(A), story.row(A)?.digest]).toEqual([false, story.row(B)?.digest]);
  });

  // Seed 2534 of 923cbd2: the second damage was counted as if it had been the first, and the row given up for lost.
  it('that was replaced and goes bad again has its wait before it again', () => {
    const story = new Story({ seed: 7, storage: 4, replicas: 2, repair: { ...repair, everyMs: 1_000 } });
    const { world, A, B } = story;
    story.written(story.put('p', 'V', { w: 2 }));
    story.damage(A);
    // Found, and replaced by what the other owner has.
    world.until(() => story.row(A) !== undefined, 120_000);
    world.run(1_000);
    // Of these two nobody knows yet.
    story.damage(B);
    world.run(16_000);
    story.damage(A);
    const damagedMs = world.nowMs;
    world.until(() => !story.isSuspect(A), 300_000);
    expect(story.isSuspect(A)).toBe(false);
    expect(world.nowMs - damagedMs).toBeGreaterThan(TIMEOUT_MS_MAX);
  });
});

describe('the trees', () => {
  it('are there at once after a clean stop, and are summed again after a crash', () => {
    const story = new Story({ seed: 6, storage: 3, repair });
    const { world, A } = story;
    story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    const built = () => world.noticed.get('trees_built') ?? 0;
    const before = built();
    world.stop(A);
    world.start(A);
    world.run(10_000);
    expect(built()).toBe(before);
    story.written(story.put('p', 'W', { w: 3 }));
    world.crash(A);
    world.start(A);
    world.run(10_000);
    expect(built()).toBe(before + 1);
  });
});
