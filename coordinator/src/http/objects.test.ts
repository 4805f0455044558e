import { contextSchema } from '@circlet/shared/causality/context.ts';
import { Writer } from '@circlet/shared/codec/bytes.ts';
import { siphash, sipKey } from '@circlet/shared/hash/siphash.ts';
import { fullKey } from '@circlet/shared/ring/key.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Failure } from '../core/client.ts';
import {
  context,
  CONTEXT_KEYS,
  EPOCH_MS,
  etag,
  problemOfResponse,
  type TestApp,
  testApp,
} from './app.case.ts';
import { MemoryCluster, MemoryPort, restrictedTo } from './memory-port.case.ts';
import { readMultipart } from './multipart.case.ts';

const PATH = '/v1/kv/b/k';
const KEY = fullKey(Buffer.from('b'), Buffer.from('k'));

const put = (
  { app }: TestApp,
  body: string | Uint8Array<ArrayBuffer> | null,
  headers: Record<string, string> = {},
  path = PATH,
) => app.request(path, { method: 'PUT', body, headers });
const get = ({ app }: TestApp, headers: Record<string, string> = {}, path = PATH) =>
  app.request(path, { headers });
const remove = ({ app }: TestApp, headers: Record<string, string> = {}, path = PATH) =>
  app.request(path, { method: 'DELETE', headers });

/** As if two clusters had been given one secrets file. */
class PortOfAnotherCluster extends MemoryPort {
  override readonly cluster = new (class extends MemoryCluster {
    override readonly clusterId = 'another';
  })();
}

const actors = Array.from({ length: 10_000 }, (_, i) => `node.AAAAAAAAAAA.${i.toString(36)}`).toSorted();
const ACTORS = { actors, ranges: actors.map(() => [1, 1]) };

/** A token for this key with the cluster's own signature, of any bytes. */
function signedToken(write: (writer: Writer) => void): string {
  const writer = new Writer();
  writer.u8(4);
  writer.latin1('test');
  writer.varint(KEY.length);
  writer.bytes(KEY);
  const start = writer.size;
  writer.u8(1);
  writer.u8(2);
  writer.latin1('k1');
  write(writer);
  writer.bytes(siphash(CONTEXT_KEYS.get('k1') ?? sipKey(new Uint8Array(16)), writer.view()));
  return Buffer.from(writer.finish().subarray(start)).toString('base64url');
}

async function siblings(response: Response) {
  expect(response.status).toBe(300);
  const body = new Uint8Array(await response.arrayBuffer());
  return readMultipart(response.headers.get('content-type') ?? '', body);
}

/** A key with two values. */
async function divergent() {
  const test = testApp();
  await put(test, 'red', { 'content-type': 'text/plain', 'circlet-meta-n': '1' });
  await put(test, 'blue', { 'content-type': 'text/x-blue' });
  return test;
}

