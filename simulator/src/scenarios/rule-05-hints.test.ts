import { describe, expect, it } from 'vitest';
import { keyNamed, Story } from '../story.ts';
import { DAY_MS } from '../world.ts';

describe('a fallback keeps one state for each key, and owes it (rules 5 and 6)', () => {
  it('to several owners at once, in one row, led on without repeating a dot', () => {
    const story = new Story({ seed: 1, storage: 4 });
    const { world, A, B, C, D } = story;
    world.crash(A);
    world.run(3_000);
    story.written(story.put('p', 'for A'));
    story.settle(100);
    expect(story.row(D, 'hints')?.owed).toBe(0b001);
    world.crash(B);
    world.crash(C);
    world.run(3_000);
    story.written(story.put('p', 'led by D', { w: 1 }));
    // A and C are back, and A is told nothing of its hints before D has one for B as well.
    const offers = world.tap({ from: D, kind: 'hintOffer' }, 'drop');
    world.restart(A);
    world.restart(C);
    world.until(() => world.usable('p').length === 3, 5_000);
    story.written(story.put('p', 'for B'));
    story.settle(100);
    expect(story.row(D, 'hints')?.owed).toBe(0b011);
    expect(world.store(D).count('hints')).toBe(1);

    // A takes what it is owed; B is owed the same state still.
    offers.stop();
    world.run(3_000);
    expect(story.row(D, 'hints')?.owed).toBe(0b010);
    world.restart(B);
    world.run(3_000);
    story.untilDrained();
    const all = ['for A', 'for B', 'led by D'];
    expect([story.holds(A), story.holds(B)]).toEqual([all, all]);
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(all);
    expect(world.alarms).toEqual([]);
  });

  it('until the owner covers that very state: a write merged meanwhile is owed anew', () => {
    const story = new Story({ seed: 2, storage: 4 });
    const { world, A, B, C, D } = story;
    world.crash(A);
    world.run(3_000);
    story.written(story.put('p', 'X'));
    const acks = world.tap({ from: A, to: D, kind: 'hintAck', times: 1 }, 'hold');
    world.restart(A);
    world.until(() => acks.seen === 1, 10_000);
    // A is gone again before it is told of Y; only the hint says it.
    world.crash(A);
    story.written(story.put('p', 'Y'));
    story.settle(500);
    acks.release();
    story.settle(500);
    expect(story.stateAt(D, 'hints')?.siblings).toHaveLength(2);
    world.restart(A);
    world.run(3_000);
    story.untilDrained();
    expect(story.holds(A)).toEqual(['X', 'Y']);
    expect([story.holds(B), story.holds(C)]).toEqual([
      ['X', 'Y'],
      ['X', 'Y'],
    ]);
  });

  it('over a restart of its own', () => {
    const story = new Story({ seed: 3 });
    const { world, owners } = story;
    for (const owner of owners) world.crash(owner);
    world.run(3_000);
    story.written(story.put('p', 'X'));
    for (const node of story.fallbacks) world.restart(node);
    for (const owner of owners) world.restart(owner);
    world.run(5_000);
    story.untilDrained();
    expect(story.found(story.get('p')).values).toEqual(['X']);
  });

  it('for years, if that is how long the owner is away', () => {
    const story = new Story({ seed: 7 });
    const { world, A, D } = story;
    world.crash(A);
    world.run(3_000);
    story.written(story.put('p', 'X'));
    story.settle();
    const later = { monoMs: 0, wallMs: 1.8e12 + 1_000 * DAY_MS };
    world.restart(D, later);
    world.run(60_000);
    expect(story.holds(D)).toEqual(['X']);
    world.restart(A, later);
    world.run(3_000);
    story.untilDrained();
    expect(story.holds(A)).toEqual(['X']);
  });

  it('when the owner dies between its commit and its acknowledgement', () => {
    const story = new Story({ seed: 4 });
    const { world, A } = story;
    world.crash(A);
    world.run(3_000);
    story.written(story.put('p', 'X'));
    world.restart(A);
    world.crashOn(A, { kind: 'hintPage' }, 'afterCommit');
    world.until(() => !world.isRunning(A), 10_000);
    expect(story.holds(A)).toEqual(['X']);
    expect(story.hints()).toBe(1);
    world.restart(A);
    world.run(3_000);
    story.untilDrained();
  });

  it('when the owner dies before its commit', () => {
    const story = new Story({ seed: 5 });
    const { world, A } = story;
    world.crash(A);
    world.run(3_000);
    story.written(story.put('p', 'X'));
    world.restart(A);
    world.crashOn(A, { kind: 'hintPage' }, 'beforeCommit');
    world.until(() => !world.isRunning(A), 10_000);
    expect(story.holds(A)).toEqual([]);
    world.restart(A);
    world.run(3_000);
    story.untilDrained();
    expect(story.holds(A)).toEqual(['X']);
  });

  it('and hands off a thousand keys, some of them under way when it is asked again', () => {
    const story = new Story({ seed: 6, storage: 4 });
    const { world, A } = story;
    world.crash(A);
    world.run(3_000);
    const keys = Array.from({ length: 1_000 }, (_, i) => keyNamed(`key ${i}`));
    const puts = keys.map((key, i) => story.put('p', `value ${i}`, { key }));
    for (const put of puts) story.written(put);
    story.settle();
    const held = story.hints();
    expect(held).toBeGreaterThan(500);
    world.tap({ kind: 'hintPage', where: () => world.random.next() < 0.2 }, 'drop');
    world.tap({ kind: 'hintAck', where: () => world.random.next() < 0.2 }, { copyAfterMs: 30 });
    world.restart(A);
    world.run(3_000);
    story.untilDrained();
    keys.forEach((key, i) =>
      expect(story.holds(A, key).length === 0 || story.holds(A, key)[0] === `value ${i}`).toBe(true),
    );
    expect(world.store(A).count('rows')).toBe(held);
  });
});

