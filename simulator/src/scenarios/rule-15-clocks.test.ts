import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';
import { DAY_MS } from '../world.ts';

const WALL_MS = 1.8e12;
/** Storage pods behind and ahead of the coordinators, by this much and by odd parts of it. */
const apart = (ms: number) => (pod: string) => {
  const n = pod.startsWith('n') ? Number(pod.slice(1)) : 0;
  const behindOrAhead = n === 0 ? 0 : n % 2 === 0 ? ms : -ms / n;
  return { monoMs: 100 * DAY_MS + behindOrAhead, wallMs: WALL_MS + behindOrAhead };
};

describe('deadlines are in the clock of whoever must keep them (rule 15)', () => {
  for (const [name, ms] of [
    ['90 seconds', 90_000],
    ['90 days', 90 * DAY_MS],
  ] as const) {
    it(`so that everything works with clocks ${name} apart`, () => {
      const story = new Story({ seed: 1, skew: apart(ms) });
      const { world, A } = story;
      const put = story.put('p', 'X', { w: 3, timeoutMs: 300 });
      story.written(put);
      expect(put.tookMs).toBeLessThan(20);
      const read = story.found(story.get('q', { r: 3, timeoutMs: 300 }));
      expect(read.values).toEqual(['X']);
      world.crash(A);
      story.written(story.put('q', 'Y', { context: read.context, timeoutMs: 300 }));
      world.restart(A);
      world.run(3_000);
      story.untilDrained();
      expect(story.found(story.get('p', { r: 3 })).values).toEqual(['Y']);
      expect(world.noticesOf('request_refused')).toBe(0);
      expect(world.alarms).toEqual([]);
    });

    it(`and a put that was held up for longer than its timeout is refused, with clocks ${name} apart`, () => {
      const story = new Story({ seed: 2, skew: apart(ms) });
      const { world } = story;
      const leads = world.tap({ kind: 'lead' }, 'hold');
      const expired = world.tap({ kind: 'refused' }, 'watch');
      expect(story.failed(story.put('p', 'X', { timeoutMs: 2_000 }))).toMatchObject({ outcome: 'unknown' });
      // In doubt about a clock the work is done: by half a round trip.
      world.run(5);
      leads.release();
      story.settle();
      expect(expired.frames.flatMap((frame) => frame.messages)).toMatchObject([
        { kind: 'refused', reason: 'expired' },
        { kind: 'refused', reason: 'expired' },
      ]);
      for (const node of world.storage) expect(story.holds(node)).toEqual([]);
    });
  }

  it('and a bus that thaws delivers nothing that is still done', () => {
    const story = new Story({ seed: 3 });
    const { world } = story;
    world.bus.freeze();
    const puts = ['X', 'Y', 'Z'].map((value) => story.put('p', value, { timeoutMs: 1_000 }));
    for (const put of puts) expect(story.failed(put)).toMatchObject({ outcome: 'unknown' });
    world.run(30_000);
    world.bus.thaw();
    world.run(5_000);
    for (const node of world.storage) expect(story.holds(node)).toEqual([]);
    expect(story.found(story.get('p', { r: 3 })).values).toEqual([]);
    story.written(story.put('p', 'after'));
  });

  it('and neither does a pod that thaws', () => {
    const story = new Story({ seed: 4 });
    const { world, A } = story;
    world.freeze(A);
    const context = story.written(story.put('p', 'X', { timeoutMs: 1_000 }));
    story.written(story.remove('q', { context }));
    world.run(10_000);
    world.thaw(A);
    expect(story.holds(A)).toEqual([]);
    world.run(5_000);
    story.untilDrained();
    expect(story.found(story.get('p', { r: 3 })).values).toEqual([]);
  });

  it('while a pod that thaws in time answers in time', () => {
    const story = new Story({ seed: 5 });
    const { world, A } = story;
    world.freeze(A);
    const put = story.put('p', 'X', { w: 3, sloppy: false, timeoutMs: 4_000 });
    world.run(800);
    world.thaw(A);
    story.written(put);
    expect(put.tookMs).toBeLessThan(900);
  });

  it('and a pod in its next life, with another clock, is used again within a second', () => {
    const story = new Story({ seed: 6 });
    const { world, A } = story;
    story.written(story.put('p', 'X'));
    world.restart(A, { monoMs: 5 * DAY_MS, wallMs: WALL_MS });
    const put = story.put('p', 'Y');
    story.written(put);
    expect(put.tookMs).toBeLessThan(20);
    expect(world.until(() => world.usable('p').includes(A), 5_000)).toBeLessThan(1_500);
    const next = story.put('p', 'Z', { w: 3, sloppy: false });
    story.written(next);
    expect(next.tookMs).toBeLessThan(20);
    expect(world.alarms).toEqual([]);
  });

  it('and a clock that jumps under a running pod is measured again and alarmed about', () => {
    const story = new Story({ seed: 7 });
    const { world, A } = story;
    world.jump(A, 60_000);
    const put = story.put('p', 'X', { w: 3, sloppy: false });
    story.written(put);
    expect(put.tookMs).toBeLessThan(20);
    expect(world.alarms).toMatchObject([{ pod: 'p', notice: { event: 'clock_jump', fields: { node: A } } }]);
  });
});
