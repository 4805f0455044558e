import { describe, expect, it } from 'vitest';
import type { Failure } from '@circlet/coordinator/core/client.ts';
import { Story } from '../story.ts';

/** X is on all three owners; then the coordinator p loses A and B, and the fallbacks hold nothing. */
function onlyC(seed: number): Story {
  const story = new Story({ seed });
  story.written(story.put('p', 'X', { w: 3 }));
  story.settle();
  story.world.cut('p', [story.A, story.B]);
  return story;
}

const unavailable: Partial<Failure> = { code: 'quorum_unavailable' };

describe('an existing key is never "not found" because those who answered hold nothing (rule 7)', () => {
  for (const [when, waitMs] of [
    ['at once', 0],
    ['when the coordinator has noticed', 4_000],
  ] as const) {
    it(`but what C has is shown, ${when}`, () => {
      const story = onlyC(1);
      story.world.run(waitMs);
      expect(story.found(story.get('p')).values).toEqual(['X']);
    });

    it(`and an R that the client named is not met by empty fallbacks, ${when}`, () => {
      const story = onlyC(2);
      story.world.run(waitMs);
      // Until it has noticed, A and B are only silent, and could speak until the timeout.
      const code = waitMs === 0 ? 'timeout' : 'quorum_unavailable';
      expect(story.failed(story.get('p', { r: 2 }))).toMatchObject({ code, need: 2, got: 1 });
    });

    it(`and it is 503 when C has nothing to show, ${when}`, () => {
      const story = new Story({ seed: 3 });
      const { world, A, B, C } = story;
      world.isolate(C);
      story.written(story.put('p', 'X', { w: 2, sloppy: false }));
      world.heal();
      world.cut('p', [A, B]);
      // The hints for C are delivered by now, or C would have X: take it away again.
      world.isolate(C);
      world.run(3_000);
      world.heal();
      world.cut('p', [A, B]);
      world.run(waitMs);
      const empty = story.anotherKey();
      expect(story.failed(story.get('p', { key: empty }))).toMatchObject(unavailable);
    });

    it(`and If-None-Match: * does not pass, ${when}`, () => {
      const story = onlyC(4);
      story.world.run(waitMs);
      const failure = story.failed(story.put('p', 'Y', { condition: { kind: 'absent' } }));
      expect(failure).toMatchObject({ code: 'precondition_failed' });
      const empty = story.anotherKey();
      const blind = story.failed(story.put('p', 'Y', { key: empty, condition: { kind: 'absent' } }));
      expect(blind).toMatchObject({ ...unavailable, outcome: 'none' });
      expect(story.holds(story.C, empty)).toEqual([]);
    });

    it(`and a delete without context does not answer that nothing is there, ${when}`, () => {
      const story = onlyC(5);
      story.world.run(waitMs);
      const empty = story.anotherKey();
      expect(story.failed(story.remove('p', { key: empty }))).toMatchObject({
        ...unavailable,
        outcome: 'none',
      });
      // Nor of a key that C has: what C has may be older than what was meant. With a context it says what it is about.
      expect(story.failed(story.remove('p'))).toMatchObject({ ...unavailable, outcome: 'none' });
      const { context } = story.found(story.get('p'));
      story.written(story.remove('p', { context }));
      story.world.heal();
      story.world.run(3_000);
      story.untilDrained();
      expect(story.found(story.get('p', { r: 3 })).values).toEqual([]);
    });
  }

  it('also when fallbacks hold a tombstone of it: they are no owners', () => {
    const story = onlyC(7);
    const { world, A, B, C } = story;
    world.cut([C, ...story.fallbacks], [A, B]);
    world.cut('q', [C, ...story.fallbacks]);
    world.run(4_000);
    // Deleted on this side, and written anew on the other.
    const { context } = story.found(story.get('p'));
    story.written(story.remove('p', { context, w: 3 }));
    story.written(story.put('q', 'anew', { context, sloppy: false }));
    expect(story.failed(story.get('p'))).toMatchObject(unavailable);
    expect(story.failed(story.put('p', 'Y', { condition: { kind: 'absent' } }))).toMatchObject(unavailable);
    expect(story.failed(story.remove('p'))).toMatchObject(unavailable);
  });

  it('while R owners that have nothing may say so', () => {
    const story = new Story({ seed: 6 });
    expect(story.found(story.get('p')).values).toEqual([]);
    expect(story.answer(story.remove('p')).kind).toBe('nothing');
    story.world.isolate(story.A);
    expect(story.found(story.get('p')).values).toEqual([]);
  });
});

