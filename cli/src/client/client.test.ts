import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeServer, problemBody } from '../fake-server.case.ts';
import { CircletClient } from './client.ts';
import {
  CircletError,
  LostAnswerError,
  ProblemError,
  UnexpectedAnswerError,
  UnreachableError,
} from './errors.ts';

let fake: FakeServer;
let client: CircletClient;

beforeEach(async () => {
  fake = await FakeServer.start();
  client = new CircletClient({ urls: [fake.url] });
});

afterEach(async () => {
  client.close();
  await fake.stop();
});

const bytes = (text: string): Buffer => Buffer.from(text);

/** A port on which nobody listens. */
async function deadUrl(): Promise<string> {
  const other = await FakeServer.start();
  const { url } = other;
  await other.stop();
  return url;
}

test('a value comes back as it was put, with its type and metadata', async () => {
  const value = Buffer.from([0, 255, 10, 13, 128]);
  const written = await client.put('b', 'k', value, { contentType: 'image/x', meta: { colour: 'red' } });
  const found = await client.get('b', 'k');
  expect(found).toMatchObject({
    kind: 'value',
    context: written.context,
    sibling: { value, contentType: 'image/x', meta: { colour: 'red' }, deleted: false },
  });
});

test.each(['a/b', 'ü ?#%&+', '%2e%2e', '..%2f', '東京', ' ', '+', ';='])(
  'the key %j arrives byte by byte',
  async (key) => {
    await client.put('b/1', key, bytes('v'));
    expect(fake.keys).toEqual([`b/1/${key}`]);
    expect(await client.get('b/1', key)).toMatchObject({ kind: 'value' });
  },
);

test('writes that did not see each other are siblings, and a context that covers them resolves them', async () => {
  await client.put('b', 'k', bytes('one'), { contentType: 'text/plain' });
  await client.put('b', 'k', bytes('two'));
  const found = await client.get('b', 'k');
  expect(found.kind === 'siblings' && found.siblings.map((sibling) => sibling.value.toString())).toEqual([
    'one',
    'two',
  ]);
  await client.put('b', 'k', bytes('both'), { context: found.context });
  expect(await client.get('b', 'k')).toMatchObject({ kind: 'value', sibling: { value: bytes('both') } });
});

test('a delete concurrent with a write is a sibling that says so', async () => {
  const first = await client.put('b', 'k', bytes('one'));
  await client.put('b', 'k', bytes('two'));
  await client.delete('b', 'k', { context: first.context });
  const found = await client.get('b', 'k');
  expect(
    found.kind === 'siblings' && found.siblings.map(({ deleted, value }) => [deleted, value.length]),
  ).toEqual([
    [false, 3],
    [true, 0],
  ]);
});

test('what is not there is missing, and a deleted key has a context', async () => {
  expect(await client.get('b', 'k')).toEqual({ kind: 'missing', context: undefined });
  await client.put('b', 'k', bytes('v'));
  await client.delete('b', 'k');
  expect(await client.get('b', 'k')).toEqual({ kind: 'missing', context: expect.any(String) });
});

test('quorum parameters and the deadline travel as the query', async () => {
  const strict = new CircletClient({
    urls: [fake.url],
    timeoutMs: 750,
    quorum: { r: '1', pw: 'quorum', sloppy: false },
  });
  await strict.put('b', 'k', bytes('v'));
  expect(Object.fromEntries(fake.seen[0]?.query ?? [])).toEqual({
    r: '1',
    pw: 'quorum',
    sloppy: 'false',
    timeout: '750',
  });
  strict.close();
});

test('a problem keeps everything it said', async () => {
  fake.trick = () => ({
    kind: 'answer',
    status: 503,
    headers: { 'retry-after': '2' },
    body: problemBody(503, 'quorum_unavailable', {
      need: 2,
      got: 1,
      from: 'owners',
      outcome: 'unknown',
      detail: 'one owner',
    }),
  });
  const error: unknown = await client.put('b', 'k', bytes('v')).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ProblemError);
  expect(error).toMatchObject({
    code: 'quorum_unavailable',
    outcome: 'unknown',
    retryable: true,
    retryAfterMs: 2_000,
    problem: { need: 2, got: 1, from: 'owners', traceId: 'feed', detail: 'one owner' },
  });
});

