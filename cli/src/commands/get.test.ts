import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Ran, jsonOf, runCli, startCli, temporaryFolder } from '../cli.case.ts';
import { CircletClient } from '../client/client.ts';
import { FakeServer, problemBody } from '../fake-server.case.ts';

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

async function get(...args: string[]): Promise<Ran> {
  return await runCli(['get', '--url', fake.url, ...args]);
}

async function twoSiblings(): Promise<void> {
  await client.put('b', 'k', Buffer.from('one'), { contentType: 'text/plain' });
  await client.put('b', 'k', Buffer.from([0, 1, 2]));
}

const everyByte = Buffer.from(Array.from({ length: 4 * 256 }, (_, i) => i % 256));

test('the value goes to stdout untouched, and nothing else goes anywhere', async () => {
  await client.put('b', 'k', everyByte);
  expect(await get('b', 'k')).toEqual({ code: 0, stdout: everyByte, stderr: '' });
});

test('an empty value is a value', async () => {
  await client.put('b', 'k', Buffer.alloc(0));
  expect(await get('b', 'k')).toEqual({ code: 0, stdout: Buffer.alloc(0), stderr: '' });
});

test('a large value through a pipe arrives whole', async () => {
  const value = Buffer.alloc(500_000, everyByte);
  await client.put('b', 'k', value);
  expect((await get('b', 'k')).stdout.equals(value)).toBe(true);
});

test('a key that is not there: exit code 3, one line on stderr, nothing on stdout', async () => {
  expect(await get('b', 'k')).toEqual({
    code: 3,
    stdout: Buffer.alloc(0),
    stderr: 'circlet: b/k not found.\n',
  });
});

test('a deleted key is not found either, and JSON has the context to write it again', async () => {
  await client.put('b', 'k', Buffer.from('v'));
  await client.delete('b', 'k');
  const ran = await get('b', 'k', '-o', 'json');
  expect([ran.code, ran.stderr]).toEqual([3, 'circlet: b/k not found: it was deleted.\n']);
  expect(jsonOf(ran)).toEqual({
    bucket: 'b',
    key: 'k',
    status: 'missing',
    context: expect.any(String),
    siblings: [],
  });
});

test('JSON has one shape for one value', async () => {
  const { context, etag } = await client.put('b', 'k', Buffer.from('v'), {
    contentType: 'text/plain',
    meta: { a: 'b' },
  });
  const ran = await get('b', 'k', '-o', 'json');
  expect(ran.code).toBe(0);
  expect(jsonOf(ran)).toEqual({
    bucket: 'b',
    key: 'k',
    status: 'value',
    context,
    siblings: [
      {
        etag,
        contentType: 'text/plain',
        lastModified: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        meta: { a: 'b' },
        deleted: false,
        bytes: 1,
        valueBase64: 'dg==',
      },
    ],
  });
});

test('siblings: exit code 4, a table, and an explanation on stderr', async () => {
  await twoSiblings();
  const ran = await get('b', 'k');
  expect(ran.code).toBe(4);
  const [titles, first, second, ...rest] = ran.stdout.toString().split('\n');
  expect(titles).toMatch(/^ETAG +SIZE +TYPE +TIME +DELETED$/);
  expect(first).toMatch(/^"\w+" +3 B +text\/plain +\d{4}-\S+Z +no$/);
  expect(second).toMatch(/^"\w+" +3 B +application\/octet-stream +\d{4}-\S+Z +no$/);
  expect(rest).toEqual(['']);
  expect(ran.stderr).toContain('circlet: b/k has 2 concurrent values, and none was chosen.\n');
});

test('siblings as JSON hold every value and one context that resolves them', async () => {
  await twoSiblings();
  const ran = await get('b', 'k', '-o', 'json');
  expect(ran.code).toBe(4);
  const document: { context: string } = JSON.parse(ran.stdout.toString());
  expect(document).toMatchObject({
    status: 'siblings',
    siblings: [{ valueBase64: 'b25l', deleted: false }, { valueBase64: 'AAEC' }],
  });
  expect(
    (await runCli(['put', '--url', fake.url, 'b', 'k', 'merged', '--context', document.context])).code,
  ).toBe(0);
  expect((await get('b', 'k')).stdout.toString()).toBe('merged');
});

test('a live value beside a concurrent delete is two siblings', async () => {
  const { context } = await client.put('b', 'k', Buffer.from('one'));
  await client.put('b', 'k', Buffer.from('two'));
  await client.delete('b', 'k', { context });
  const ran = await get('b', 'k');
  expect(ran.code).toBe(4);
  expect(ran.stdout.toString()).toMatch(/- +- +\S+ +yes\n/);
});

test('--output writes the value to a file, and leaves it alone when there are siblings', async () => {
  using folder = temporaryFolder();
  const file = folder.file('value');
  await client.put('b', 'k', everyByte);
  expect(await get('b', 'k', '--output', file)).toEqual({ code: 0, stdout: Buffer.alloc(0), stderr: '' });
  expect(readFileSync(file).equals(everyByte)).toBe(true);

  await client.put('b', 'k', Buffer.from('two'));
  const ran = await get('b', 'k', '--output', file);
  expect(ran.code).toBe(4);
  expect(ran.stderr).toContain(`${file} was not written.`);
  expect(readFileSync(file).equals(everyByte)).toBe(true);
});

test('--output to a place that does not exist says so', async () => {
  await client.put('b', 'k', everyByte);
  const ran = await get('b', 'k', '--output', '/no/such/folder/x');
  expect([ran.code, ran.stderr]).toEqual([
    1,
    'circlet: cannot write /no/such/folder/x: no such file or directory.\n',
  ]);
});

test('options travel to the coordinator', async () => {
  const { context = '' } = await client.put('b', 'k', everyByte);
  await get(
    'b',
    'k',
    '--r',
    'one',
    '--w',
    '2',
    '--pr',
    '1',
    '--pw',
    'all',
    '--sloppy',
    'false',
    '--timeout',
    '700ms',
    '--context',
    context,
  );
  const last = fake.seen.at(-1);
  expect(Object.fromEntries(last?.query ?? [])).toEqual({
    r: 'one',
    w: '2',
    pr: '1',
    pw: 'all',
    sloppy: 'false',
    timeout: '700',
  });
  expect(last?.headers['circlet-context']).toBe(context);
});

test('a quorum that was missed: what was needed, what was there, and what to do', async () => {
  fake.trick = () => ({
    kind: 'answer',
    status: 503,
    body: problemBody(503, 'quorum_unavailable', { need: 2, got: 1, from: 'owners' }),
  });
  const ran = await get('b', 'k', '--pr', '2');
  expect(ran).toEqual({
    code: 5,
    stdout: Buffer.alloc(0),
    stderr:
      'circlet: cannot read b/k: quorum_unavailable (503): needed 2 replicas among the owners, got 1. "circlet status" shows which nodes are down. [trace feed]\n',
  });
});

test('--retry-for reads again until it works', async () => {
  await client.put('b', 'k', everyByte);
  let reads = 0;
  fake.trick = () =>
    ++reads < 4 ? { kind: 'answer', status: 503, body: problemBody(503, 'stale_replicas') } : undefined;
  expect(await get('b', 'k', '--retry-for', '30s')).toMatchObject({ code: 0, stderr: '' });
  expect(reads).toBe(4);
});

test('a reader that closes the pipe early causes no noise', async () => {
  await client.put('b', 'k', Buffer.alloc(500_000));
  const running = startCli(['get', '--url', fake.url, 'b', 'k']);
  running.child.stdout?.destroy();
  expect(await running.done).toMatchObject({ code: 0, stderr: '' });
});