describe('a put', () => {
  it('is a 204 with a context and a tag, and the value comes back as it was', async () => {
    const test = testApp();
    const written = await put(test, 'hello', { 'content-type': 'text/x-note', 'circlet-meta-author': 'ann' });
    expect(written.status).toBe(204);
    expect(await written.text()).toBe('');
    const read = await get(test);
    expect(read.status).toBe(200);
    expect(await read.text()).toBe('hello');
    expect(read.headers.get('content-type')).toBe('text/x-note');
    expect(read.headers.get('circlet-meta-author')).toBe('ann');
    expect(read.headers.get('last-modified')).toBe(new Date(EPOCH_MS).toUTCString());
    expect(etag(read)).toBe(etag(written));
    expect(context(read)).toBe(context(written));
  });

  it('keeps any bytes, under any key', async () => {
    const test = testApp();
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
        async (value, key) => {
          fc.pre(!key.includes('\0') && key !== '.' && key !== '..');
          const path = `/v1/kv/b/${encodeURIComponent(key)}`;
          const before = await get(test, {}, path);
          const token = before.headers.get('circlet-context');
          expect(
            (await put(test, value, token === null ? {} : { 'circlet-context': token }, path)).status,
          ).toBe(204);
          expect(new Uint8Array(await (await get(test, {}, path)).arrayBuffer())).toEqual(value);
        },
      ),
    );
  });

  it('without a type is application/octet-stream, and may be empty', async () => {
    const test = testApp();
    await put(test, new Uint8Array(0));
    const read = await get(test);
    expect(read.status).toBe(200);
    expect(read.headers.get('content-type')).toBe('application/octet-stream');
    expect(await read.text()).toBe('');
  });

  it('of a multipart body keeps it as any other value', async () => {
    const test = testApp();
    const body = Array.from({ length: 10_000 }, () => '--x\r\n\r\npart\r\n').join('');
    await put(test, body, { 'content-type': 'multipart/form-data; boundary=x' });
    expect(await (await get(test)).text()).toBe(body);
  });

  it('up to the value limit is kept, and one byte more is a 413', async () => {
    const test = testApp({ limits: { valueBytes: 1_000 } });
    expect((await put(test, new Uint8Array(1_000))).status).toBe(204);
    const refused = await put(test, new Uint8Array(1_001), {}, '/v1/kv/b/other');
    expect(refused.status).toBe(413);
    expect(await problemOfResponse(refused)).toMatchObject({ code: 'value_too_large' });
    expect(test.port.keys).toBe(1);
  });

  it('says when and by whose clock, and carries the checksum of exactly what is stored', async () => {
    const test = testApp();
    test.clock.ms = 1_234.56;
    await put(test, 'x');
    const [request] = test.port.submitted;
    expect(request).toMatchObject({
      kind: 'write',
      write: { writtenAtMs: 1_234, deleted: false, keyed: false },
    });
  });

  it('with returnvalue=1 answers like a get', async () => {
    const test = testApp();
    await put(test, 'one');
    const answer = await put(test, 'two', {}, `${PATH}?returnvalue=1`);
    expect((await siblings(answer)).map(({ body }) => body.toString()).toSorted()).toEqual(['one', 'two']);
    const third = await put(test, 'three', { 'circlet-context': context(answer) }, `${PATH}?returnvalue=1`);
    expect(third.status).toBe(200);
    expect(await third.text()).toBe('three');
  });

  it('with returnvalue=1 that was deleted again before it was read back is still a success', async () => {
    const test = testApp();
    await put(test, 'x');
    await remove(test);
    const { state } = { state: test.port.stateOf(KEY) };
    test.port.submit = async () => ({
      kind: 'read',
      reading: { state, context: { history: state.history, writes: [] } },
    });
    expect((await put(test, 'y', {}, `${PATH}?returnvalue=1`)).status).toBe(204);
  });
});

describe('metadata', () => {
  it('comes back under the names it was sent with, Latin-1 and all', async () => {
    const test = testApp();
    await put(test, 'x', {
      'Circlet-Meta-Color': 'gr\u00fcn',
      'circlet-meta-a.b': '1, 2',
      'circlet-meta-__proto__': 'p',
    });
    const read = await get(test);
    expect(read.headers.get('circlet-meta-color')).toBe('grün');
    expect(read.headers.get('circlet-meta-a.b')).toBe('1, 2');
    expect(read.headers.get('circlet-meta-__proto__')).toBe('p');
    await put(test, 'y');
    const json: { siblings: { meta: object }[] } = JSON.parse(
      await (await get(test, { accept: 'application/json' })).text(),
    );
    expect(JSON.stringify(json)).toContain('"__proto__":"p"');
  });

  it('is one order, so that a retry with other header order is the same write', async () => {
    const test = testApp();
    const first = await put(test, 'x', {
      'idempotency-key': '1',
      'circlet-meta-a': '1',
      'circlet-meta-b': '2',
    });
    const again = await put(test, 'x', {
      'circlet-meta-b': '2',
      'circlet-meta-a': '1',
      'idempotency-key': '1',
    });
    expect(etag(again)).toBe(etag(first));
  });

  it.each<[string, Record<string, string>]>([
    ['over 4 KiB in all', { 'circlet-meta-a': 'x'.repeat(2_100), 'circlet-meta-b': 'x'.repeat(2_100) }],
    ['without a name', { 'circlet-meta-': 'x' }],
    ['a content type over 256 bytes', { 'content-type': `text/${'x'.repeat(252)}` }],
  ])('%s is refused', async (_, headers) => {
    const test = testApp();
    const refused = await put(test, 'x', headers);
    expect(refused.status).toBe(400);
    expect(await problemOfResponse(refused)).toMatchObject({ code: 'invalid_parameter' });
    expect(test.port.submitted).toHaveLength(0);
  });
});

