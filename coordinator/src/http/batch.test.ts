import { keyOfText } from './key-path.ts';
import { describe, expect, it } from 'vitest';
import { type ProblemJson, problemOfResponse, type TestApp, testApp } from './app.case.ts';

interface ResultJson {
  readonly status: number;
  readonly context?: string;
  readonly etag?: string;
  readonly contentType?: string;
  readonly valueBase64?: string;
  readonly meta?: Record<string, string>;
  readonly siblings?: readonly { readonly valueBase64: string; readonly deleted: boolean }[];
  readonly siblingsOmitted?: number;
  readonly problem?: ProblemJson;
}

const base64 = (text: string | Uint8Array) => Buffer.from(text).toString('base64');

const post = (
  { app }: TestApp,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
  query = '',
) =>
  app.request(`/v1/batch${query}`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });

async function run(test: TestApp, operations: readonly unknown[], query = ''): Promise<ResultJson[]> {
  const answer = await post(test, JSON.stringify({ operations }), {}, query);
  expect(answer.status).toBe(200);
  const { results }: { results: ResultJson[] } = JSON.parse(await answer.text());
  expect(results).toHaveLength(operations.length);
  return results;
}

const putOp = (key: string, value: string, more: object = {}) => ({
  op: 'put',
  bucket: 'b',
  key,
  valueBase64: base64(value),
  ...more,
});
const getOp = (key: string, more: object = {}) => ({ op: 'get', bucket: 'b', key, ...more });
const deleteOp = (key: string, more: object = {}) => ({ op: 'delete', bucket: 'b', key, ...more });

