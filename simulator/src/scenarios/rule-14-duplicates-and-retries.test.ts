import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

describe('a second copy of a lead request does nothing (rule 14)', () => {
  it('right behind the first one', () => {
    const story = new Story({ seed: 1 });
    story.world.tap({ kind: 'lead' }, { copyAfterMs: 3 });
    const context = story.written(story.put('p', 'X'));
    expect(context.writes).toMatchObject([{ sole: true }]);
    story.settle();
    expect(story.stateAt(story.A)?.siblings[0]?.dots).toHaveLength(1);
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['X']);
  });

  it('after the write was superseded, though its id was never closed', () => {
    const story = new Story({ seed: 2 });
    const leads = story.world.tap({ kind: 'lead', times: 1 }, 'watch');
    const context = story.written(story.put('p', 'X'));
    story.written(story.remove('q', { context }));
    story.settle();
    expect(story.stateAt(story.A)?.closed).toEqual([]);
    leads.replay();
    story.settle();
    for (const node of story.owners) expect(story.holds(node)).toEqual([]);
    expect(story.found(story.get('q', { r: 3 })).values).toEqual([]);
  });

  it('after the lead restarted, with its memory of the first copy gone', () => {
    const story = new Story({ seed: 3 });
    const { world, A } = story;
    const leads = world.tap({ kind: 'lead', times: 1 }, 'watch');
    const context = story.written(story.put('p', 'X'));
    story.written(story.remove('q', { context }));
    world.restart(A);
    world.run(2_000);
    leads.replay();
    story.settle();
    expect(story.holds(A)).toEqual([]);
    expect(world.noticesOf('request_refused')).toBeGreaterThan(0);
  });

  it('an hour later, when nobody remembers it', () => {
    const story = new Story({ seed: 4 });
    const { world } = story;
    const leads = world.tap({ kind: 'lead', times: 1 }, 'watch');
    const context = story.written(story.put('p', 'X'));
    story.written(story.remove('q', { context }));
    // Other writes make the lead forget the answers whose time has passed.
    world.run(60_000);
    story.written(story.put('p', 'other', { key: story.key, context: story.found(story.get('p')).context }));
    leads.replay();
    story.settle();
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['other']);
  });
});

describe('what a client is told of a write that failed (rules 12 and 14)', () => {
  it('is `none` when every attempt was refused, and then it never appears', () => {
    const story = new Story({ seed: 10, hintKeysMax: 0 });
    const { world, owners } = story;
    for (const owner of owners) world.crash(owner);
    world.run(3_000);
    expect(story.failed(story.put('p', 'X'))).toMatchObject({ code: 'overloaded', outcome: 'none' });
    for (const owner of owners) world.restart(owner);
    world.run(3_000);
    expect(story.found(story.get('p', { r: 3 })).values).toEqual([]);
  });

  it('is `unknown` when one attempt was silent, whatever the others said', () => {
    const story = new Story({ seed: 11 });
    const { world, A, B, C } = story;
    // A hangs before it answers; B and C die when they are asked.
    world.freeze(A);
    world.crashOn(B, { kind: 'lead' }, 'beforeCommit');
    world.crashOn(C, { kind: 'lead' }, 'beforeCommit');
    const failure = story.failed(story.put('p', 'X', { sloppy: false, timeoutMs: 1_000 }));
    expect(failure).toMatchObject({ outcome: 'unknown' });
    world.thaw(A);
    story.settle();
  });

  it('is `unknown` when the lead committed and died, and its next life refused a second copy', () => {
    const story = new Story({ seed: 12 });
    const { world, A, B, C, D, E } = story;
    for (const node of [B, C, D, E]) world.crash(node);
    world.run(3_000);
    // Copy 1 commits in A's first life. Copy 2 meets its second, which is not ready to take anything.
    const copies = world.tap({ to: A, kind: 'lead', times: 1 }, { copyAfterMs: 60 });
    world.crashOn(A, { kind: 'lead' }, 'afterCommit');
    const put = story.put('p', 'X', { w: 1 });
    world.until(() => copies.seen === 1 && !world.isRunning(A), 1_000);
    world.restart(A);
    expect(story.failed(put)).toMatchObject({ outcome: 'unknown' });

    for (const node of [B, C, D, E]) world.restart(node);
    world.run(3_000);
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['X']);
  });

  it('is success when the next life holds what the first one committed', () => {
    const story = new Story({ seed: 13, storage: 1, replicas: 1 });
    const { world, A } = story;
    const copies = world.tap({ to: A, kind: 'lead', times: 1 }, { copyAfterMs: 3_000 });
    world.crashOn(A, { kind: 'lead' }, 'afterCommit');
    const put = story.put('p', 'X', { w: 1, r: 1 });
    world.until(() => copies.seen === 1 && !world.isRunning(A), 1_000);
    world.restart(A);
    story.written(put);
    expect(story.stateAt(A)?.siblings).toHaveLength(1);
    expect(story.stateAt(A)?.siblings[0]?.dots).toHaveLength(1);
  });

  it('comes at once when a copy that W needs is refused', () => {
    const story = new Story({ seed: 14 });
    const { world, C } = story;
    const copy = world.tap({ to: C, kind: 'merge', times: 1 }, 'hold');
    const put = story.put('p', 'X', { w: 3, sloppy: false });
    world.until(() => copy.seen === 1, 1_000);
    // In its new life C is not ready yet.
    world.restart(C);
    world.run(1);
    copy.release();
    const failure = story.failed(put);
    expect(failure).toMatchObject({ code: 'quorum_unavailable', need: 3, outcome: 'unknown' });
    expect(put.tookMs).toBeLessThan(1_000);
  });
});