describe('a get of several values', () => {
  it('is a 300 with one part each and one context that covers them all', async () => {
    const test = await divergent();
    const answer = await get(test);
    const parts = await siblings(answer.clone());
    expect(
      parts.map(({ body, headers }) => `${headers['content-type']} ${body.toString()}`).toSorted(),
    ).toEqual(['text/plain red', 'text/x-blue blue']);
    expect(parts.find(({ body }) => body.toString() === 'red')?.headers['circlet-meta-n']).toBe('1');
    expect(new Set(parts.map(({ headers }) => headers['etag'])).size).toBe(2);
    expect((await put(test, 'violet', { 'circlet-context': context(answer) })).status).toBe(204);
    const resolved = await get(test);
    expect(resolved.status).toBe(200);
    expect(await resolved.text()).toBe('violet');
  });

  it('is JSON where that is asked for', async () => {
    const test = await divergent();
    const answer = await get(test, { accept: 'application/json' });
    expect(answer.status).toBe(300);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.headers.get('vary')).toBe('Accept');
    const json: { context: string; siblings: { valueBase64: string }[] } = JSON.parse(await answer.text());
    expect(json.context).toBe(context(answer));
    expect(json.siblings.toSorted((a, b) => (a.valueBase64 < b.valueBase64 ? -1 : 1))).toMatchObject([
      {
        contentType: 'text/x-blue',
        deleted: false,
        meta: {},
        lastModified: new Date(EPOCH_MS).toISOString(),
      },
      { contentType: 'text/plain', deleted: false, meta: { n: '1' } },
    ]);
    expect(
      json.siblings.map(({ valueBase64 }) => Buffer.from(valueBase64, 'base64').toString()).toSorted(),
    ).toEqual(['blue', 'red']);
  });

  it.each([
    [undefined, 'multipart/mixed'],
    ['*/*', 'multipart/mixed'],
    ['text/html', 'multipart/mixed'],
    ['application/json, text/plain, */*', 'application/json'],
    ['APPLICATION/JSON;q=0.5', 'application/json'],
    ['application/json;q=0', 'multipart/mixed'],
    ['multipart/mixed, application/json;q=0.5', 'multipart/mixed'],
    ['multipart/mixed;q=0.1, application/json;q=0.5', 'application/json'],
    [';;,,q=', 'multipart/mixed'],
  ])('with Accept %s is %s', async (accept, type) => {
    const test = await divergent();
    const answer = await get(test, accept === undefined ? {} : { accept });
    expect(answer.headers.get('content-type')).toMatch(type);
  });

  it('shows a delete beside a live value as a part of its own', async () => {
    const test = testApp();
    const seen = context(await put(test, 'old'));
    await put(test, 'new', { 'circlet-context': seen });
    expect((await remove(test, { 'circlet-context': seen })).status).toBe(204);
    const parts = await siblings(await get(test));
    expect(
      parts
        .map(({ headers, body }) => `${headers['circlet-deleted'] ?? 'live'} ${body.toString()}`)
        .toSorted(),
    ).toEqual(['live new', 'true ']);
    const json = await (await get(test, { accept: 'application/json' })).text();
    expect(
      JSON.parse(json)
        .siblings.map((each: { deleted: boolean }) => each.deleted)
        .toSorted(),
    ).toEqual([false, true]);
  });

  it('shows fewer, says how many it omitted, and the context spares those', async () => {
    const test = testApp();
    for (let i = 0; i < 20; i++) await put(test, new Uint8Array(500 * 1024).fill(i));
    const answer = await get(test);
    const parts = await siblings(answer.clone());
    const omitted = Number(answer.headers.get('circlet-siblings-omitted'));
    expect(omitted).toBeGreaterThan(0);
    expect(parts.length + omitted).toBe(20);
    expect((await answer.arrayBuffer()).byteLength).toBeLessThan(8.1 * 1024 * 1024);
    await put(test, 'merged', { 'circlet-context': context(answer) });
    expect(test.port.stateOf(KEY).siblings).toHaveLength(omitted + 1);
  });

  it('of a thousand stays small, and a put with its context is taken', async () => {
    const test = testApp();
    for (let i = 0; i < 1_000; i++) expect((await put(test, 'x')).status).toBe(204);
    const full = await put(test, 'x');
    expect(full.status).toBe(409);
    expect(await problemOfResponse(full)).toMatchObject({ code: 'too_many_siblings' });
    expect(test.port.stateOf(KEY).siblings).toHaveLength(1_000);
    expect((await put(test, 'x', {}, '/v1/kv/b/other')).status).toBe(204);
    const answer = await get(test);
    expect(answer.status).toBe(300);
    expect((await answer.clone().arrayBuffer()).byteLength).toBeLessThan(1024 * 1024);
    expect(context(answer).length).toBeLessThan(13 * 1024);
    expect((await put(test, 'merged', { 'circlet-context': context(answer) })).status).toBe(204);
  });
});