describe('a batch', () => {
  it('answers each operation in order, with the status that the single call would have had', async () => {
    const test = testApp();
    await test.app.request('/v1/kv/b/two', { method: 'PUT', body: 'x', headers: { 'circlet-meta-a': 'b' } });
    await test.app.request('/v1/kv/b/two', { method: 'PUT', body: 'y' });
    const results = await run(test, [
      getOp('none'),
      putOp('one', 'hello', { contentType: 'text/plain' }),
      getOp('one'),
      getOp('two'),
      deleteOp('one'),
      getOp('one'),
      deleteOp('never'),
    ]);
    expect(results.map(({ status }) => status)).toEqual([404, 204, 200, 300, 204, 404, 204]);
    const [none, put, one, two, , gone] = results;
    expect(none?.problem).toMatchObject({ code: 'not_found', status: 404 });
    expect(put?.etag).toBe(one?.etag);
    expect(one).toMatchObject({ contentType: 'text/plain', valueBase64: base64('hello') });
    expect(two?.siblings?.map(({ valueBase64 }) => valueBase64).toSorted()).toEqual([
      base64('x'),
      base64('y'),
    ]);
    expect(gone?.context).toBeDefined();
  });

  it('is one with the single calls: what one writes the other reads, context and all', async () => {
    const test = testApp();
    const [put] = await run(test, [putOp('a/b é', 'v')]);
    const path = `/v1/kv/b/${encodeURIComponent('a/b é')}`;
    const single = await test.app.request(path);
    expect(await single.text()).toBe('v');
    expect(single.headers.get('circlet-context')).toBe(put?.context);
    const [again] = await run(test, [putOp('a/b é', 'w', { context: put?.context })]);
    expect(again?.status).toBe(204);
    expect(await (await test.app.request(path)).text()).toBe('w');
  });

  it('runs operations on one key in order, and those on different keys at once', async () => {
    const test = testApp();
    let under = 0;
    let most = 0;
    test.port.hold = async () => {
      most = Math.max(most, ++under);
      await new Promise((resolve) => setTimeout(resolve, 5));
      under--;
    };
    const operations = [0, 1, 2].flatMap((round) =>
      ['a', 'b', 'c', 'd'].map((key) => putOp(key, `${round}`)),
    );
    await run(test, operations);
    expect(most).toBe(4);
    const order = test.port.submitted.map(({ key }) => Buffer.from(key).toString());
    expect(order.filter((key) => key.endsWith('a'))).toHaveLength(3);
    // Each put was blind, so all three rounds are siblings; the last dot belongs to the last round.
    const state = test.port.stateOf(keyOfText('b', 'a'));
    const byDot = state.siblings.toSorted((a, b) => (a.dots[0]?.counter ?? 0) - (b.dots[0]?.counter ?? 0));
    expect(byDot.map(({ body }) => String.fromCharCode(body.at(-1) ?? 0))).toEqual(['0', '1', '2']);
  });

  it('asks about a bounded number of keys at once', async () => {
    const test = testApp();
    let under = 0;
    let most = 0;
    test.port.hold = async () => {
      most = Math.max(most, ++under);
      await new Promise((resolve) => setTimeout(resolve, 1));
      under--;
    };
    await run(
      test,
      Array.from({ length: 256 }, (_, i) => getOp(`k${i}`)),
    );
    expect(most).toBe(64);
    expect(test.port.submitted).toHaveLength(256);
  });

  it('takes an operation under an Idempotency-Key for the same write as the single put', async () => {
    const test = testApp();
    const headers = { 'idempotency-key': 'i1', 'content-type': 'text/plain' };
    const single = await test.app.request('/v1/kv/b/k', { method: 'PUT', body: 'v', headers });
    const [put, other] = await run(test, [
      putOp('k', 'v', { idempotencyKey: 'i1', contentType: 'text/plain' }),
      putOp('k', 'w', { idempotencyKey: 'i1', contentType: 'text/plain' }),
    ]);
    expect(put?.etag).toBe(single.headers.get('etag'));
    expect(other).toMatchObject({ status: 422, problem: { code: 'idempotency_mismatch' } });
  });

  it('applies the quorum of its query to every operation', async () => {
    const test = testApp();
    await run(test, [getOp('a'), putOp('b', 'x')], '?r=3&w=1&timeout=500&sloppy=false');
    for (const { quorum } of test.port.submitted) {
      expect(quorum).toMatchObject({ r: 3, w: 1, timeoutMs: 500, sloppy: false });
    }
    const refused = await post(test, '{"operations":[]}', {}, '?r=9');
    expect(refused.status).toBe(400);
  });

  it('shares its timeout: what comes after it was used up is not begun, and says so', async () => {
    const test = testApp();
    test.port.hold = async () => void (test.clock.ms += 400);
    const results = await run(
      test,
      [putOp('k', '1'), putOp('k', '2'), putOp('k', '3'), getOp('k')],
      '?timeout=700',
    );
    expect(results.map(({ status }) => status)).toEqual([204, 204, 504, 504]);
    expect(results[2]?.problem).toMatchObject({ code: 'timeout', outcome: 'none' });
    expect(results[3]?.problem).not.toHaveProperty('outcome');
    expect(test.port.submitted.map(({ quorum }) => quorum.timeoutMs)).toEqual([700, 300]);
  });

  it('may be empty', async () => {
    expect(await run(testApp(), [])).toEqual([]);
  });
});

