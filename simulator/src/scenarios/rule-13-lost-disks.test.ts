import { describe, expect, it } from 'vitest';
import { keyNamed, Story } from '../story.ts';

const strict = { sloppy: false };
const keys = Array.from({ length: 40 }, (_, i) => keyNamed(`k${i}`));

describe('a pod that comes back with an empty disk (rule 13)', () => {
  it('is whole again without anybody doing anything, and writes go on meanwhile', () => {
    const story = new Story({ seed: 1, storage: 3 });
    const { world, A, B, C } = story;
    for (const key of keys) story.written(story.put('p', 'before', { key, w: 3 }));
    story.settle();
    world.crash(A);
    world.wipe(A);
    world.start(A);
    for (let i = 0; world.memberState(A) !== 'active'; i++) {
      const key = keys[i % keys.length] ?? keyNamed('k0');
      const { context } = story.found(story.get('q', { key, ...strict }));
      story.written(story.put('p', `during ${i}`, { key, context, ...strict }));
      world.run(200);
      if (world.nowMs > 200_000) throw new Error('it was never refilled');
    }
    world.run(5_000);
    for (const key of keys) {
      expect(story.found(story.get('q', { key, r: 3, ...strict })).values).toHaveLength(1);
      expect(story.ownersAgree(key)).toBe(true);
    }
    expect([A, B, C].map((node) => world.store(node).count('rows'))).toEqual([40, 40, 40]);
  });

  // W is on A and B. A loses its disk; if what C has were enough for it, A and C would answer "not found" for W, with R+W > N.
  it('does not vouch before it has asked every other owner: one of them may be all that has a write', () => {
    const story = new Story({ seed: 2, storage: 3 });
    const { world, A, B, C } = story;
    const lost = world.tap({ to: C, kind: 'merge' }, 'drop');
    story.written(story.put('p', 'W', { w: 2, ...strict }));
    world.run(6_000);
    lost.stop();
    expect([story.holds(A), story.holds(B), story.holds(C)]).toEqual([['W'], ['W'], []]);
    const silent = world.tap({ from: B, to: A, kind: 'refillTold' }, 'drop');
    world.crash(A);
    world.wipe(A);
    world.start(A);
    world.until(() => world.memberState(A) === 'refilling' && silent.seen > 0, 60_000);
    world.run(30_000);
    expect(world.memberState(A)).toBe('refilling');
    world.cut(['p', 'q', A, C], [B]);
    expect(story.failed(story.get('q', strict))).toMatchObject({ got: 1, need: 2 });
    world.heal();
    silent.stop();
    world.until(() => world.memberState(A) === 'active', 60_000);
    world.run(3_000);
    world.cut(['p', 'q', A, C], [B]);
    expect(story.found(story.get('q', strict)).values).toEqual(['W']);
  });

  it('issues no dot that the old disk has issued, and takes none of its writes for its own', () => {
    const story = new Story({ seed: 3, storage: 3 });
    const { world, A } = story;
    let context = story.written(story.put('p', 'v0', { w: 3 }));
    for (let i = 1; i < 5; i++) context = story.written(story.put('p', `v${i}`, { context, w: 3 }));
    story.settle();
    world.crash(A);
    world.wipe(A);
    world.start(A);
    world.until(() => world.memberState(A) === 'active', 60_000);
    world.run(3_000);
    context = story.written(story.put('p', 'after', { context, w: 3 }));
    story.settle();
    expect(story.found(story.get('q', { r: 3, ...strict })).values).toEqual(['after']);
    expect(world.alarms.map(({ notice }) => notice.event)).not.toContain('identity_clone');
  });

  it('and whose old disk is found again has that one refused: what it knows may be superseded', () => {
    const story = new Story({ seed: 4, storage: 3 });
    const { world, A, B } = story;
    const context = story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    const old = world.backup(A);
    world.crash(A);
    world.wipe(A);
    world.start(A);
    world.until(() => world.memberState(A) === 'active', 60_000);
    story.written(story.remove('p', { context, w: 3 }));
    world.crash(A);
    world.replaceDisk(A, old);
    world.start(A);
    world.run(30_000);
    expect(world.memberState(A)).toBe('stranger');
    expect(story.found(story.get('q', strict)).values).toEqual([]);
    expect(story.holds(B)).toEqual([]);
  });
});