describe('a fallback that is full', () => {
  it('says busy to a further key, and does not count', () => {
    const story = new Story({ seed: 10, storage: 4, hintKeysMax: 1 });
    const { world, A, D } = story;
    world.crash(A);
    world.run(3_000);
    story.written(story.put('p', 'first', { w: 3 }));
    expect(story.row(D, 'hints')?.owed).toBe(1);

    const second = story.anotherKey();
    const failure = story.failed(story.put('p', 'second', { key: second, w: 3, timeoutMs: 1_000 }));
    expect(failure).toMatchObject({ code: 'quorum_unavailable', need: 3, outcome: 'unknown' });
    expect(world.store(D).count('hints')).toBe(1);
  });

  it('still takes more of what it holds already', () => {
    const story = new Story({ seed: 11, storage: 4, hintKeysMax: 1 });
    const { world, A } = story;
    world.crash(A);
    world.run(3_000);
    story.written(story.put('p', 'first', { w: 3 }));
    story.written(story.put('p', 'second', { w: 3 }));
    world.restart(A);
    world.run(3_000);
    story.untilDrained();
    expect(story.holds(A)).toEqual(['first', 'second']);
  });

  it('sends the coordinator to the next one', () => {
    const story = new Story({ seed: 12, storage: 5, hintKeysMax: 1 });
    const { world, A, D, E } = story;
    world.crash(A);
    world.run(3_000);
    story.written(story.put('p', 'first', { w: 3 }));
    story.settle(100);
    const second = story.anotherKey();
    story.written(story.put('p', 'second', { key: second, w: 3 }));
    expect([story.stateAt(D, 'hints', second), story.stateAt(E, 'hints', second)?.siblings.length]).toEqual([
      undefined,
      1,
    ]);
  });

  // Found by a review: it was offered every second, and an empty page sent, for as long as its holder lived.
  it('that goes bad while its holder runs is an alarm, and is offered no more', () => {
    const story = new Story({ seed: 20, storage: 5 });
    const { world, A } = story;
    world.isolate(A);
    world.run(10_000);
    story.written(story.put('p', 'V', { w: 3 }));
    const holder = world.storage.find((node) => world.store(node).count('hints') > 0) ?? '';
    story.damage(holder, 'hints');
    world.heal();
    world.run(10_000);
    expect(world.noticesOf('hint_lost')).toBe(1);
    const offers = world.tap({ from: holder, to: A, kind: 'hintOffer' }, 'watch');
    world.run(60_000);
    expect(offers.seen).toBe(0);
  });
});