describe('a bad operation', () => {
  it.each<[string, unknown, string]>([
    ['not an object', 5, 'invalid_parameter'],
    ['null', null, 'invalid_parameter'],
    ['an unknown op', { op: 'increment', bucket: 'b', key: 'k' }, 'invalid_parameter'],
    ['an unknown field', getOp('k', { w: 2 }), 'invalid_parameter'],
    ['a field of another op', getOp('k', { valueBase64: '' }), 'invalid_parameter'],
    ['no bucket', { op: 'get', key: 'k' }, 'invalid_parameter'],
    ['a key that is no text', getOp('k', { key: 7 }), 'invalid_parameter'],
    ['a put without a value', { op: 'put', bucket: 'b', key: 'k' }, 'invalid_parameter'],
    ['a value that is not base64', putOp('k', '', { valueBase64: 'a b!' }), 'invalid_parameter'],
    ['base64 without its padding', putOp('k', '', { valueBase64: 'YQ' }), 'invalid_parameter'],
    ['base64 with spare bits', putOp('k', '', { valueBase64: 'YR==' }), 'invalid_parameter'],
    ['a content type with a line end', putOp('k', 'v', { contentType: 'a\r\nX: y' }), 'invalid_parameter'],
    ['a content type outside Latin-1', putOp('k', 'v', { contentType: 'text/€' }), 'invalid_parameter'],
    [
      'a content type that is too long',
      putOp('k', 'v', { contentType: 'x'.repeat(257) }),
      'invalid_parameter',
    ],
    ['an Idempotency-Key with a space', putOp('k', 'v', { idempotencyKey: 'a b' }), 'invalid_parameter'],
    ['a key that is empty', getOp(''), 'invalid_key'],
    ['a key that is a dot segment', deleteOp('..'), 'invalid_key'],
    ['a key with NUL', putOp('a\0', 'v'), 'invalid_key'],
    ['half of a surrogate pair', getOp('\ud800'), 'invalid_key'],
    ['a context that nobody issued', putOp('k', 'v', { context: 'abcd' }), 'invalid_context'],
    ['a context of a megabyte', putOp('k', 'v', { context: 'A'.repeat(1024 * 1024) }), 'invalid_context'],
  ])('%s has its own 400, and the others run', async (_, bad, code) => {
    const test = testApp();
    const results = await run(test, [putOp('first', 'v'), bad, putOp('last', 'v')]);
    expect(results.map(({ status }) => status)).toEqual([204, 400, 204]);
    expect(results[1]?.problem).toMatchObject({ code, status: 400 });
    expect(test.port.keys).toBe(2);
    expect(JSON.stringify(results[1])).not.toMatch(/increment|a b|surrogate\\u/);
  });

  it('with a field that would pollute every object is refused and pollutes none', async () => {
    const test = testApp();
    const text = '{"operations":[{"op":"get","bucket":"b","key":"k","__proto__":{"polluted":1}}]}';
    const answer = await post(test, text);
    const { results }: { results: ResultJson[] } = JSON.parse(await answer.text());
    expect(results[0]).toMatchObject({
      status: 400,
      problem: { code: 'invalid_parameter', reason: 'operation' },
    });
    expect({}).not.toHaveProperty('polluted');
    expect(test.port.submitted).toHaveLength(0);
  });

  it('over the value limit is a 413 of its own', async () => {
    const test = testApp({ limits: { valueBytes: 10 } });
    const results = await run(test, [putOp('a', 'x'.repeat(11)), putOp('b', 'x'.repeat(10))]);
    expect(results.map(({ status }) => status)).toEqual([413, 204]);
    expect(results[0]?.problem).toMatchObject({ code: 'value_too_large' });
  });

  it('that fails at the replicas has its own outcome', async () => {
    const test = testApp();
    test.port.failures.push({ code: 'timeout', need: 2, got: 1, from: 'any', outcome: 'unknown' });
    const results = await run(test, [putOp('a', '1'), putOp('b', '2')]);
    expect(results.map(({ status }) => status)).toEqual([504, 204]);
    expect(results[0]?.problem).toMatchObject({ code: 'timeout', outcome: 'unknown', need: 2, got: 1 });
  });

  it('is one line in the log for the whole batch, and names nothing that was sent', async () => {
    const test = testApp();
    await run(test, [
      getOp(''),
      getOp('..'),
      getOp('missing'),
      putOp('secret', 'v', { contentType: 'a\nb' }),
    ]);
    expect(test.log).toHaveLength(1);
    expect(test.log[0]).toMatchObject({
      event: 'http_batch_problems',
      level: 'info',
      fields: { invalid_key: 2, not_found: 1, invalid_parameter: 1 },
    });
  });
});