describe('a get of nothing', () => {
  it('is a 404 without a context when nothing was ever there', async () => {
    const answer = await get(testApp());
    expect(answer.status).toBe(404);
    expect(answer.headers.get('circlet-context')).toBeNull();
    expect(await problemOfResponse(answer)).toMatchObject({ code: 'not_found' });
  });

  it('is a 404 with the context of the deletion, by which the key is created again', async () => {
    const test = testApp();
    await put(test, 'x');
    await remove(test);
    const answer = await get(test);
    expect(answer.status).toBe(404);
    expect((await put(test, 'again', { 'circlet-context': context(answer) })).status).toBe(204);
    const read = await get(test);
    expect(read.status).toBe(200);
    expect(await read.text()).toBe('again');
  });
});

describe('HEAD', () => {
  it.each([
    ['200', '5'],
    ['300', undefined],
    ['304', undefined],
    ['404', undefined],
  ])('has the status and headers of the get, and no body (%s)', async (kind, length) => {
    const test = testApp();
    if (kind !== '404') await put(test, 'value', { 'circlet-meta-a': 'b' });
    if (kind === '300') await put(test, 'other');
    const headers: Record<string, string> = kind === '304' ? { 'if-none-match': etag(await get(test)) } : {};
    const read = await get(test, headers);
    const head = await test.app.request(PATH, { method: 'HEAD', headers });
    expect(`${head.status}`).toBe(kind);
    expect(await head.text()).toBe('');
    const { 'content-length': stated, 'content-type': type, ...others } = Object.fromEntries(head.headers);
    const { 'content-type': wantedType, ...wanted } = Object.fromEntries(read.headers);
    // The boundary of a multipart answer is drawn anew each time.
    expect(type?.split(';')[0]).toBe(wantedType?.split(';')[0]);
    expect(others).toEqual(wanted);
    expect(Number(stated ?? 0)).toBe((await read.arrayBuffer()).byteLength);
    expect(length ?? stated).toBe(stated);
  });
});

describe('a delete', () => {
  it('is a 204, also of nothing, and then the key is gone', async () => {
    const test = testApp();
    const nothing = await remove(test);
    expect(nothing.status).toBe(204);
    expect(nothing.headers.get('circlet-context')).toBeNull();
    await put(test, 'x');
    const gone = await remove(test);
    expect(gone.status).toBe(204);
    expect(context(gone)).not.toBe('');
    expect((await get(test)).status).toBe(404);
  });

  it('with a context deletes what was seen and spares what was written since', async () => {
    const test = testApp();
    const seen = context(await put(test, 'old'));
    await put(test, 'concurrent');
    await remove(test, { 'circlet-context': seen });
    const bodies = (await siblings(await get(test))).map(
      ({ body, headers }) => headers['circlet-deleted'] ?? body.toString(),
    );
    expect(bodies.toSorted()).toEqual(['concurrent', 'true']);
  });

  it('with returnvalue=1 is a 204 all the same: a 404 would say that nothing was done', async () => {
    const test = testApp();
    await put(test, 'x');
    expect((await remove(test, {}, `${PATH}?returnvalue=1`)).status).toBe(204);
  });
});

