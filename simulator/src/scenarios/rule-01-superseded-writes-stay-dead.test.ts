import type { Context } from '@circlet/shared/causality/context.ts';
import { describe, expect, it } from 'vitest';
import { foundIn, Story } from '../story.ts';

/**
 * X is led by A, whose answer is lost, and again by B. A is cut off with its dot of X while X is read and removed.
 */
function twinAttempts(seed: number) {
  const story = new Story({ seed });
  const { world, A, B, C } = story;
  const lost = world.tap({ from: A, to: 'p', kind: 'led' }, 'drop');
  const put = story.put('p', 'X', { timeoutMs: 1_000 });
  world.until(() => lost.seen > 0, 1_000);
  world.isolate(A);
  const context = story.written(put);
  lost.stop();
  expect([story.holds(A), story.holds(B), story.holds(C)]).toEqual([['X'], ['X'], ['X']]);
  expect(story.stateAt(A)?.siblings[0]?.dots).not.toEqual(story.stateAt(B)?.siblings[0]?.dots);
  return { story, context };
}

describe('a write that was superseded stays dead when another attempt at it turns up (rule 1)', () => {
  it('after a delete by somebody who read it', () => {
    const { story } = twinAttempts(1);
    const { world } = story;
    const read = story.found(story.get('q'));
    expect(read.values).toEqual(['X']);
    story.written(story.remove('q', { context: read.context }));

    world.heal();
    world.run(3_000);
    story.untilDrained();
    for (const via of world.coordinators) expect(story.found(story.get(via, { r: 3 })).values).toEqual([]);
    story.settle();
    expect(story.ownersAgree()).toBe(true);
    expect(story.holds(story.A)).toEqual([]);
  });

  it('after an overwrite with the context of the put itself', () => {
    const { story, context } = twinAttempts(2);
    story.written(story.put('q', 'Y', { context }));

    story.world.heal();
    story.world.run(3_000);
    story.untilDrained();
    expect(story.found(story.get('p', { r: 3 })).values).toEqual(['Y']);
    story.settle();
    expect(story.holds(story.A)).toEqual(['Y']);
  });

  it('when the reader met the first attempt only, and the second turns up later', () => {
    const story = new Story({ seed: 3 });
    const { world, A, B, C, D, E } = story;
    // A leads and its answer is lost; A is all that q can reach, while p goes on through B and C.
    const lost = world.tap({ from: A, to: 'p', kind: 'led' }, 'drop');
    const put = story.put('p', 'X', { timeoutMs: 1_000 });
    world.until(() => lost.seen > 0, 1_000);
    world.cut([A, 'q'], [B, C, D, E, 'p']);
    story.written(put);
    world.until(() => world.usable('q').length === 1, 5_000);
    const read = story.found(story.get('q'));
    story.written(story.remove('q', { context: read.context, w: 1 }));

    world.heal();
    world.run(5_000);
    story.untilDrained();
    expect(story.found(story.get('p', { r: 3 })).values).toEqual([]);
    story.settle();
    expect([story.holds(A), story.holds(B), story.holds(C)]).toEqual([[], [], []]);
  });

  it('when those who took the delete had never met the write, and whom the reader met is gone', () => {
    const story = new Story({ seed: 4 });
    const { world, A, B, C } = story;
    const lost = world.tap({ from: A, to: 'p', kind: 'led' }, 'drop');
    const copies = world.tap({ kind: 'merge' }, 'drop');
    const put = story.put('p', 'X', { w: 1, timeoutMs: 1_000 });
    world.until(() => lost.seen > 0, 1_000);
    world.isolate(A);
    story.written(put);
    const read = story.found(story.get('q'));
    expect(read.values).toEqual(['X']);
    world.run(2_000);
    copies.stop();
    expect([story.holds(A), story.holds(B), story.holds(C)]).toEqual([['X'], ['X'], []]);
    world.crash(B);
    story.written(story.remove('q', { context: read.context }));
    world.heal();
    world.run(4_000);
    for (const via of world.coordinators) expect(story.found(story.get(via)).values).toEqual([]);
    expect(story.holds(A)).toEqual([]);
  });

  it('when a replica gets the next write and never the one that superseded it', () => {
    const { story, context } = twinAttempts(5);
    const { world, A, B, C } = story;
    story.written(story.put('p', 'Y', { context }));
    const read = story.found(story.get('p'));
    expect(read.values).toEqual(['Y']);
    world.tap({ to: A, kind: 'hintPage' }, 'drop');
    world.heal();
    world.run(3_000);
    story.written(story.put('p', 'Z', { context: read.context, w: 3, sloppy: false }));
    // A alone is asked.
    world.cut('q', [B, C, ...story.fallbacks]);
    world.run(4_000);
    expect(story.found(story.get('q', { r: 1 })).values).toEqual(['Z']);
  });

  it('in whatever order the replicas learn of the two dots and the delete', () => {
    for (const first of [0, 1, 2]) {
      const { story } = twinAttempts(10 + first);
      const { world, owners } = story;
      const read = story.found(story.get('q'));
      story.written(story.remove('q', { context: read.context }));
      const late = owners[first] ?? '';
      world.heal();
      world.isolate(late);
      world.run(3_000);
      story.found(story.get('p'));
      story.settle();
      world.heal();
      world.run(3_000);
      story.untilDrained();
      expect(story.found(story.get('q', { r: 3 })).values).toEqual([]);
      story.settle();
      expect(story.ownersAgree()).toBe(true);
    }
  });
});

describe('a key with as many closed writes as a context carries', () => {
  it('does not answer 200 with what was deleted on all owners', () => {
    const outcomes = Array.from({ length: 6 }, (_, i) => afterOverwrites(i + 1));
    expect(outcomes).toEqual(outcomes.map(() => []));
  });
});

function afterOverwrites(seed: number): readonly string[] {
  const story = new Story({ seed, storage: 3 });
  const { world, A, B, C } = story;
  let context: Context | undefined;
  for (let i = 0; i < 60; i++) {
    const sent = context === undefined ? {} : { context };
    context = story.written(story.put('p', `v${i}`, { ...sent, idempotencyKey: `k${i}`, w: 3 }));
    if (i % 10 === 0) context = story.found(story.get('p', { r: 3 })).context;
  }
  story.settle();
  context = story.found(story.get('p', { r: 3 })).context;
  // X: A leads it and cannot say so; B leads it again, and C gets it.
  const mute = world.tap({ from: A, kind: 'led' }, 'drop');
  const call = story.put('p', 'X', { context, idempotencyKey: 'x', sloppy: false });
  world.until(() => mute.seen > 0, 1_000);
  world.isolate(A);
  story.written(call);
  story.settle(6_000);
  mute.stop();
  // Y replaces X; then somebody reads Y and deletes it, on all three.
  const seen = story.found(story.get('q', { sloppy: false }));
  expect(seen.values).toEqual(['X']);
  story.written(story.put('q', 'Y', { context: seen.context, sloppy: false }));
  story.settle(6_000);
  const later = story.found(story.get('q', { sloppy: false }));
  expect([later.values, story.holds(A)]).toEqual([['Y'], ['X']]);
  world.heal();
  world.run(3_000);
  story.written(story.remove('q', { context: later.context, sloppy: false, w: 3 }));
  story.settle(1_000);
  const late = world.tap({ from: [B, C], kind: 'found' }, { delayMs: 300 });
  const answer = story.answer(story.get('q', { r: 1, sloppy: false }));
  late.stop();
  if (answer.kind !== 'read') throw new Error(JSON.stringify(answer));
  return foundIn(answer.reading).values;
}