describe('a batch that is refused whole', () => {
  it.each<[string, string, number, string]>([
    ['not JSON', '{"operations":', 400, 'invalid_parameter'],
    ['no text', '', 400, 'invalid_parameter'],
    ['an array', '[]', 400, 'invalid_parameter'],
    ['null', 'null', 400, 'invalid_parameter'],
    ['no operations', '{}', 400, 'invalid_parameter'],
    ['operations that are no list', '{"operations":{}}', 400, 'invalid_parameter'],
    ['an unknown field', '{"operations":[],"atomic":true}', 400, 'invalid_parameter'],
    ['__proto__', '{"operations":[],"__proto__":{}}', 400, 'invalid_parameter'],
    ['a hidden __proto__', String.raw`{"operations":[],"\u005f_proto__":{}}`, 400, 'invalid_parameter'],
    ['257 operations', JSON.stringify({ operations: Array(257).fill(getOp('k')) }), 400, 'invalid_parameter'],
    [
      'JSON 200,000 deep',
      `{"operations":${'['.repeat(200_000)}${']'.repeat(200_000)}}`,
      400,
      'invalid_parameter',
    ],
    ['more than 4 MiB', `{"operations":["${'x'.repeat(4 * 1024 * 1024)}"]}`, 413, 'value_too_large'],
  ])('%s', async (_, body, status, code) => {
    const test = testApp();
    const answer = await post(test, body);
    expect(answer.status).toBe(status);
    expect(await problemOfResponse(answer)).toMatchObject({ code });
    expect(test.port.submitted).toHaveLength(0);
    expect(test.log).toHaveLength(1);
  });

  it('bytes that are not UTF-8', async () => {
    const body = Buffer.from('{"operations":[{"op":"get","bucket":"b","key":"\xff"}]}', 'latin1');
    expect((await post(testApp(), new Uint8Array(body))).status).toBe(400);
  });

  it('of another media type: a page of another origin may send those without asking first', async () => {
    const body = '{"operations":[]}';
    const evil = { origin: 'https://evil.example' };
    expect((await post(testApp(), body, { 'content-type': 'text/plain', ...evil })).status).toBe(415);
    expect((await post(testApp(), body, { 'content-type': '', ...evil })).status).toBe(415);
    expect((await post(testApp(), body, { 'content-type': 'multipart/form-data; boundary=x' })).status).toBe(
      415,
    );
    expect((await post(testApp(), body, { 'content-type': 'application/xml' })).status).toBe(415);
    // What curl and fetch call a string when nobody tells them.
    expect(
      (await post(testApp(), body, { 'content-type': 'application/x-www-form-urlencoded' })).status,
    ).toBe(200);
    expect((await post(testApp(), body, { 'content-type': 'text/plain;charset=UTF-8' })).status).toBe(200);
    expect(
      (await post(testApp(), body, { 'content-type': 'application/json; charset=utf-8', ...evil })).status,
    ).toBe(200);
  });

  it.each<[string, string, Record<string, string>]>([
    [
      'a multipart body of 10,000 parts',
      '--x\r\n\r\npart\r\n'.repeat(10_000),
      { 'content-type': 'multipart/form-data; boundary=x' },
    ],
    ['a zip bomb', '{}', { 'content-encoding': 'gzip' }],
  ])('%s', async (_, body, headers) => {
    const test = testApp();
    const answer = await post(test, body, headers);
    expect(answer.status).toBe(415);
    expect(await problemOfResponse(answer)).toMatchObject({ code: 'unsupported_media_type' });
    expect(test.port.submitted).toHaveLength(0);
  });
});

describe('the size of the answer', () => {
  const big = 'x'.repeat(512 * 1024);

  it('is bounded: gets past 16 MiB of values are refused, one by one', async () => {
    const test = testApp();
    // One value under two hundred keys, by the store's back door.
    await test.app.request('/v1/kv/b/k0', { method: 'PUT', body: big });
    const state = test.port.stateOf(keyOfText('b', 'k0'));
    for (let i = 1; i < 200; i++) test.port.alter(keyOfText('b', `k${i}`), () => state);
    const results = await run(
      test,
      Array.from({ length: 200 }, (_, i) => getOp(`k${i}`)),
    );
    const statuses = results.map(({ status }) => status);
    const shown = statuses.filter((status) => status === 200).length;
    expect(shown).toBeGreaterThanOrEqual(32);
    expect(shown).toBeLessThanOrEqual(32 + 64);
    expect(statuses.filter((status) => status === 413)).toHaveLength(200 - shown);
    expect(results.at(-1)?.problem).toMatchObject({ code: 'value_too_large', reason: 'answer' });
  });

  it('of one key with many values is bounded too, and the context spares what is omitted', async () => {
    const test = testApp();
    for (let i = 0; i < 6; i++) await test.app.request('/v1/kv/b/k', { method: 'PUT', body: big });
    const [result] = await run(test, [getOp('k')]);
    expect(result?.status).toBe(300);
    expect(result?.siblingsOmitted).toBe(6 - (result?.siblings?.length ?? 0));
    expect(result?.siblingsOmitted).toBeGreaterThan(0);
    await run(test, [putOp('k', 'merged', { context: result?.context })]);
    expect(test.port.stateOf(keyOfText('b', 'k')).siblings).toHaveLength((result?.siblingsOmitted ?? 0) + 1);
  });
});