describe('a causal context', () => {
  it('that is old makes a sibling, and one that is current replaces', async () => {
    const test = testApp();
    const first = context(await put(test, 'one'));
    const second = context(await put(test, 'two', { 'circlet-context': first }));
    await put(test, 'late', { 'circlet-context': first });
    expect(await siblings(await get(test))).toHaveLength(2);
    await put(test, 'three', { 'circlet-context': second });
    expect((await siblings(await get(test))).map(({ body }) => body.toString()).toSorted()).toEqual([
      'late',
      'three',
    ]);
  });

  it('stays small for a client that goes on from put to put, and each put replaces the one before', async () => {
    const test = testApp();
    let token = context(await put(test, '0'));
    for (let i = 1; i <= 700; i++) token = context(await put(test, `${i}`, { 'circlet-context': token }));
    expect(token.length).toBeLessThan(2_000);
    const read = await get(test, { 'circlet-context': token });
    expect(read.status).toBe(200);
    expect(await read.text()).toBe('700');
  });

  it('on a get asks for an answer at least as new, or none', async () => {
    const test = testApp();
    const seen = context(await put(test, 'x'));
    expect((await get(test, { 'circlet-context': seen })).status).toBe(200);
    test.port.alter(KEY, () => restrictedTo([]));
    const stale = await get(test, { 'circlet-context': seen });
    expect(stale.status).toBe(503);
    const problem = await problemOfResponse(stale);
    expect(problem).toMatchObject({ code: 'stale_replicas' });
    expect(problem.outcome).toBeUndefined();
  });

  it.each<[string, (token: string) => string, string]>([
    ['random bytes', () => 'c29tZSByYW5kb20gYnl0ZXMgdGhhdCBhcmUgbG9uZyBlbm91Z2ggdG8gYmU', 'malformed'],
    ['truncated', (token) => Buffer.from(token, 'base64url').subarray(0, -3).toString('base64url'), 'forged'],
    [
      'bit-flipped',
      (token) => (token.at(20) === 'A' ? '' : `${token.slice(0, 20)}A${token.slice(21)}`),
      'forged',
    ],
    ['empty', () => '', 'malformed'],
  ])('%s is a 400 on every call and changes nothing', async (_, damage, reason) => {
    const test = testApp();
    const token = damage(context(await put(test, 'x')));
    const before = test.port.stateOf(KEY);
    const headers = { 'circlet-context': token };
    for (const answer of [
      await get(test, headers),
      await put(test, 'y', headers),
      await remove(test, headers),
    ]) {
      expect(answer.status).toBe(400);
      expect(await problemOfResponse(answer)).toMatchObject({ code: 'invalid_context', reason });
    }
    expect(test.port.stateOf(KEY)).toBe(before);
    expect(test.port.submitted).toHaveLength(1);
  });

  it.each(['another key', 'another cluster'])(
    'of %s is a 400 on every call and changes nothing',
    async (of) => {
      const test = testApp();
      await put(test, 'x');
      const other = of === 'another key' ? test : testApp({ port: new PortOfAnotherCluster() });
      const token = context(await put(other, 'x', {}, of === 'another key' ? '/v1/kv/b/other' : PATH));
      const before = test.port.stateOf(KEY);
      const submitted = test.port.submitted.length;
      const headers = { 'circlet-context': token };
      for (const answer of [
        await get(test, headers),
        await put(test, 'y', headers),
        await remove(test, headers),
      ]) {
        expect(answer.status).toBe(400);
        expect(await problemOfResponse(answer)).toMatchObject({ code: 'invalid_context', reason: 'forged' });
      }
      expect(test.port.stateOf(KEY)).toBe(before);
      expect(test.port.submitted).toHaveLength(submitted);
    },
  );

  it.each<[string, (writer: Writer) => void]>([
    ['10,000 actors', (writer) => contextSchema.write(writer, { history: ACTORS, writes: [] })],
    ['a claim of 2^32 actors', (writer) => writer.varint(2 ** 32)],
    [
      'a counter of 2^63',
      (writer) => {
        writer.varint(1);
        writer.varint(20);
        writer.latin1('node-1.AAAAAAAAAAA.1');
        writer.varint(1);
        writer.bytes(Uint8Array.from([...Array<number>(9).fill(0x80), 0x01]));
        writer.varint(0);
        writer.varint(0);
      },
    ],
  ])('with %s is a 400, though the cluster had signed it, and changes nothing', async (_, write) => {
    const test = testApp();
    await put(test, 'x');
    const headers = { 'circlet-context': signedToken(write) };
    for (const answer of [
      await get(test, headers),
      await put(test, 'y', headers),
      await remove(test, headers),
    ]) {
      expect(answer.status).toBe(400);
      expect(await problemOfResponse(answer)).toMatchObject({ code: 'invalid_context', reason: 'malformed' });
    }
    expect(test.port.submitted).toHaveLength(1);
  });
});

describe('preconditions of a write', () => {
  it('If-None-Match: * writes only where no live value is', async () => {
    const test = testApp();
    expect((await put(test, 'one', { 'if-none-match': '*' })).status).toBe(204);
    const refused = await put(test, 'two', { 'if-none-match': '*' });
    expect(refused.status).toBe(412);
    expect(await problemOfResponse(refused)).toMatchObject({
      code: 'precondition_failed',
      etag: etag(await get(test)),
    });
    await remove(test);
    expect((await put(test, 'three', { 'if-none-match': '*' })).status).toBe(204);
    expect(await (await get(test)).text()).toBe('three');
  });

  it('If-Match replaces what it names, without a context', async () => {
    const test = testApp();
    const first = etag(await put(test, 'one'));
    expect((await put(test, 'two', { 'if-match': first })).status).toBe(204);
    expect(await (await get(test)).text()).toBe('two');
    expect((await put(test, 'three', { 'if-match': first })).status).toBe(412);
    expect((await put(test, 'four', { 'if-match': `, "zz" ,,${etag(await get(test))},` })).status).toBe(204);
    expect((await put(test, 'five', { 'if-match': '*' })).status).toBe(204);
    expect((await remove(test, { 'if-match': first })).status).toBe(412);
    expect((await remove(test, { 'if-match': etag(await get(test)) })).status).toBe(204);
    expect((await put(test, 'six', { 'if-match': '*' })).status).toBe(412);
  });

  it('a weak tag never matches on a write', async () => {
    const test = testApp();
    const first = etag(await put(test, 'one'));
    expect((await put(test, 'two', { 'if-match': `W/${first}` })).status).toBe(412);
  });

  it.each<Record<string, string>>([
    { 'if-match': 'garbage' },
    { 'if-match': '"unclosed' },
    { 'if-match': '' },
    { 'if-match': '"a" "b"' },
    { 'if-match': '"a", b' },
    { 'if-match': ',' },
    { 'if-match': '*, "a"' },
    { 'if-none-match': '"a"' },
    { 'if-none-match': 'garbage' },
    { 'if-match': '"a"', 'if-none-match': '*' },
    { 'if-unmodified-since': 'Mon, 23 Nov 2026 12:00:00 GMT' },
    { 'content-range': 'bytes 0-1/2' },
  ])('%j cannot be checked, so nothing is written', async (headers) => {
    const test = testApp();
    for (const answer of [await put(test, 'x', headers), await remove(test, headers)]) {
      expect(answer.status).toBe(400);
      expect(await problemOfResponse(answer)).toMatchObject({ code: 'invalid_parameter' });
    }
    expect(test.port.submitted).toHaveLength(0);
  });
});

