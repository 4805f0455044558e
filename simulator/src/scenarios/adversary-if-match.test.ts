import { ContextTokens } from '@circlet/coordinator/http/context-token.ts';
import { BATCH_SIBLINGS_BYTES_MAX } from '@circlet/coordinator/http/limits.ts';
import { represent } from '@circlet/coordinator/http/representation.ts';
import { sipKey } from '@circlet/shared/hash/siphash.ts';
import { describe, expect, it } from 'vitest';
import { Story } from '../story.ts';

/**
 * ADVERSARY. An answer that shows some of the siblings hands out a context of just those (rule 3), but an etag of all. A put
 * that sends the etag back in If-Match, and no context, takes the context of the read that passed: the siblings that were
 * omitted, and that no client was ever shown, are gone.
 */
describe('a put with the etag of an answer that omitted siblings', () => {
  it('replaces only what the answer showed', () => {
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
    const seen = shown.parts.map(({ value }) => new TextDecoder().decode(value.subarray(0, 1)));
    story.written(story.put('p', 'merged', { condition: { kind: 'matches', etags: [shown.etag] } }));
    const left = story.found(story.get('q', { r: 3 })).values.map((each) => each.trim());
    expect(left).toEqual([...values.filter((name) => !seen.includes(name)), 'merged'].toSorted());
  });
});