test('a 5xx without an outcome may be from a proxy: a write is unknown, a read has no outcome', async () => {
  fake.trick = () => ({
    kind: 'answer',
    status: 502,
    headers: { 'content-type': 'text/html' },
    body: '<h1>Bad Gateway</h1>',
  });
  await expect(client.put('b', 'k', bytes('v'))).rejects.toMatchObject({
    code: 'http_502',
    outcome: 'unknown',
    retryable: true,
  });
  await expect(client.get('b', 'k')).rejects.toMatchObject({
    code: 'http_502',
    outcome: undefined,
    retryable: true,
  });
});

test('a 4xx to a write did not happen, whoever says it', async () => {
  fake.trick = () => ({
    kind: 'answer',
    status: 413,
    body: 'Request Entity Too Large',
    headers: { 'content-type': 'text/plain' },
  });
  await expect(client.put('b', 'k', bytes('v'))).rejects.toMatchObject({
    code: 'http_413',
    outcome: 'none',
    retryable: false,
  });
});

test('another web server is not taken for a cluster without the key', async () => {
  fake.trick = () => ({
    kind: 'answer',
    status: 404,
    body: 'no such page',
    headers: { 'content-type': 'text/html' },
  });
  await expect(client.get('b', 'k')).rejects.toMatchObject({ code: 'http_404' });
  fake.trick = () => ({
    kind: 'answer',
    status: 200,
    body: '<html>',
    headers: { 'content-type': 'text/html' },
  });
  await expect(client.put('b', 'k', bytes('v'))).rejects.toThrow(UnexpectedAnswerError);
  await expect(client.cluster()).rejects.toThrow(UnexpectedAnswerError);
  fake.trick = () => ({ kind: 'answer', status: 204, body: '', headers: {} });
  await expect(client.put('b', 'k', bytes('v'))).rejects.toThrow('204 without a Circlet-Context');
});

test.each([
  ['{"siblings": 7}', '"siblings" is not a list'],
  ['{"siblings": [{"valueBase64": "a*b"}]}', '"valueBase64" is not base64'],
  ['{"siblings": [7]}', 'siblings[0] is not an object'],
  ['--boundary', 'not JSON'],
])('siblings such as %s are refused', async (body, message) => {
  fake.trick = () => ({ kind: 'answer', status: 300, body, headers: { 'content-type': 'application/json' } });
  await expect(client.get('b', 'k')).rejects.toThrow(message);
});

test('with one coordinator gone, calls go to the other at once', async () => {
  const pair = new CircletClient({ urls: [await deadUrl(), fake.url] });
  for (let i = 0; i < 4; i++) await pair.put('b', `k${i}`, bytes('v'), { idempotencyKey: `i${i}` });
  await pair.delete('b', 'k0');
  expect(fake.seen.length).toBe(5);
  pair.close();
});

test('with all coordinators gone, the error names them, and nothing was written', async () => {
  const urls = [await deadUrl(), await deadUrl()];
  const lost = new CircletClient({ urls });
  const error: unknown = await lost.put('b', 'k', bytes('v')).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(UnreachableError);
  expect(error).toMatchObject({
    outcome: 'none',
    message: `${urls[0]}: connection refused; ${urls[1]}: connection refused`,
  });
  await expect(lost.get('b', 'k')).rejects.toMatchObject({ outcome: undefined });
  lost.close();
});

test('a write whose answer is lost goes to the next coordinator only if it may be repeated', async () => {
  const other = await FakeServer.start();
  const pair = new CircletClient({ urls: [fake.url, other.url] });
  fake.trick = () => ({ kind: 'doThenDrop' });
  await expect(pair.put('b', 'k', bytes('v'))).rejects.toThrow(LostAnswerError);
  expect(other.seen.length).toBe(0);
  const pairAgain = new CircletClient({ urls: [fake.url, other.url] });
  await pairAgain.put('b', 'k', bytes('v'), { idempotencyKey: 'i' });
  expect(other.seen.length).toBe(1);
  const deleting = new CircletClient({ urls: [fake.url, other.url] });
  await expect(deleting.delete('b', 'k')).rejects.toThrow(LostAnswerError);
  expect(other.seen.length).toBe(1);
  const deletingAgain = new CircletClient({ urls: [fake.url, other.url] });
  await deletingAgain.delete('b', 'k', { idempotencyKey: 'd' });
  expect(other.seen.length).toBe(2);
  const third = new CircletClient({ urls: [fake.url, other.url] });
  await expect(
    third.put('b', 'k', bytes('v'), { idempotencyKey: 'j', ifAbsent: true }),
  ).rejects.toMatchObject({ outcome: 'unknown' });
  for (const each of [pair, pairAgain, deleting, deletingAgain, third]) each.close();
  await other.stop();
});