describe('preconditions of a get', () => {
  it('If-None-Match with the tag that is current is a 304, of one value or of several', async () => {
    const test = testApp();
    const first = etag(await put(test, 'one'));
    const answer = await get(test, { 'if-none-match': first });
    expect(answer.status).toBe(304);
    expect(await answer.text()).toBe('');
    expect(etag(answer)).toBe(first);
    expect(context(answer)).not.toBe('');
    expect((await get(test, { 'if-none-match': `W/${first}` })).status).toBe(304);
    expect((await get(test, { 'if-none-match': `"a", ${first}` })).status).toBe(304);
    expect((await get(test, { 'if-none-match': '*' })).status).toBe(304);
    expect((await get(test, { 'if-none-match': '"other"' })).status).toBe(200);
    await put(test, 'two');
    expect((await get(test, { 'if-none-match': first })).status).toBe(300);
    expect((await get(test, { 'if-none-match': etag(await get(test)) })).status).toBe(304);
  });

  it('If-Match with another tag is a 412', async () => {
    const test = testApp();
    const first = etag(await put(test, 'one'));
    expect((await get(test, { 'if-match': first })).status).toBe(200);
    expect((await get(test, { 'if-match': '"other"' })).status).toBe(412);
  });

  it('a key that is not there is a 404 whatever they say', async () => {
    expect((await get(testApp(), { 'if-none-match': '*', 'if-match': '"a"' })).status).toBe(404);
  });

  it('garbage is a 400, and a Range is answered whole', async () => {
    const test = testApp();
    await put(test, 'value');
    for (const [name, reason] of [
      ['if-none-match', 'if_none_match'],
      ['if-match', 'if_match'],
    ] as const) {
      const refused = await get(test, { [name]: 'garbage' });
      expect(refused.status).toBe(400);
      expect(await problemOfResponse(refused)).toMatchObject({ code: 'invalid_parameter', reason });
    }
    expect(test.port.submitted).toHaveLength(1);
    const ranged = await get(test, { range: 'bytes=0-1' });
    expect(ranged.status).toBe(200);
    expect(await ranged.text()).toBe('value');
  });
});

