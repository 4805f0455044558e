import { describe, expect, it } from 'vitest';
import type { Call } from '../call.ts';
import { keyNamed, Story } from '../story.ts';

const keyNumber = (i: number) => keyNamed(`key ${i % 40}`);

/** Requests of both kinds to all keys through both coordinators, one every `everyMs`. */
function load(story: Story, n: number, everyMs: number): readonly Call[] {
  return Array.from({ length: n }, (_, i) => {
    const key = keyNumber(i);
    const via = i % 2 === 0 ? 'p' : 'q';
    const call = i % 3 === 0 ? story.get(via, { key }) : story.put(via, `value ${i}`, { key });
    story.world.run(everyMs);
    return call;
  });
}

const isGood = (call: Call) => call.answer?.kind === 'written' || call.answer?.kind === 'read';

describe('under load', () => {
  it('a pod that crashes costs nobody more than a retry', () => {
    const story = new Story({ seed: 1 });
    load(story, 200, 1);
    story.world.crash('n2');
    const calls = load(story, 1_000, 1);
    story.settle();
    expect(calls.filter((call) => !isGood(call))).toEqual([]);
    // Nor does what was in the pod's hands when it died wait for its silence: the bus soon knows nobody under its name.
    expect(calls.filter((call) => call.tookMs > 20)).toEqual([]);
    story.world.restart('n2');
    story.untilDrained();
  });

  it('a pod that hangs holds up only what it leads, once', () => {
    const story = new Story({ seed: 2 });
    load(story, 200, 1);
    story.world.freeze('n2');
    const calls = load(story, 3_000, 1);
    story.world.run(6_000);
    expect(calls.filter((call) => !isGood(call))).toEqual([]);
    const slow = calls.filter((call) => call.tookMs > 100);
    for (const call of slow) expect(call.tookMs).toBeLessThan(2_600);
    const late = calls.filter((call) => call.askedMs > (calls[0]?.askedMs ?? 0) + 1_400 && call.tookMs > 20);
    expect(late.length).toBe(0);
    story.world.thaw('n2');
    story.world.run(5_000);
    story.untilDrained();
  });

  it('a pod that was slow once is still given up after a quarter of the timeout when it hangs', () => {
    const story = new Story({ seed: 3 });
    const { world, A } = story;
    for (let i = 0; i < 20; i++) story.written(story.put('p', String(i), { key: keyNumber(i) }));
    // One answer takes most of a long timeout: the worst of the last 256 is what a p99.9 of them is.
    world.freeze(A);
    const slow = story.put('p', 'slow', { timeoutMs: 60_000, w: 3, sloppy: false });
    world.run(14_000);
    world.thaw(A);
    story.written(slow);
    world.run(3_000);
    for (let i = 0; i < 100; i++) story.written(story.put('p', String(i)));
    world.freeze(A);
    const put = story.put('p', 'X', { timeoutMs: 2_000 });
    story.written(put);
    expect(put.tookMs).toBeLessThan(1_500);
  });

  it('a coordinator that crashes costs its own requests and nothing else', () => {
    const story = new Story({ seed: 4 });
    load(story, 100, 1);
    story.world.crash('p');
    const calls = load(story, 200, 1).filter((call) => call.coordinator === 'q');
    story.settle();
    expect(calls.filter((call) => !isGood(call) || call.tookMs > 20)).toEqual([]);
  });

  it('all pods restarted one after the other, no request fails', () => {
    const story = new Story({ seed: 5 });
    const { world } = story;
    const calls: Call[] = [];
    for (const node of world.storage) {
      world.crash(node);
      calls.push(...load(story, 300, 2));
      world.restart(node);
      calls.push(...load(story, 600, 2));
    }
    story.settle(6_000);
    expect(calls.filter((call) => !isGood(call))).toEqual([]);
    story.untilDrained();
  });

  it('a whole cluster that lost its power serves again, and has everything', () => {
    const story = new Story({ seed: 6 });
    const { world } = story;
    const calls = load(story, 300, 1);
    for (const pod of [...world.storage, ...world.coordinators]) world.crash(pod);
    world.run(60_000);
    world.startAll();
    const written = calls.filter((call) => call.answer?.kind === 'written');
    expect(written.length).toBeGreaterThan(150);
    for (const { request } of written) {
      const value = request.kind === 'write' ? request.write.writeId : '';
      const answer = story.answer(story.get('q', { key: request.key }));
      const ids = answer.kind === 'read' ? answer.reading.state.siblings.map(({ writeId }) => writeId) : [];
      expect(ids).toContain(value);
    }
  });
});

it('a read whose answer was lost asks again, and does not wait for its deadline beside healthy owners', () => {
  const story = new Story({ seed: 4, storage: 3 });
  const { world, A, B, C } = story;
  story.written(story.put('p', 'V', { w: 3 }));
  story.settle();
  world.crash(C);
  world.run(3_000);
  world.tap({ from: [A, B], to: 'q', kind: 'found', times: 1 }, 'drop');
  const call = story.get('q', { sloppy: false });
  expect(story.found(call).values).toEqual(['V']);
  expect(call.tookMs).toBeLessThan(2_000);
});
