import { crc32 } from 'node:zlib';
import { contextOf, delta } from '@circlet/shared/causality/context.ts';
import { emptyState, type KeyState, merge, type Sibling } from '@circlet/shared/causality/key-state.ts';
import { fullKey } from '@circlet/shared/ring/key.ts';
import { describe, expect, it } from 'vitest';
import { encodeBody } from '../core/body.ts';
import type { Reading } from '../core/client.ts';
import { CONTEXT_KEYS } from './app.case.ts';
import { ContextTokens } from './context-token.ts';
import { CLUSTER_KEY } from './memory-port.case.ts';
import { DamagedValue, represent } from './representation.ts';

const KEY = fullKey(Buffer.from('b'), Buffer.from('k'));
const tokens = new ContextTokens({ clusterId: 'test', contextKeys: CONTEXT_KEYS, signWith: 'k1' });
const presenter = { tokens, etagKey: CLUSTER_KEY };
const show = (reading: Reading, bytesMax = 1_000_000) => represent(presenter, KEY, reading, bytesMax);

const writeId = (i: number) => `${i}`.padStart(16, '0');

function sibling(i: number, { bytes = 10, deleted = false, actor = 'node-1.AAAAAAAAAAA.1' } = {}): Sibling {
  const body = deleted
    ? new Uint8Array(0)
    : encodeBody({ contentType: 'a/b', meta: [], value: new Uint8Array(bytes).fill(i) });
  return {
    writeId: writeId(i),
    dots: [{ actor, counter: i + 1 }],
    deleted,
    writtenAtMs: i,
    check: crc32(body),
    body,
  };
}

function readingOf(siblings: readonly Sibling[]): Reading {
  const context = { history: { actors: [], ranges: [] }, writes: [] };
  const state = siblings.reduce<KeyState>(
    (sum, each) => merge(sum, delta(context, each), new Set()).state,
    emptyState,
  );
  return { state, context: contextOf(state, new Set()) };
}

/** What is left after a client that was shown this writes one value with the context it was given. */
function afterResolving(reading: Reading, token: string | undefined): KeyState {
  const context = tokens.accept(KEY, token ?? '');
  const resolution = sibling(5_000, { actor: 'node-9.CCCCCCCCCCC.1' });
  return merge(reading.state, delta(context, resolution), new Set()).state;
}

const many = (n: number, options: Parameters<typeof sibling>[1] = {}) =>
  Array.from({ length: n }, (_, i) => sibling(i, options));

describe('what is shown', () => {
  it('is nothing, one value, or several', () => {
    expect(show(readingOf([]))).toMatchObject({ status: 404, token: undefined, parts: [] });
    expect(show(readingOf([sibling(1)]))).toMatchObject({ status: 200, omitted: 0 });
    expect(show(readingOf(many(2)))).toMatchObject({ status: 300, omitted: 0 });
    expect(show(readingOf([sibling(1, { deleted: true })]))).toMatchObject({ status: 404 });
    expect(show(readingOf([sibling(1), sibling(2, { deleted: true })]))).toMatchObject({ status: 300 });
    expect(show(readingOf([sibling(1, { deleted: true }), sibling(2, { deleted: true })]))).toMatchObject({
      status: 404,
    });
  });

  it('has a tag that changes with every sibling and with nothing else', () => {
    const tags = [many(1), many(2), many(3), [sibling(0), sibling(2)]].map(
      (siblings) => show(readingOf(siblings)).etag,
    );
    expect(new Set(tags).size).toBe(4);
    expect(show(readingOf(many(3).toReversed())).etag).toBe(tags[2]);
  });

  it('is resolved by a put with its context', () => {
    const reading = readingOf(many(3));
    const { token } = show(reading);
    expect(afterResolving(reading, token).siblings.map((each) => each.writeId)).toEqual([writeId(5_000)]);
  });
});

describe('too much to show', () => {
  it.each<[string, readonly Sibling[], number]>([
    ['values that are too large together', many(10, { bytes: 1_000 }), 5_000],
    ['one value that is too large alone', many(3, { bytes: 10_000 }), 5_000],
    ['more siblings than a context in a header can name', many(1_000), 1_000_000],
  ])('%s: fewer are shown, and the context spares those that are not', (_, siblings, bytesMax) => {
    const reading = readingOf(siblings);
    const { status, parts, omitted, token } = show(reading, bytesMax);
    expect(status).toBe(300);
    expect(parts.length).toBeGreaterThanOrEqual(1);
    expect(omitted).toBe(siblings.length - parts.length);
    expect(omitted).toBeGreaterThan(0);
    expect(token?.length).toBeLessThan(13_000);
    const after = afterResolving(reading, token);
    expect(after.siblings).toHaveLength(omitted + 1);
  });

  it('is resolved in the end by a client that resolves what it is shown', () => {
    let reading = readingOf(many(1_000));
    let rounds = 0;
    while (reading.state.siblings.length > 1) {
      const context = tokens.accept(KEY, show(reading).token ?? '');
      const resolution = sibling(5_000 + rounds, { actor: 'node-9.CCCCCCCCCCC.1' });
      const { state } = merge(reading.state, delta(context, resolution), new Set());
      reading = { state, context: contextOf(state, new Set()) };
      expect(++rounds).toBeLessThan(10);
    }
  });

  it('shows live values before deletions, so that a key with a value is never a 404', () => {
    const siblings = [...many(5, { deleted: true }), sibling(7, { bytes: 3_000 })];
    const { status, parts } = show(readingOf(siblings), 3_500);
    expect(status).toBe(300);
    expect(parts.some((part) => !part.deleted)).toBe(true);
  });

  it('a history that is too large for a header gives way to the dots of what is shown', () => {
    const actors = Array.from({ length: 1_000 }, (_, i) => `node-1.AAAAAAAAAAA.z${`${i}`.padStart(4, '0')}`);
    const reading = readingOf([sibling(1), sibling(2)]);
    const history = {
      actors: [...reading.state.history.actors, ...actors],
      ranges: [...reading.state.history.ranges, ...actors.map(() => [1, 1])],
    };
    const state = { ...reading.state, history };
    const large: Reading = { state, context: contextOf(state, new Set()) };
    const { parts, omitted, token } = show(large);
    expect({ shown: parts.length, omitted }).toEqual({ shown: 2, omitted: 0 });
    expect(tokens.accept(KEY, token ?? '').history.actors).toEqual(['node-1.AAAAAAAAAAA.1']);
    expect(afterResolving(large, token).siblings.map((each) => each.writeId)).toEqual([writeId(5_000)]);
    const one = show({ state: { ...state, siblings: state.siblings.slice(0, 1) }, context: large.context });
    expect(one).toMatchObject({ status: 200, omitted: 0 });
    expect(one.token).toBeDefined();
  });
});

describe('a body that is not what was written', () => {
  it.each([0, 3, -1])('is not shown, wherever the damage is (byte %i)', (at) => {
    const good = sibling(1, { bytes: 100 });
    const body = good.body.slice();
    const index = at < 0 ? body.length + at : at;
    body[index] = (body[index] ?? 0) ^ 1;
    expect(() => show(readingOf([{ ...good, body }]))).toThrow(DamagedValue);
    expect(() => show(readingOf([sibling(2), { ...good, body }]))).toThrow(DamagedValue);
  });

  it('is not shown when a deletion has grown one', () => {
    expect(() => show(readingOf([{ ...sibling(1, { deleted: true }), body: Buffer.from('x') }]))).toThrow(
      DamagedValue,
    );
  });
});
