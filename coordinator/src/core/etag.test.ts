import { sipKey } from '@circlet/shared/hash/siphash.ts';
import { describe, expect, it } from 'vitest';
import { etagOf } from './etag.ts';

const KEY = sipKey(new Uint8Array(16).fill(1));
const id = (letter: string) => letter.repeat(16);

describe('an entity tag', () => {
  it('is that of a set of writes: their order does not matter, each of them does', () => {
    expect(etagOf(KEY, [id('a'), id('b')])).toBe(etagOf(KEY, [id('b'), id('a')]));
    expect(new Set([[], [id('a')], [id('b')], [id('a'), id('b')]].map((ids) => etagOf(KEY, ids))).size).toBe(
      4,
    );
  });

  it('is quoted hex, and cannot be guessed without the cluster’s key', () => {
    expect(etagOf(KEY, [id('a')])).toMatch(/^"[0-9a-f]{32}"$/);
    expect(etagOf(sipKey(new Uint8Array(16).fill(2)), [id('a')])).not.toBe(etagOf(KEY, [id('a')]));
  });

  it('leaves the list that it was given as it is', () => {
    const ids = Object.freeze([id('b'), id('a')]);
    expect(() => etagOf(KEY, ids)).not.toThrow();
  });
});