/**
 * X is on C and on the two last fallbacks, which stand in for A and B. Then C dies, A and B are back, and so is D, the
 * first fallback, which has nothing.
 */
function hintOwed(seed: number) {
  const story = new Story({ seed, storage: 6 });
  const { world, A, B, C, D } = story;
  world.cut('p', [A, B]);
  world.cut([A, B], [C, ...story.fallbacks]);
  world.crash(D);
  world.run(4_000);
  const context = story.written(story.put('p', 'X', { w: 2 }));
  story.settle(100);
  expect(story.fallbacks.map((node) => story.stateAt(node, 'hints')?.siblings.length)).toEqual([
    undefined,
    1,
    1,
  ]);
  world.crash(C);
  world.restart(D);
  // Nothing is pulled yet: the pages are lost.
  world.tap({ kind: 'hintPage' }, 'drop');
  world.heal();
  return { story, context };
}

describe('a write that only a holder of hints has, is found (rule 7)', () => {
  it('by a read with its context, as soon as the owners are back and before they were offered anything', () => {
    for (let seed = 10; seed < 30; seed++) {
      const { story, context } = hintOwed(seed);
      const { world, A, B } = story;
      world.until(() => world.usable('p').includes(A) && world.usable('p').includes(B), 5_000);
      expect(story.found(story.get('p', { context })).values).toEqual(['X']);
    }
  });

  it('by a read with its context through a coordinator that knows nothing of it', () => {
    const { story, context } = hintOwed(11);
    const { world, A, B } = story;
    world.until(() => world.usable('q').includes(A) && world.usable('q').includes(B), 5_000);
    expect(story.found(story.get('q', { context })).values).toEqual(['X']);
  });

  it('by a read without context, once the owners have heard of the hints', () => {
    const { story } = hintOwed(12);
    story.world.run(3_000);
    expect(story.found(story.get('q')).values).toEqual(['X']);
    expect(story.failed(story.put('q', 'Y', { condition: { kind: 'absent' } }))).toMatchObject({
      code: 'precondition_failed',
    });
  });

  it('and 503 stale_replicas is said only when nobody alive has it', () => {
    const { story, context } = hintOwed(13);
    const { world } = story;
    for (const node of story.fallbacks) world.crash(node);
    world.run(3_000);
    expect(story.failed(story.get('q', { context }))).toEqual({ code: 'stale_replicas' });
    for (const node of story.fallbacks) world.restart(node);
    world.run(3_000);
    expect(story.found(story.get('q', { context })).values).toEqual(['X']);
  });
});

it('a delete without context is not acknowledged by one stale owner: what it was meant for would stay (rule 7)', () => {
  const story = new Story({ seed: 1, storage: 3 });
  const { world, A, B, C } = story;
  story.written(story.put('p', 'V1', { w: 3 }));
  story.settle();
  world.isolate(A);
  world.run(3_000);
  story.written(story.put('p', 'V2', { sloppy: false }));
  story.settle();
  world.heal();
  world.run(4_000);
  expect(story.holds(A)).toEqual(['V1']);
  const lost = world.tap({ from: [B, C], to: 'q', kind: 'found' }, 'drop');
  expect(story.failed(story.remove('q'))).toMatchObject({ code: 'quorum_unavailable', outcome: 'none' });
  lost.stop();
  expect(story.found(story.get('p', { r: 3 })).values).toEqual(['V1', 'V2']);
});

it('a write that reads first is not begun at its deadline, when the read has used up its time', () => {
  const story = new Story({ seed: 2 });
  const { world, A, B, C } = story;
  story.written(story.put('p', 'V', { w: 3 }));
  story.settle();
  const late = world.tap({ from: A, to: 'q', kind: 'found' }, 'hold');
  world.tap({ from: [B, C], to: 'q', kind: 'found' }, 'drop');
  const leads = world.tap({ from: 'q', kind: 'lead' }, 'watch');
  const call = story.put('q', 'W', { timeoutMs: 1_000, condition: { kind: 'matches', etags: ['*'] } });
  world.run(900);
  late.release();
  expect(['precondition_failed', 'quorum_unavailable']).toContain(story.failed(call).code);
  world.run(500);
  expect(leads.seen).toBe(0);
  expect(story.holds(A)).toEqual(['V']);
});
