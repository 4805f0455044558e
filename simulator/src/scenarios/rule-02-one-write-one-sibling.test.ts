import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

describe('a write is one sibling, however often it was tried (rules 2 and 14)', () => {
  it('when a client retries through another coordinator with its idempotency key', () => {
    const story = new Story({ seed: 1 });
    const { world } = story;
    // The first answer never reaches the client: its coordinator dies.
    const merged = world.tap({ to: 'p', kind: 'merged' }, 'drop');
    story.put('p', 'X', { idempotencyKey: 'order-7' });
    world.until(() => merged.seen > 0, 1_000);
    world.crash('p');
    story.written(story.put('q', 'X', { idempotencyKey: 'order-7' }));
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['X']);
    expect(story.stateAt(story.A)?.siblings).toHaveLength(1);
  });

  it('when the retry is led by a replica that has not seen the first attempt', () => {
    const story = new Story({ seed: 2 });
    const { world, A } = story;
    world.cut(
      'p',
      world.storage.filter((node) => node !== A),
    );
    const first = story.put('p', 'X', { idempotencyKey: 'order-7', timeoutMs: 500 });
    expect(story.failed(first)).toMatchObject({ outcome: 'unknown' });
    world.cut('q', A);
    world.run(3_000);
    story.written(story.put('q', 'X', { idempotencyKey: 'order-7' }));
    world.heal();
    story.untilDrained();
    world.run(3_000);
    const read = story.found(story.get('q', { r: 3 }));
    expect(read.values).toEqual(['X']);
    story.settle();
    expect(story.stateAt(A)?.siblings[0]?.dots).toHaveLength(2);
    expect(story.ownersAgree()).toBe(true);
  });

  it('and stays dead when the retry comes after it was read and deleted', () => {
    const story = new Story({ seed: 7 });
    story.written(story.put('p', 'X', { idempotencyKey: 'order-7', w: 3 }));
    const { context } = story.found(story.get('q'));
    story.written(story.remove('q', { context, w: 3 }));
    story.written(story.put('q', 'X', { idempotencyKey: 'order-7' }));
    expect(story.found(story.get('p', { r: 3 })).values).toEqual([]);
  });

  it('and the same key with another body is refused by a lead that knows the first', () => {
    const story = new Story({ seed: 3 });
    story.written(story.put('p', 'X', { idempotencyKey: 'order-7' }));
    expect(story.failed(story.put('q', 'Y', { idempotencyKey: 'order-7' }))).toEqual({
      code: 'idempotency_mismatch',
    });
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['X']);
  });

  it('and a mismatch that nobody noticed is two siblings, never a lost write', () => {
    const story = new Story({ seed: 4 });
    const { world, A, B, C, D, E } = story;
    world.cut([A, 'p', D], [B, C, E, 'q']);
    world.run(3_000);
    story.written(story.put('p', 'X', { idempotencyKey: 'order-7' }));
    story.written(story.put('q', 'Y', { idempotencyKey: 'order-7' }));
    world.heal();
    world.run(3_000);
    story.untilDrained();
    expect(story.found(story.get('p', { r: 3 })).values).toEqual(['X', 'Y']);
  });

  it('when the lead hangs and another one leads: both dots, each copy counted once', () => {
    const story = new Story({ seed: 5 });
    const { world, A, B, C } = story;
    // A commits and answers, late; W = 3 is met by A, B and C with two dots between them.
    const late = world.tap({ from: A, to: 'p', kind: 'led' }, 'hold');
    const put = story.put('p', 'X', { w: 3, sloppy: false, timeoutMs: 2_000 });
    world.until(() => story.holds(C).length > 0, 2_000);
    expect(put.isOver).toBe(false);
    late.release();
    const context = story.written(put);
    // Every dot that arrived before the answer is in the context (rule 14).
    const dots = [A, B].map((node) => story.stateAt(node)?.siblings[0]?.dots[0]);
    for (const dot of dots) expect(context.history.actors).toContain(dot?.actor);
    expect(context.writes).toMatchObject([{ sole: false }]);

    const read = story.found(story.get('q', { r: 3 }));
    expect(read.values).toEqual(['X']);
    story.settle();
    expect(story.stateAt(B)?.siblings[0]?.dots).toHaveLength(2);
    story.written(story.put('q', 'Y', { context }));
    expect(story.found(story.get('p', { r: 3 })).values).toEqual(['Y']);
  });

  it('which a session finds though the lead of one attempt died with its dot', () => {
    const story = new Story({ seed: 6, storage: 3 });
    const { world, A, B, C } = story;
    const late = world.tap({ from: A, to: 'p', kind: 'led' }, 'hold');
    const put = story.put('p', 'X', { w: 3, timeoutMs: 2_000 });
    world.until(() => story.holds(C).length > 0, 2_000);
    late.release();
    const context = story.written(put);
    expect(context.history.actors).toHaveLength(2);
    world.run(10);
    world.crash(A);
    world.run(3_000);
    expect([story.holds(B), story.holds(C)]).toEqual([['X'], ['X']]);
    expect(story.found(story.get('q', { context })).values).toEqual(['X']);
  });
});