test('a coordinator that never answers is given up after the deadline and a grace', async () => {
  fake.trick = () => ({ kind: 'wait', until: new Promise(() => undefined) });
  const hasty = new CircletClient({ urls: [fake.url], timeoutMs: 10 });
  await expect(hasty.put('b', 'k', bytes('v'))).rejects.toMatchObject({
    code: 'lost_answer',
    outcome: 'unknown',
    message: expect.stringContaining('no answer within 2010 ms'),
  });
  hasty.close();
});

test('an answer that trickles for longer than the deadline is not given up', async () => {
  const slow = http.createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' });
    let sent = 0;
    const timer = setInterval(() => {
      response.write('x');
      if (++sent === 12) {
        clearInterval(timer);
        response.end();
      }
    }, 200);
  });
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
  const port = portOf(slow);
  const patient = new CircletClient({ urls: [`http://127.0.0.1:${port}`], timeoutMs: 10 });
  expect(await patient.get('b', 'k')).toMatchObject({ sibling: { value: bytes('x'.repeat(12)) } });
  patient.close();
  slow.closeAllConnections();
  slow.close();
});

test('a refusal counts although the server does not take the whole upload', async () => {
  const curt = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(
        'HTTP/1.1 413 Too Large\r\ncontent-type: text/plain\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig',
      );
    });
  });
  await new Promise<void>((resolve) => curt.listen(0, '127.0.0.1', resolve));
  const small = new CircletClient({ urls: [`http://127.0.0.1:${portOf(curt)}`] });
  await expect(small.put('b', 'k', Buffer.alloc(8 * 1024 * 1024))).rejects.toMatchObject({
    status: 413,
    outcome: 'none',
  });
  small.close();
  curt.close();
});

test('an answer that breaks off is a lost answer', async () => {
  const torn = net.createServer((socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'));
  });
  await new Promise<void>((resolve) => torn.listen(0, '127.0.0.1', resolve));
  const reader = new CircletClient({ urls: [`http://127.0.0.1:${portOf(torn)}`] });
  await expect(reader.get('b', 'k')).rejects.toThrow(UnreachableError);
  await expect(reader.put('b', 'k', bytes('v'))).rejects.toThrow(LostAnswerError);
  reader.close();
  torn.close();
});

test('a batch gives each operation its own result', async () => {
  fake.trick = ({ path }) =>
    path.endsWith('/bad')
      ? { kind: 'answer', status: 503, body: problemBody(503, 'overloaded', { outcome: 'none' }) }
      : undefined;
  const results = await client.putBatch([
    { bucket: 'b', key: 'good', value: bytes('1'), idempotencyKey: 'i' },
    { bucket: 'b', key: 'bad', value: bytes('2'), idempotencyKey: 'j' },
  ]);
  expect(results[0]).toEqual({ context: expect.any(String), etag: expect.any(String) });
  expect(results[1]).toBeInstanceOf(CircletError);
  expect(results[1]).toMatchObject({ code: 'overloaded', retryable: true, outcome: 'none' });
  expect(fake.values('b', 'good')).toEqual([bytes('1')]);
});

test('a batch that answers fewer results than it was asked is not guessed at', async () => {
  fake.trick = () => ({
    kind: 'answer',
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: { results: [] },
  });
  await expect(client.putBatch([{ bucket: 'b', key: 'k', value: bytes('1') }])).rejects.toMatchObject({
    code: 'unexpected_answer',
    outcome: 'unknown',
  });
});

test('a view into a larger buffer is sent as the view', async () => {
  const whole = bytes('abcdef');
  await client.putBatch([{ bucket: 'b', key: 'k', value: whole.subarray(2, 4) }]);
  expect(fake.values('b', 'k')).toEqual([bytes('cd')]);
});

test('a path before /v1 stays, for a coordinator behind a proxy', async () => {
  const behind = new CircletClient({ urls: [`${fake.url}/circlet`] });
  await behind.get('b', 'k').catch(() => undefined);
  expect(fake.seen[0]?.path).toBe('/circlet/v1/kv/b/k');
  behind.close();
});

test('nodes without counts are still listed', async () => {
  fake.nodes = [{ name: 'n', state: 'active', status: 'down', keys: null, hints: null }];
  expect(await client.nodes()).toMatchObject([{ name: 'n', keys: undefined, hints: { held: undefined } }]);
});

function portOf(server: net.Server): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  return address.port;
}
