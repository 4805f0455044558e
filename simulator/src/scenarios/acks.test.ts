import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

describe('W copies are on W different replicas', () => {
  it('however often the acknowledgement of one of them is delivered', () => {
    const story = new Story({ seed: 1 });
    const { world, A, B, C } = story;
    world.tap({ from: C, to: 'p' }, 'drop');
    world.tap({ to: 'p', kind: 'led' }, { copyAfterMs: 1 });
    world.tap({ to: 'p', kind: 'merged' }, { copyAfterMs: 1 });
    const put = story.put('p', 'X', { w: 3, sloppy: false, timeoutMs: 1_000 });
    expect(story.failed(put)).toMatchObject({ need: 3, got: 2, outcome: 'unknown' });
    expect([story.holds(A), story.holds(B)]).toEqual([['X'], ['X']]);
  });

  it('also when all hints are delivered: an owner and the fallback that stood in for it are one copy', () => {
    const story = new Story({ seed: 5, storage: 4 });
    const { world, A, B, C, D } = story;
    // A is slow, so B leads and D stands in for A; then A has led as well. C hangs, and nobody is left to stand in for it.
    world.freeze(C);
    const late = world.tap({ from: A, to: 'p', kind: 'led' }, 'hold');
    const put = story.put('p', 'X', { w: 3, timeoutMs: 2_000 });
    world.until(() => story.holds(D).length > 0, 2_000);
    late.release();
    const isAcknowledged = story.answer(put).kind === 'written';
    world.run(3_000);
    story.untilDrained();
    const copies = [A, B, C, D].filter((node) => story.holds(node).length > 0);
    expect({ isAcknowledged, copies }).toEqual({ isAcknowledged: false, copies: [A, B] });
  });

  it('when two pods run under one identity, on copies of one disk', () => {
    const story = new Story({ seed: 2 });
    const { world, A, B, C, D, E } = story;
    story.written(story.put('p', 'X'));
    story.settle();
    world.addStorage('twin', B, world.backup(B));
    world.start('twin');
    world.run(3_000);
    for (const node of [C, D, E]) world.crash(node);
    world.run(3_000);
    for (let i = 0; i < 20; i++) {
      const put = story.put('p', `Y${i}`, { w: 3, timeoutMs: 400 });
      expect(story.failed(put)).toMatchObject({ code: 'quorum_unavailable' });
    }
    expect(world.isRunning(A)).toBe(true);
    expect(world.alarms.map(({ notice }) => notice.event)).toContain('identity_clone');
  });

  it('and two pods under one identity issue no dot twice and lose nothing', () => {
    const story = new Story({ seed: 3 });
    const { world, A } = story;
    story.written(story.put('p', 'before'));
    story.settle();
    world.addStorage('twin', A, world.backup(A));
    world.start('twin');
    world.run(3_000);
    const acked = ['before'];
    for (let i = 0; i < 30; i++) {
      const put = story.put('p', `X${i}`, { w: 2, timeoutMs: 1_000 });
      if (story.answer(put).kind === 'written') acked.push(`X${i}`);
      world.run(50);
    }
    expect(acked.length).toBeGreaterThan(10);
    world.crash('twin');
    world.restart(A);
    world.run(5_000);
    story.untilDrained();
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(expect.arrayContaining(acked));
    expect(world.alarms.map(({ notice }) => notice.event)).not.toContain('dot_issued_twice');
  });

  it('and are committed: a lead that dies before its commit has acknowledged nothing', () => {
    const story = new Story({ seed: 4 });
    const { world, A, B, C } = story;
    world.crashOn(A, { kind: 'lead' }, 'beforeCommit');
    story.written(story.put('p', 'X'));
    expect([story.holds(A), story.holds(B), story.holds(C)]).toEqual([[], ['X'], ['X']]);
  });
});
