import { etagOf } from '@circlet/coordinator/core/etag.ts';
import { historyOf } from '@circlet/shared/causality/history.ts';
import { describe, expect, it } from 'vitest';
import { Story, valueOf } from '../story.ts';

const etag = (story: Story) => {
  const answer = story.answer(story.get('p'));
  if (answer.kind !== 'read') throw new Error('not read');
  return etagOf(
    story.world.clusterKey,
    answer.reading.state.siblings.map(({ writeId }) => writeId),
  );
};

describe('a condition is checked on what the coordinator reads (rule 17)', () => {
  it('and If-Match without a context replaces what it matched', () => {
    const story = new Story({ seed: 1 });
    story.written(story.put('p', 'X'));
    story.written(story.put('q', 'Y'));
    const condition = { kind: 'matches' as const, etags: [etag(story)] };
    story.written(story.put('p', 'Z', { condition }));
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['Z']);
  });

  it('and If-Match fails when there is something else, or nothing', () => {
    const story = new Story({ seed: 2 });
    story.written(story.put('p', 'X'));
    const condition = { kind: 'matches' as const, etags: [etag(story)] };
    story.written(story.put('q', 'Y'));
    expect(story.failed(story.put('p', 'Z', { condition }))).toEqual({
      code: 'precondition_failed',
      etag: etag(story),
    });
    const { context } = story.found(story.get('p'));
    story.written(story.remove('p', { context }));
    expect(story.failed(story.put('p', 'Z', { condition: { kind: 'matches', etags: ['*'] } }))).toEqual({
      code: 'precondition_failed',
      etag: undefined,
    });
    expect(story.found(story.get('p', { r: 3 })).values).toEqual([]);
  });

  it('and If-None-Match: * passes over a tombstone, and replaces it', () => {
    const story = new Story({ seed: 3 });
    story.written(story.put('p', 'X'));
    story.written(story.remove('p'));
    expect(story.found(story.get('p')).tombstones).toBe(1);
    story.written(story.put('p', 'Y', { condition: { kind: 'absent' } }));
    expect(story.found(story.get('q', { r: 3 }))).toMatchObject({ values: ['Y'], tombstones: 0 });
    expect(story.failed(story.put('p', 'Z', { condition: { kind: 'absent' } }))).toMatchObject({
      code: 'precondition_failed',
    });
  });

  it('and a live value beside a concurrent tombstone is both', () => {
    const story = new Story({ seed: 4 });
    const context = story.written(story.put('p', 'X'));
    story.written(story.put('q', 'Y'));
    story.written(story.remove('p', { context }));
    expect(story.found(story.get('q', { r: 3 }))).toMatchObject({ values: ['Y'], tombstones: 1 });
  });
});

describe('a delete', () => {
  it('with a context writes its tombstone also where nothing has arrived, so that what arrives later is dead', () => {
    const story = new Story({ seed: 10 });
    const { world, B, C } = story;
    const copies = world.tap({ kind: 'merge', to: [B, C] }, 'hold');
    const put = story.put('p', 'X', { w: 1 });
    const context = story.written(put);
    // B and C, which answer the delete, know nothing of X.
    world.isolate(story.A);
    const remove = story.remove('q', { context, timeoutMs: 2_000 });
    world.until(() => story.stateAt(B) !== undefined, 2_000);
    copies.release();
    story.written(remove);
    story.settle();
    expect([story.holds(B), story.holds(C)]).toEqual([[], []]);
    world.heal();
    world.run(3_000);
    story.untilDrained();
    expect(story.found(story.get('p', { r: 3 })).values).toEqual([]);
  });

  it('without a context deletes what the coordinator reads, and spares what is written meanwhile', () => {
    const story = new Story({ seed: 11 });
    const { world } = story;
    story.written(story.put('p', 'X'));
    const leads = world.tap({ kind: 'lead', from: 'p' }, 'hold');
    const remove = story.remove('p');
    world.until(() => leads.seen === 1, 1_000);
    story.written(story.put('q', 'Y'));
    leads.release();
    story.written(remove);
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['Y']);
  });
});

describe('the sibling cap (rule 19)', () => {
  it('refuses a write that would add one more, and takes the one that resolves', () => {
    const story = new Story({ seed: 20, siblingsMax: 3 });
    for (const value of ['1', '2', '3']) story.written(story.put('p', value));
    expect(story.failed(story.put('p', '4'))).toEqual({ code: 'too_many_siblings' });
    const { values, context } = story.found(story.get('p', { r: 3 }));
    expect(values).toEqual(['1', '2', '3']);
    story.written(story.put('q', 'one', { context }));
    expect(story.found(story.get('p', { r: 3 })).values).toEqual(['one']);
  });

  it('never stands in the way of a merge', () => {
    const story = new Story({ seed: 21, siblingsMax: 3 });
    const { world, A, B, C, D, E } = story;
    world.cut([A, 'p', D], [B, C, E, 'q']);
    world.run(3_000);
    for (const value of ['1', '2', '3']) story.written(story.put('p', value));
    for (const value of ['4', '5', '6']) story.written(story.put('q', value));
    world.heal();
    world.run(3_000);
    story.untilDrained();
    const { values, context } = story.found(story.get('p', { r: 3 }));
    expect(values).toEqual(['1', '2', '3', '4', '5', '6']);
    story.settle();
    expect(story.ownersAgree()).toBe(true);
    // One more would be one too many, and one for all of them is not.
    expect(story.failed(story.put('q', '7'))).toEqual({ code: 'too_many_siblings' });
    story.written(story.put('p', 'one', { context }));
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['one']);
  });
});