describe('an Idempotency-Key', () => {
  it('makes a replayed put the same write: one value, one tag', async () => {
    const test = testApp();
    const first = await put(test, 'x', { 'idempotency-key': 'order-1' });
    const again = await put(test, 'x', { 'idempotency-key': 'order-1' });
    expect(etag(again)).toBe(etag(first));
    expect(test.port.stateOf(KEY).siblings).toHaveLength(1);
    expect(test.port.stateOf(KEY).siblings[0]?.dots).toHaveLength(1);
  });

  it('makes a conditional put pass again when it was its own first attempt that changed what is there', async () => {
    const test = testApp();
    const headers = { 'if-none-match': '*', 'idempotency-key': '1' };
    const first = await put(test, 'x', headers);
    const again = await put(test, 'x', headers);
    expect(again.status).toBe(204);
    expect(etag(again)).toBe(etag(first));
    const matching = { 'if-match': etag(first), 'idempotency-key': '2' };
    expect((await put(test, 'y', matching)).status).toBe(204);
    expect((await put(test, 'y', matching)).status).toBe(204);
    expect(await (await get(test)).text()).toBe('y');
    // Another write under the same condition is another matter.
    expect((await put(test, 'z', { ...matching, 'idempotency-key': '3' })).status).toBe(412);
    expect((await put(test, 'z', { ...headers, 'idempotency-key': '4' })).status).toBe(412);
  });

  it('keeps a delete that is sent again from deleting what was written since', async () => {
    const test = testApp();
    await put(test, 'old');
    expect((await remove(test, { 'idempotency-key': '1' })).status).toBe(204);
    await put(test, 'new');
    expect((await remove(test, { 'idempotency-key': '1' })).status).toBe(204);
    const bodies = (await siblings(await get(test))).map(
      ({ body, headers }) => headers['circlet-deleted'] ?? body.toString(),
    );
    expect(bodies.toSorted()).toEqual(['new', 'true']);
  });

  it.each<[string, string, Record<string, string>]>([
    ['body', 'other', {}],
    ['type', 'x', { 'content-type': 'text/other' }],
    ['metadata', 'x', { 'circlet-meta-a': 'b' }],
  ])('with another %s is a 422, and the first write stands', async (_, body, headers) => {
    const test = testApp();
    await put(test, 'x', { 'idempotency-key': '1', 'content-type': 'text/plain' });
    const answer = await put(test, body, {
      'idempotency-key': '1',
      'content-type': 'text/plain',
      ...headers,
    });
    expect(answer.status).toBe(422);
    expect(await problemOfResponse(answer)).toMatchObject({ code: 'idempotency_mismatch' });
    expect(await (await get(test)).text()).toBe('x');
  });

  it.each(['', 'a b', 'x'.repeat(129), 'é'])('%j is a 400', async (key) => {
    const test = testApp();
    const answer = await put(test, 'x', { 'idempotency-key': key });
    expect(answer.status).toBe(400);
    expect(await problemOfResponse(answer)).toMatchObject({
      code: 'invalid_parameter',
      reason: 'idempotency_key',
    });
    expect(test.port.submitted).toHaveLength(0);
  });
});

describe('what a body may be', () => {
  it.each<Record<string, string>>([
    { 'content-encoding': 'gzip' },
    { 'content-encoding': 'br' },
    { 'content-encoding': 'identity, gzip' },
    { 'transfer-encoding': 'gzip, chunked' },
  ])('%j is a 415: a compressed body would be stored as what it is not', async (headers) => {
    const test = testApp();
    const answer = await put(test, 'x', headers);
    expect(answer.status).toBe(415);
    expect(await problemOfResponse(answer)).toMatchObject({ code: 'unsupported_media_type' });
    expect(test.port.submitted).toHaveLength(0);
  });

  it('identity is no encoding', async () => {
    expect((await put(testApp(), 'x', { 'content-encoding': 'Identity' })).status).toBe(204);
  });
});

describe('every quorum parameter is checked on every call, also where it has no effect', () => {
  const queries = [
    'r=0',
    'w=4',
    'pr=-1',
    'pw=NaN',
    'r=2.5',
    'w=1e9',
    'r=2&r=2',
    'r=2&%72=2',
    'rr=2',
    'n=3',
    'N=1',
    'timeout=5',
    'timeout=60001',
    'sloppy=no',
    'explain=2',
  ];
  it.each(queries)('%s', async (query) => {
    const test = testApp();
    const path = `${PATH}?${query}`;
    for (const answer of [
      await get(test, {}, path),
      await put(test, 'x', {}, path),
      await remove(test, {}, path),
    ]) {
      expect(answer.status).toBe(400);
      expect(await problemOfResponse(answer)).toMatchObject({ code: 'invalid_parameter' });
    }
    expect(test.port.submitted).toHaveLength(0);
  });

  it('and reaches the coordinator', async () => {
    const test = testApp();
    await get(test, {}, `${PATH}?r=3&pr=2&timeout=100&sloppy=false`);
    expect(test.port.submitted[0]?.quorum).toEqual({
      r: 3,
      rIsFirm: true,
      w: 2,
      pr: 2,
      pw: 0,
      sloppy: false,
      timeoutMs: 100,
    });
  });
});

