import { ContextTokens } from '@circlet/coordinator/http/context-token.ts';
import { BATCH_SIBLINGS_BYTES_MAX } from '@circlet/coordinator/http/limits.ts';
import { represent } from '@circlet/coordinator/http/representation.ts';
import { sipKey } from '@circlet/shared/hash/siphash.ts';
import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

describe('a write that reads first, is repeated, and reads its own first attempt', () => {
  it('is not led again with what it read: it would kill itself where the two attempts meet', () => {
    const story = new Story({ seed: 1, storage: 4 });
    const { world, A, C } = story;
    story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    const asking = { idempotencyKey: 'i', condition: { kind: 'matches' as const, etags: ['*'] } };
    // The first coordinator dies when the lead has committed.
    const led = world.tap({ from: A, to: 'p', kind: 'led' }, 'watch');
    story.put('p', 'X', asking);
    world.until(() => led.seen > 0, 1_000);
    world.crash('p');
    expect(story.holds(A)).toEqual(['X']);
    // The client repeats its put through another one. C hangs; A answers the read and crashes.
    world.freeze(C);
    const found = world.tap({ from: A, to: 'q', kind: 'found' }, 'watch');
    const call = story.put('q', 'X', asking);
    world.until(() => found.seen > 0, 1_000);
    world.crash(A);
    story.written(call);
    story.settle(3_000);
    world.thaw(C);
    world.restart(A);
    world.restart('p');
    world.run(5_000);
    story.untilDrained();
    expect(story.found(story.get('q', { r: 3, sloppy: false })).values).toEqual(['X']);
  });

  it('is not told that it did not happen (412)', () => {
    const story = new Story({ seed: 1, storage: 3 });
    const { world } = story;
    const asking = { idempotencyKey: 'i', condition: { kind: 'absent' as const } };
    const lost = world.tap({ to: 'p', kind: 'merged' }, 'drop');
    const ledToo = world.tap({ to: 'p', kind: 'led' }, 'drop');
    const first = story.failed(story.put('p', 'X', { ...asking, timeoutMs: 1_000 }));
    expect(first).toMatchObject({ outcome: 'unknown' });
    lost.stop();
    ledToo.stop();
    story.settle();
    expect(story.answer(story.put('q', 'X', asking))).toMatchObject({ kind: 'written' });
  });
});

describe('a DELETE without a context', () => {
  it('that meets the tombstone of an attempt that failed writes its own: W copies are promised', () => {
    const story = new Story({ seed: 1, storage: 3 });
    const { world, A, B, C } = story;
    const context = story.written(story.put('p', 'V', { w: 3 }));
    story.settle();
    const lost = world.tap({ to: [B, C], kind: 'merge' }, 'drop');
    expect(story.failed(story.remove('p', { context, timeoutMs: 1_000 }))).toMatchObject({
      outcome: 'unknown',
    });
    lost.stop();
    story.written(story.remove('q', { sloppy: false, w: 2, r: 2 }));
    // A's disk is lost for good, and the coordinator with any repair that it would have made.
    world.crash('q');
    world.crash(A);
    world.run(3_000);
    expect(story.found(story.get('p', { sloppy: false })).values).toEqual([]);
  });
});

describe('an answer that omits siblings', () => {
  it('has no tag: a put with If-Match would replace what nobody was shown', () => {
    const story = new Story({ seed: 1, storage: 3 });
    const values = ['a', 'b', 'c', 'd'];
    for (const name of values) {
      const value = new Uint8Array(400 * 1024).fill(32);
      new TextEncoder().encodeInto(name, value);
      story.written(story.put('p', value, { w: 3 }));
    }
    const answer = story.answer(story.get('p'));
    if (answer.kind !== 'read') throw new Error('not read');
    const key = sipKey(new Uint8Array(16).fill(9));
    const tokens = new ContextTokens({ clusterId: 'sim', contextKeys: new Map([['k', key]]), signWith: 'k' });
    const presenter = { tokens, etagKey: story.world.clusterKey };
    // What a get in a batch answers.
    const shown = represent(presenter, story.key, answer.reading, BATCH_SIBLINGS_BYTES_MAX);
    expect(shown.omitted).toBeGreaterThan(0);
    expect(shown.etag).toBeUndefined();
  });
});
