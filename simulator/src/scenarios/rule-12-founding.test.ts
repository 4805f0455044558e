import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';
import { World } from '../world.ts';

const isReady = (world: World) => (id: string) => world.isRunning(id) && world.node(id).readiness.ready;
const everyStart = (world: World) => {
  for (const id of [...world.storage, ...world.coordinators]) if (!world.isRunning(id)) world.start(id);
};

describe('a cluster is founded once, by all of its initial members (rule 12)', () => {
  it('when all start together', () => {
    const world = new World({ seed: 1, storage: 3, start: false });
    everyStart(world);
    expect(world.until(() => world.storage.every(isReady(world)), 5_000)).toBeLessThan(2_000);
    const digests = world.coordinators.map((id) => world.coordinator(id).topology?.digest);
    expect(new Set(digests).size).toBe(1);
  });

  it('when one comes a minute late: until then nothing is served', () => {
    const world = new World({ seed: 2, storage: 3, start: false });
    for (const id of ['n1', 'n2', 'p', 'q']) world.start(id);
    world.run(60_000);
    expect(['n1', 'n2'].filter(isReady(world))).toEqual([]);
    expect(world.coordinator('p').topology).toBeUndefined();
    world.start('n3');
    expect(world.until(() => world.storage.every(isReady(world)), 5_000)).toBeLessThan(3_000);
    expect(world.until(() => world.usable('p').length === 3, 5_000)).toBeLessThan(3_000);
  });

  it('when one dies after it signed, and comes back', () => {
    const world = new World({ seed: 3, storage: 3, start: false });
    world.crashOn('n2', { kind: 'foundingAnswer' }, 'afterCommit');
    everyStart(world);
    world.until(() => !world.isRunning('n2'), 5_000);
    world.run(2_000);
    world.restart('n2');
    expect(world.until(() => world.storage.every(isReady(world)), 5_000)).toBeLessThan(3_000);
    expect(world.alarms).toEqual([]);
  });

  it('and not again by two that lost their disks while the third is away', () => {
    const story = new Story({ seed: 4, storage: 3 });
    const { world, A, B, C } = story;
    story.written(story.put('p', 'X', { w: 3 }));
    for (const id of [A, B, C]) world.crash(id);
    world.wipe(A);
    world.wipe(B);
    world.restart(A);
    world.restart(B);
    world.run(30_000);
    expect([A, B].filter(isReady(world))).toEqual([]);
    expect(story.failed(story.get('p'))).toMatchObject({ code: 'quorum_unavailable' });
    expect(story.failed(story.put('p', 'Y'))).toMatchObject({ outcome: 'none' });

    world.restart(C);
    world.run(5_000);
    expect([A, B, C].filter(isReady(world))).toEqual([C]);
    expect(story.found(story.get('q')).values).toEqual(['X']);
  });

  it('nor when the bus delivers once more what the third signed long ago', () => {
    const world = new World({ seed: 5, storage: 3, start: false });
    const signed = ['foundingCall', 'foundingAnswer'] as const;
    const taps = signed.map((kind) => world.tap({ from: 'n3', kind }, 'watch'));
    everyStart(world);
    world.until(() => world.storage.every(isReady(world)), 5_000);
    for (const id of world.storage) world.crash(id);
    for (const id of ['n1', 'n2']) {
      world.wipe(id);
      world.restart(id);
    }
    for (let i = 0; i < 20; i++) {
      world.run(100);
      for (const tap of taps) tap.replay();
    }
    world.run(5_000);
    expect(['n1', 'n2'].filter(isReady(world))).toEqual([]);
    expect(world.store('n1').readMeta('topology')).toBeUndefined();
  });

  it('and a pod whose disk is not in the topology takes no hints off those who hold them', () => {
    const story = new Story({ seed: 6 });
    const { world, A } = story;
    const disk = world.backup(A);
    world.crash(A);
    world.run(3_000);
    story.written(story.put('p', 'X', { w: 3 }));
    // Nobody hears that it could be replaced.
    const calls = world.tap({ from: A, kind: 'replace' }, 'drop');
    world.wipe(A);
    world.restart(A);
    world.run(10_000);
    expect(story.hints()).toBe(1);
    expect(calls.seen).toBeGreaterThan(3);
    // The disk is found again.
    world.crash(A);
    world.replaceDisk(A, disk);
    world.restart(A);
    world.run(3_000);
    story.untilDrained();
    expect(story.holds(A)).toEqual(['X']);
  });
});
