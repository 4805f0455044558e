import type { Context } from '@circlet/shared/causality/context.ts';
import { describe, expect, it } from 'vitest';
import { foundIn, Story } from '../story.ts';

/**
 * ADVERSARY. A context carries the first 64 closed ids in the order of the ids: once a key has been overwritten 64 times under
 * Idempotency-Keys (and until there are reap rounds: for ever), what sorts behind is never carried again. Rule 1's
 * interleaving then brings a value back after a delete that all three owners acknowledged. (Chaos seed 203517 meets it.)
 */
describe('a key with more closed writes than a context carries', () => {
  it('does not answer 200 with what was deleted on all owners', () => {
    const outcomes = Array.from({ length: 6 }, (_, i) => attempt(i + 1));
    expect(outcomes).toEqual(outcomes.map(() => []));
  });
});

function attempt(seed: number): readonly string[] {
  const story = new Story({ seed, storage: 3 });
  const { world, A, B, C } = story;
  let context: Context | undefined;
  for (let i = 0; i < 150; i++) {
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
