import { describe, expect, it } from 'vitest';
import { Story } from './story.ts';

/** The hash of all that happened in a short life with a crash in it. */
function traceOf(seed: number): string {
  const story = new Story({ seed });
  story.written(story.put('p', 'X'));
  story.world.crash(story.A);
  story.written(story.put('q', 'Y'));
  story.world.restart(story.A);
  story.settle();
  expect(story.world.trace.events).toBeGreaterThan(200);
  return story.world.trace.digest;
}

describe('a world', () => {
  it('starts, and a put is read back through the other coordinator', () => {
    const story = new Story({ seed: 1 });
    const context = story.written(story.put('p', 'X'));
    expect(context.writes).toHaveLength(1);
    expect(story.found(story.get('q')).values).toEqual(['X']);
  });

  it('does the same things again with the same seed, and others with another', () => {
    expect(traceOf(7)).toBe(traceOf(7));
    expect(traceOf(7)).not.toBe(traceOf(8));
  });

  it('lets no time pass but in its own clock', () => {
    const story = new Story({ seed: 2 });
    const { nowMs } = story.world;
    story.world.run(3_600_000);
    expect(story.world.nowMs).toBe(nowMs + 3_600_000);
  });
});

describe('a process', () => {
  it('that dies before its commit has done nothing, and one that dies behind it has said nothing', () => {
    for (const point of ['beforeCommit', 'afterCommit'] as const) {
      const story = new Story({ seed: 3 });
      const { world, A } = story;
      const answers = world.tap({ from: A, kind: 'led' }, 'watch');
      world.crashOn(A, { kind: 'lead' }, point);
      story.put('p', 'X');
      world.run(10);
      expect(world.isRunning(A)).toBe(false);
      expect(answers.seen).toBe(0);
      expect(story.holds(A)).toEqual(point === 'beforeCommit' ? [] : ['X']);
    }
  });

  it('that is frozen does nothing, and everything late when it thaws', () => {
    const story = new Story({ seed: 4 });
    const { world, A } = story;
    const echoes = world.tap({ from: A, kind: 'echoed' }, 'watch');
    world.freeze(A);
    const before = echoes.seen;
    world.run(5_000);
    expect(echoes.seen).toBe(before);
    world.thaw(A);
    world.run(1);
    expect(echoes.seen).toBeGreaterThan(before + 1);
  });
});

describe('the bus', () => {
  it('says at once that nobody listens, and nothing of what a partition swallows', () => {
    const story = new Story({ seed: 5 });
    const { world, A, B } = story;
    world.crash(A);
    world.cut('p', B);
    const put = story.put('p', 'X', { w: 1 });
    story.written(put);
    expect(put.tookMs).toBeGreaterThan(1_000);
    const next = story.put('p', 'Y', { w: 1 });
    story.written(next);
    expect(next.tookMs).toBeLessThan(20);
  });

  it('cuts one way only when told so', () => {
    const story = new Story({ seed: 6 });
    const { world, A } = story;
    world.cutOneWay(A, 'p');
    const put = story.put('p', 'X', { w: 3, sloppy: false, timeoutMs: 500 });
    expect(story.failed(put)).toMatchObject({ need: 3, got: 2 });
    expect(story.holds(A)).toEqual(['X']);
  });

  it('keeps the frames of each pair in order, except those that a tap delays', () => {
    const story = new Story({ seed: 7 });
    const { world } = story;
    const delivered: number[] = [];
    const delayed = world.tap({ kind: 'lead', times: 1 }, { delayMs: 5 });
    world.bus.onDelivery = (frame) => {
      for (const message of frame.messages) if (message.kind === 'lead') delivered.push(message.id);
    };
    const puts = ['1', '2', '3', '4'].map((value) => {
      const put = story.put('p', value);
      world.run(0.5);
      return put;
    });
    for (const put of puts) story.written(put);
    const [first] = delayed.frames
      .flatMap((frame) => frame.messages)
      .flatMap((m) => (m.kind === 'lead' ? [m.id] : []));
    expect(delivered.at(-1)).toBe(first);
    expect(delivered.slice(0, -1)).toEqual(delivered.slice(0, -1).toSorted((a, b) => a - b));
  });

  it('delivers again what it is told to replay, to whoever has the receiver’s name by then', () => {
    const story = new Story({ seed: 8 });
    const { world, A } = story;
    const leads = world.tap({ kind: 'lead', to: A }, 'watch');
    story.written(story.put('p', 'X'));
    const seen = world.trace.events;
    leads.replay();
    world.run(1);
    expect(world.trace.events).toBeGreaterThan(seen);
    expect(story.stateAt(A)?.siblings[0]?.dots).toHaveLength(1);
  });
});