const secondLeadAfterMs = (seed: number, timeoutMs: number) => {
  const story = new Story({ seed });
  const { world, A } = story;
  const leads = world.tap({ kind: 'lead' }, 'watch');
  world.tap({ from: A, to: 'p', kind: 'led' }, 'drop');
  const put = story.put('p', 'X', { timeoutMs });
  world.until(() => leads.seen === 2, timeoutMs);
  const afterMs = world.nowMs - put.askedMs;
  story.written(put);
  return afterMs;
};

describe('when another lead is tried (rule 14)', () => {
  it('on silence: a quarter of the timeout later', () => {
    expect(secondLeadAfterMs(20, 4_000)).toBeGreaterThanOrEqual(1_000);
    expect(secondLeadAfterMs(20, 4_000)).toBeLessThan(1_600);
    expect(secondLeadAfterMs(21, 1_000)).toBeGreaterThanOrEqual(250);
    expect(secondLeadAfterMs(21, 1_000)).toBeLessThan(450);
  });

  it('when the bus knows nobody there, or it is busy: at once', () => {
    const story = new Story({ seed: 22 });
    story.world.crash(story.A);
    const put = story.put('p', 'X');
    story.written(put);
    expect(put.tookMs).toBeLessThan(10);
  });

  it('is not when the lead answered late but in time', () => {
    const story = new Story({ seed: 23 });
    const { world, A } = story;
    const leads = world.tap({ kind: 'lead' }, 'watch');
    world.tap({ from: A, to: 'p', kind: 'led' }, { delayMs: 900 });
    expect(story.written(story.put('p', 'X', { timeoutMs: 4_000 })).writes).toMatchObject([{ sole: true }]);
    expect(leads.seen).toBe(1);
  });

  it('is never a third time after two hung', () => {
    const story = new Story({ seed: 24 });
    const { world } = story;
    const leads = world.tap({ kind: 'lead' }, 'drop');
    expect(story.failed(story.put('p', 'X'))).toMatchObject({ code: 'timeout', outcome: 'unknown' });
    expect(leads.seen).toBe(2);
  });

  it('is not once more because one that was given up as silent refuses after all', () => {
    const story = new Story({ seed: 25 });
    const { world, A, B } = story;
    // A hangs until its deadline has passed in its own clock, so that it refuses; B is slow, not silent.
    const leads = world.tap({ kind: 'lead' }, 'watch');
    const first = world.tap({ to: A, kind: 'lead', times: 1 }, 'hold');
    world.tap({ from: B, to: 'p', kind: 'led' }, { delayMs: 700 });
    const put = story.put('p', 'X', { timeoutMs: 4_000 });
    world.until(() => leads.seen === 2, 4_000);
    // In its new life A refuses what it never got.
    world.restart(A);
    world.run(1);
    first.release();
    story.written(put);
    expect(leads.frames.map((frame) => frame.to)).not.toContain(story.C);
  });
});

describe('an attempt that a dead life may have done', () => {
  it('is never called "none", also when it was refused before', () => {
    const story = new Story({ seed: 1, storage: 3, replicas: 1 });
    const { world, A } = story;
    // A's clock leaps: the first request is refused as expired, and asked again with the right deadline.
    world.jump(A, 20_000);
    let leads = 0;
    const isSecond = () => ++leads === 2;
    world.tap({ from: 'p', to: A, kind: 'lead' }, { copyAfterMs: 40 });
    world.crashOn(A, { kind: 'lead', where: isSecond }, 'afterCommit');
    const call = story.put('p', 'X', { sloppy: false, w: 1, timeoutMs: 4_000 });
    world.until(() => !world.isRunning(A), 1_000);
    expect(story.holds(A)).toEqual(['X']);
    world.start(A);
    const answer = story.answer(call);
    story.settle(3_000);
    const { values } = story.found(story.get('q', { r: 1 }));
    expect({ answer, values }).not.toMatchObject({ answer: { failure: { outcome: 'none' } }, values: ['X'] });
  });
});