describe('failures', () => {
  const failures: readonly [Failure, number, object][] = [
    [
      { code: 'quorum_unavailable', need: 2, got: 1, from: 'any', outcome: 'none' },
      503,
      { code: 'quorum_unavailable', need: 2, got: 1, from: 'any', outcome: 'none' },
    ],
    [
      { code: 'quorum_unavailable', need: 2, got: 1, from: 'owners', outcome: 'unknown' },
      503,
      { code: 'quorum_unavailable', need: 2, got: 1, from: 'owners', outcome: 'unknown' },
    ],
    [
      { code: 'timeout', need: 2, got: 1, from: 'any', outcome: 'unknown' },
      504,
      { code: 'timeout', need: 2, got: 1, outcome: 'unknown' },
    ],
    [{ code: 'too_many_siblings' }, 409, { code: 'too_many_siblings' }],
    [{ code: 'history_full' }, 409, { code: 'history_full' }],
    [{ code: 'idempotency_mismatch' }, 422, { code: 'idempotency_mismatch' }],
    [{ code: 'precondition_failed', etag: '"a"' }, 412, { code: 'precondition_failed', etag: '"a"' }],
    [
      { code: 'overloaded', outcome: 'none', retryAfterMs: 1_500 },
      429,
      { code: 'overloaded', outcome: 'none' },
    ],
    [
      { code: 'overloaded', outcome: 'unknown', retryAfterMs: 1 },
      503,
      { code: 'overloaded', outcome: 'unknown' },
    ],
    [{ code: 'internal', outcome: 'unknown' }, 500, { code: 'internal', outcome: 'unknown' }],
    [{ code: 'internal', outcome: undefined }, 500, { code: 'internal', outcome: 'unknown' }],
    [{ code: 'stale_replicas' }, 503, { code: 'stale_replicas', outcome: 'unknown' }],
  ];

  it.each(failures)('of a write: %j is a %i', async (failure, status, body) => {
    const test = testApp();
    test.port.failures.push(failure);
    const answer = await put(test, 'x');
    expect(answer.status).toBe(status);
    const problem = await problemOfResponse(answer);
    expect(problem).toMatchObject({ ...body, status, type: `urn:circlet:problem:${problem.code}` });
    expect(problem.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(problem.detail.length).toBeGreaterThan(20);
  });

  it.each([
    [1, '1'],
    [1_500, '2'],
  ])('of a cluster that is busy for %i ms say so in whole seconds', async (retryAfterMs, seconds) => {
    const test = testApp();
    test.port.failures.push({ code: 'overloaded', outcome: undefined, retryAfterMs });
    const answer = await get(test);
    expect(answer.status).toBe(429);
    expect(answer.headers.get('retry-after')).toBe(seconds);
  });

  it('of a get carry no outcome', async () => {
    const test = testApp();
    test.port.failures.push({ code: 'timeout', need: 2, got: 0, from: 'any', outcome: undefined });
    const problem = await problemOfResponse(await get(test));
    expect(problem).toMatchObject({ code: 'timeout', status: 504, need: 2, got: 0 });
    expect(problem).not.toHaveProperty('outcome');
  });

  it('W above the live replicas is a 503 before anything is written', async () => {
    const test = testApp();
    test.port.up = 1;
    const answer = await put(test, 'x', {}, `${PATH}?w=all`);
    expect(answer.status).toBe(503);
    expect(await problemOfResponse(answer)).toMatchObject({
      code: 'quorum_unavailable',
      need: 3,
      got: 1,
      outcome: 'none',
    });
    expect(test.port.keys).toBe(0);
  });

  it('of the coordinator itself are a 500 with an outcome, an alarm, and no stack in the answer', async () => {
    const test = testApp();
    test.port.submit = () => Promise.reject(new Error('secret detail'));
    const answer = await put(test, 'x');
    expect(answer.status).toBe(500);
    const text = await answer.text();
    expect(JSON.parse(text)).toMatchObject({ code: 'internal', outcome: 'unknown' });
    expect(text).not.toMatch(/secret|Error:|\.ts|at /);
    expect(test.log).toContainEqual(expect.objectContaining({ level: 'alarm', event: 'submit_failed' }));
    expect(await problemOfResponse(await get(test))).not.toHaveProperty('outcome');
  });

  it('a body that does not match its checksum is a 500 and an alarm, never wrong bytes', async () => {
    const test = testApp();
    await put(test, 'the value');
    test.port.alter(KEY, (state) => ({
      ...state,
      siblings: state.siblings.map((sibling) => ({
        ...sibling,
        body: sibling.body.map((byte, i) => (i === 30 ? byte ^ 1 : byte)),
      })),
    }));
    const answer = await get(test);
    expect(answer.status).toBe(500);
    const text = await answer.text();
    expect(JSON.parse(text)).toMatchObject({ code: 'internal' });
    expect(text).not.toContain('value');
    expect(test.log).toContainEqual(expect.objectContaining({ level: 'alarm', event: 'value_damaged' }));
  });
});

describe('what a browser may do with a value', () => {
  it('is not to guess its type, not to run it as a page of ours, and not to answer from its cache unasked', async () => {
    const test = testApp();
    await put(test, '<script>', { 'content-type': 'text/html' });
    const read = await get(test);
    expect(read.headers.get('x-content-type-options')).toBe('nosniff');
    expect(read.headers.get('content-security-policy')).toBe('sandbox');
    expect(read.headers.get('cache-control')).toBe('no-cache');
  });
});