describe('a write that is superseded before its retry (rule 22)', () => {
  it('is answered only when W replicas have what superseded it', () => {
    const story = new Story({ seed: 30 });
    const { world, A, B, C, D, E } = story;
    world.cut([A, 'q'], [B, C, D, E]);
    world.run(4_000);
    story.written(story.put('q', 'X', { idempotencyKey: 'k', w: 1 }));
    const { context } = story.found(story.get('q'));
    story.written(story.put('q', 'Y', { context, w: 1 }));
    expect(story.stateAt(A)?.closed).toHaveLength(1);

    // The client of X tries again, through the same lead, with the others still away: W = 2 cannot be proven.
    const alone = story.put('q', 'X', { idempotencyKey: 'k', w: 2, timeoutMs: 1_000 });
    expect(story.failed(alone)).toMatchObject({ outcome: 'none' });
    world.crash('q');
    world.heal();
    world.isolate(C);
    world.run(3_000);
    for (const node of story.fallbacks) world.crash(node);
    expect([story.holds(B), story.holds(C)]).toEqual([[], []]);
    story.written(story.put('p', 'X', { idempotencyKey: 'k', w: 2 }));
    expect(story.holds(B)).toEqual(['Y']);
    world.crash(A);
    world.run(3_000);
    expect(story.found(story.get('p')).values).toEqual(['Y']);
  });
});

/** X was overwritten with Y by somebody who had read it; its client tries again, and is told that it is written. */
function retried(seed: number) {
  const story = new Story({ seed, storage: 3 });
  const { world, C } = story;
  world.isolate(C);
  story.written(story.put('p', 'X', { idempotencyKey: 'k' }));
  story.written(story.put('q', 'beside'));
  const { writes, history } = story.found(story.get('q')).context;
  const seen = story.stateAt(story.A)?.siblings.find((sibling) => valueOf(sibling) === 'X');
  const context = {
    history: historyOf(seen?.dots ?? []),
    writes: writes.filter(({ writeId }) => writeId === seen?.writeId),
  };
  expect(history.actors.length).toBeGreaterThan(0);
  story.written(story.put('q', 'Y', { context }));
  const again = story.written(story.put('p', 'X', { idempotencyKey: 'k' }));
  world.heal();
  world.run(3_000);
  return { story, again };
}

describe('the context of a write that was superseded before its retry', () => {
  it('is not met by a replica that has neither the write nor what superseded it', () => {
    const { story, again } = retried(50);
    const { world, A, B, C } = story;
    expect(story.stateAt(C)).toBeUndefined();
    world.cut('q', [A, B]);
    world.run(4_000);
    expect(story.failed(story.get('q', { context: again, r: 1 }))).toMatchObject({ code: 'stale_replicas' });
    world.heal();
    world.run(3_000);
    expect(story.found(story.get('q', { context: again, r: 1 })).values).toEqual(['Y', 'beside']);
  });

  it('spares what its client was not shown', () => {
    const { story, again } = retried(51);
    story.written(story.put('p', 'Z', { context: again }));
    expect(story.found(story.get('q', { r: 3 })).values).toEqual(['Y', 'Z', 'beside']);
  });
});

describe('fewer members than N (rule 24)', () => {
  it('keep one copy each, and W above their number is refused before anything is sent', () => {
    const story = new Story({ seed: 40, storage: 2 });
    const { world } = story;
    const leads = world.tap({ kind: 'lead' }, 'watch');
    expect(story.failed(story.put('p', 'X', { w: 3 }))).toMatchObject({
      code: 'quorum_unavailable',
      need: 3,
      got: 2,
      outcome: 'none',
    });
    expect(leads.seen).toBe(0);
    expect(story.failed(story.get('p', { r: 3 }))).toMatchObject({
      code: 'quorum_unavailable',
      need: 3,
      got: 2,
    });
    story.written(story.put('p', 'X'));
    expect(story.found(story.get('q')).values).toEqual(['X']);
    expect(story.owners).toHaveLength(2);
    expect(story.ownersAgree()).toBe(true);
  });

  it('also a single one', () => {
    const story = new Story({ seed: 41, storage: 1 });
    story.written(story.put('p', 'X', { w: 1 }));
    expect(story.found(story.get('q', { r: 1 })).values).toEqual(['X']);
    expect(story.failed(story.put('p', 'Y'))).toMatchObject({ need: 2, got: 1, outcome: 'none' });
  });
});
