import { describe, expect, it } from 'vitest';
import type { Call } from '../../call.ts';
import { keyNamed, Story } from '../../story.ts';

const keys = Array.from({ length: 30 }, (_, i) => keyNamed(`key ${i}`));

/** Blind puts to all keys in turn through both coordinators, one every `everyMs`. */
function load(story: Story, n: number, everyMs: number, from = 0): readonly Call[] {
  return Array.from({ length: n }, (_, i) => {
    const number = from + i;
    const key = keys[number % keys.length] ?? story.key;
    const call = story.put(number % 2 === 0 ? 'p' : 'q', `value ${number}`, { key });
    story.world.run(everyMs);
    return call;
  });
}

const isWritten = (call: Call) => call.answer?.kind === 'written';

/** Every write that was acknowledged is read back, through whoever is asked. */
function expectReadable(story: Story, calls: readonly Call[]): void {
  for (const key of keys) {
    const answer = story.answer(story.get(story.world.random.next() < 0.5 ? 'p' : 'q', { key }));
    const ids = new Set(
      answer.kind === 'read' ? answer.reading.state.siblings.map(({ writeId }) => writeId) : [],
    );
    const lost = calls.filter(
      ({ request }) => request.kind === 'write' && request.key === key && !ids.has(request.write.writeId),
    );
    expect(lost.filter(isWritten)).toEqual([]);
  }
}

describe('pods that come and go', () => {
  // Voldemort FlappingTest: a node that is up and down several times a second must not take others down with it.
  it('one that flaps, three times a second, costs nobody a request, and is used again as soon as it is steady', () => {
    const story = new Story({ seed: 1 });
    const { world } = story;
    const calls: Call[] = [...load(story, 100, 2)];
    for (let i = 0; i < 60; i++) {
      world.bus.unplug('n2');
      calls.push(...load(story, 15, 10, calls.length));
      world.bus.plug('n2');
      calls.push(...load(story, 15, 10, calls.length));
    }
    story.settle();
    expect(calls.filter((call) => !isWritten(call))).toEqual([]);
    expect(calls.filter((call) => call.tookMs > 20).length).toBeLessThan(calls.length / 100);
    expect(
      world.until(() => world.usable('p').length + world.usable('q').length === 10, 5_000),
    ).toBeDefined();
    story.untilDrained();
    expectReadable(story, calls);
    for (const key of keys) expect(story.ownersAgree(key)).toBe(true);
  });

  // Voldemort RandomWaitKillAndVerify: kill -9 one at random after a random time, go on, start it, verify; again and again.
  it('killed at random and started at random, lose nothing that was acknowledged', () => {
    const story = new Story({ seed: 2 });
    const { world } = story;
    const { random } = world;
    const calls: Call[] = [];
    for (let round = 0; round < 25; round++) {
      const pods = random.next() < 0.8 ? world.storage : world.coordinators;
      const victim = pods[Math.floor(random.next() * pods.length)] ?? '';
      calls.push(...load(story, Math.floor(random.next() * 30), 1, calls.length));
      world.crash(victim);
      calls.push(
        ...load(story, 20, 20 * random.next(), calls.length).filter((c) => c.coordinator !== victim),
      );
      world.restart(victim);
      world.run(500 + 2_000 * random.next());
      expectReadable(story, calls);
    }
    expect(calls.filter(isWritten).length).toBeGreaterThan(0.9 * calls.length);
    world.run(3_000);
    story.untilDrained();
    expect(world.alarms).toEqual([]);
  });

  // verify_kv1356: write and read back; stop, start and read back; kill, start and read back: the bare minimum.
  it('a lone one that is stopped, killed and started has what it acknowledged, without anybody to help it', () => {
    const story = new Story({ seed: 3, storage: 1, replicas: 1 });
    const { world, A } = story;
    const isThere = (n: number) => expect(story.found(story.get('q')).values).toHaveLength(n);
    for (let i = 1; i <= 10; i++) {
      story.written(story.put('p', `value ${i}`));
      if (i % 3 === 0) world.crashOn(A, { kind: 'read' }, 'afterCommit');
      if (i % 3 === 0) story.answer(story.get('q', { timeoutMs: 100 }));
      isThereAfter(story, () => isThere(i));
    }
  });
});

function isThereAfter({ world, A }: Story, check: () => void): void {
  if (world.isRunning(A)) check();
  world.restart(A);
  world.run(3_000);
  check();
}

describe('a replica that is slow', () => {
  // verify_vnode_polling: puts are coordinated by a vnode that is not loaded.
  it('leads no more, holds nobody up, and leads again when it is not slow any more', () => {
    const story = new Story({ seed: 4 });
    const { world, A, B } = story;
    const leads = world.tap({ from: 'p', kind: 'lead' }, 'watch');
    const leader = () => leads.frames.at(-1)?.to;
    const put = () => {
      const call = story.put('p', 'X', { context: story.found(story.get('p')).context });
      story.written(call);
      return call.tookMs;
    };
    for (let i = 0; i < 20; i++) put();
    expect(leader()).toBe(A);
    const slow = world.tap({ from: A, to: 'p' }, { delayMs: 100 });
    for (let i = 0; i < 300; i++) put();
    for (let i = 0; i < 20; i++) {
      expect(put()).toBeLessThan(10);
      expect(leader()).toBe(B);
    }
    slow.stop();
    for (let i = 0; i < 300; i++) put();
    expect(put()).toBeLessThan(10);
    expect(leader()).toBe(A);
    expect(story.found(story.get('q')).values).toEqual(['X']);
  });
});

describe('a pod that gets far more than it can take', () => {
  // overload, proxy_overload_recovery: past a limit requests are refused, not queued; after that all is as it was.
  it('says busy to what it has no room for, is written round, and is as it was when the load is gone', () => {
    const story = new Story({ seed: 5, storage: 4 });
    const { world, A, D } = story;
    const key = (i: number) => keyNamed(`load ${i}`);
    world.freeze(A);
    const calls = Array.from({ length: 12_000 }, (_, i) => {
      if (i % 100 === 0) world.run(1);
      return story.put(i % 2 === 0 ? 'p' : 'q', `value ${i}`, { key: key(i), w: 3, timeoutMs: 20_000 });
    });
    // All of it comes at once, and it has to choose.
    world.run(1_000);
    world.thaw(A);
    world.run(8_000);
    expect(world.noticesOf('request_shed')).toBeGreaterThan(100);
    expect(calls.filter((call) => !isWritten(call))).toEqual([]);
    story.untilDrained();
    const owned = calls.filter(({ request }) => story.ownersOf(request.key).includes(A));
    expect(owned.every(({ request }) => story.holds(A, request.key).length === 1)).toBe(true);
    const shed = world.noticesOf('request_shed');
    const next = story.put('p', 'X', { w: 3, sloppy: false });
    story.written(next);
    expect(next.tookMs).toBeLessThan(10);
    expect([story.holds(A), story.holds(D)]).toEqual([['X'], []]);
    expect(world.noticesOf('request_shed')).toBe(shed);
  });
});
