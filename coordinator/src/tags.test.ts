import { crc32 } from 'node:zlib';
import { contextOf } from '@circlet/shared/causality/context.ts';
import { historyOf } from '@circlet/shared/causality/history.ts';
import type { Sibling } from '@circlet/shared/causality/key-state.ts';
import { sipKey } from '@circlet/shared/hash/siphash.ts';
import { expect, it } from 'vitest';
import { encodeBody } from './core/body.ts';
import { etagOf } from './core/etag.ts';
import { ContextTokens } from './http/context-token.ts';
import { represent } from './http/representation.ts';

const etagKey = sipKey(new Uint8Array(16).fill(1));
const contextKeys = new Map([['k1', sipKey(new Uint8Array(16).fill(2))]]);
const tokens = new ContextTokens({ clusterId: 'test', contextKeys, signWith: 'k1' });

function sibling(letter: string, deleted: boolean): Sibling {
  const value = Uint8Array.of(1);
  const body = deleted ? new Uint8Array(0) : encodeBody({ contentType: 'a/b', meta: [], value });
  const dots = [{ actor: 'n.AAAAAAAAAAA.1', counter: letter.charCodeAt(0) }];
  return { writeId: letter.padEnd(16, '.'), dots, deleted, writtenAtMs: 0, check: crc32(body), body };
}

it('the tag that a client is shown is the one that If-Match is checked against, tombstones included (rule 17)', () => {
  for (const siblings of [
    [sibling('a', false)],
    [sibling('a', true)],
    [sibling('a', false), sibling('b', true)],
    [sibling('a', true), sibling('b', true)],
    [sibling('a', false), sibling('b', false), sibling('c', true)],
  ]) {
    const state = { siblings, history: historyOf(siblings.flatMap(({ dots }) => dots)), closed: [] };
    const reading = { state, context: contextOf(state, new Set()) };
    const shown = represent({ tokens, etagKey }, Uint8Array.of(1, 98, 107), reading, 1_000);
    const ids = siblings.map(({ writeId }) => writeId);
    expect(shown.etag).toBe(etagOf(etagKey, ids));
  }
});
