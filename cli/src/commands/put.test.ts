import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Ran, jsonOf, runCli, startCli, temporaryFolder } from '../cli.case.ts';
import { FakeServer, VALUE_BYTES_MAX, problemBody } from '../fake-server.case.ts';

let fake: FakeServer;

beforeEach(async () => {
  fake = await FakeServer.start();
});

afterEach(async () => {
  await fake.stop();
});

async function put(args: readonly string[], stdin?: Buffer): Promise<Ran> {
  return await runCli(['put', '--url', fake.url, ...args], stdin === undefined ? {} : { stdin });
}

const binary = Buffer.from([0, 255, 10, 13, 10, 128]);

test('a value from the command line, silently', async () => {
  expect(await put(['b', 'k', 'Grüezi'])).toEqual({ code: 0, stdout: Buffer.alloc(0), stderr: '' });
  expect(fake.values('b', 'k')).toEqual([Buffer.from('Grüezi')]);
  expect(fake.seen[0]?.headers['content-type']).toBe('application/octet-stream');
});

test('a value from stdin or from a file, byte for byte', async () => {
  using folder = temporaryFolder();
  const file = folder.file('value');
  writeFileSync(file, binary);
  expect((await put(['b', 'stdin', '-'], binary)).code).toBe(0);
  expect((await put(['b', 'file', '--file', file])).code).toBe(0);
  expect((await put(['b', 'empty', '-'], Buffer.alloc(0))).code).toBe(0);
  expect([fake.values('b', 'stdin'), fake.values('b', 'file'), fake.values('b', 'empty')]).toEqual([
    [binary],
    [binary],
    [Buffer.alloc(0)],
  ]);
});

test('a value that looks like an option goes after --', async () => {
  expect((await put(['b', 'k', '--', '-5'])).code).toBe(0);
  expect(fake.values('b', 'k')).toEqual([Buffer.from('-5')]);
});

test('type, metadata and context travel along; JSON gives the next context', async () => {
  const first = await put([
    'b',
    'k',
    'one',
    '-o',
    'json',
    '--content-type',
    'text/plain',
    '--meta',
    'colour=dark red',
    '--meta',
    'Size=',
  ]);
  expect(fake.seen[0]?.headers).toMatchObject({
    'content-type': 'text/plain',
    'circlet-meta-colour': 'dark red',
    'circlet-meta-size': '',
  });
  const document: { context: string; etag: string } = JSON.parse(first.stdout.toString());
  expect(document).toEqual({
    bucket: 'b',
    key: 'k',
    context: expect.any(String),
    etag: expect.any(String),
    idempotencyKey: expect.any(String),
  });
  const { context, etag } = document;
  expect((await put(['b', 'k', 'two', '--context', context])).code).toBe(0);
  expect(fake.values('b', 'k')).toEqual([Buffer.from('two')]);
  expect(await put(['b', 'k', 'three', '--if-match', etag])).toEqual({
    code: 7,
    stdout: Buffer.alloc(0),
    stderr:
      'circlet: cannot write b/k: precondition_failed (412). Nothing was written. Read the key again and decide anew. [trace feed]\n',
  });
});

test('--if-absent writes once', async () => {
  expect((await put(['b', 'k', 'one', '--if-absent'])).code).toBe(0);
  expect((await put(['b', 'k', 'two', '--if-absent'])).code).toBe(7);
  expect(fake.values('b', 'k')).toEqual([Buffer.from('one')]);
});

test('503 at first: with --retry-for it is stored once, without it the command says that nothing was written', async () => {
  let calls = 0;
  fake.trick = () =>
    ++calls < 3
      ? { kind: 'answer', status: 503, body: problemBody(503, 'overloaded', { outcome: 'none' }) }
      : undefined;
  const ran = await put(['b', 'k', 'v']);
  expect(ran.code).toBe(5);
  expect(ran.stderr).toMatch(/^circlet: cannot write b\/k: overloaded \(503\).* Nothing was written\. .*\n$/);
  expect((await put(['b', 'k', 'v', '--retry-for', '30s'])).code).toBe(0);
  expect([calls, fake.writes]).toEqual([3, 1]);
});

test('an unknown outcome says so, and the command it offers makes it one write', async () => {
  fake.trick = ({ headers }) =>
    fake.puts().filter((each) => each.headers['idempotency-key'] === headers['idempotency-key']).length === 1
      ? { kind: 'doThenAnswer', status: 504, body: problemBody(504, 'timeout', { outcome: 'unknown' }) }
      : undefined;
  const ran = await put(['b', 'k', 'v']);
  expect(ran.code).toBe(5);
  expect(ran.stderr).toMatch(
    /The write may have happened, or appear later\. Run it again with --idempotency-key \S+: however often/,
  );
  const key = /--idempotency-key ([\w-]+)/.exec(ran.stderr)?.[1] ?? '';
  expect((await put(['b', 'k', 'v', '--idempotency-key', key])).code).toBe(0);
  expect([fake.puts().length, fake.writes]).toEqual([2, 1]);
  // The same within one run.
  expect((await put(['b', 'l', 'v', '--retry-for', '30s'])).code).toBe(0);
  expect([fake.puts().length, fake.writes]).toEqual([4, 2]);
});

test('Ctrl-C while the write is under way does not pretend that nothing happened', async () => {
  fake.trick = () => ({ kind: 'wait', until: new Promise(() => undefined) });
  const running = startCli(['put', '--url', fake.url, 'b', 'k', 'v']);
  await expect.poll(() => fake.seen.length, { timeout: 20_000 }).toBe(1);
  running.child.kill('SIGINT');
  const ran = await running.done;
  expect(ran.code).toBe(130);
  expect(ran.stderr).toMatch(
    /^circlet: interrupted\. The write may have happened, or appear later\. .*--idempotency-key/,
  );
});

test.each([
  ['unknown', 5, 'The write may have happened, or appear later.'],
  ['none', 1, 'Nothing was written.'],
])('a bug of the cluster with outcome %s ends with %i', async (outcome, code, message) => {
  fake.trick = () => ({ kind: 'answer', status: 500, body: problemBody(500, 'internal', { outcome }) });
  const ran = await put(['b', 'k', 'v']);
  expect(ran.code).toBe(code);
  expect(ran.stderr).toContain(message);
});

test('a condition that fails after an unknown outcome is not taken for an answer', async () => {
  await put(['b', 'k', "somebody else's"]);
  let calls = 0;
  fake.trick = () => (++calls === 1 ? { kind: 'drop' } : undefined);
  const ran = await put(['b', 'k', 'v', '--if-absent', '--retry-for', '30s']);
  expect(ran.code).toBe(5);
  expect(ran.stderr).toContain('The write may have happened, or appear later. Read the key to find out.');
});

test("a repeat passes the condition that its own first attempt would fail, as the cluster's contract says", async () => {
  let calls = 0;
  fake.trick = () => (++calls === 1 ? { kind: 'doThenDrop' } : undefined);
  const ran = await put(['b', 'k', 'v', '--if-absent', '--retry-for', '30s']);
  expect([ran.code, fake.writes]).toEqual([0, 1]);
});

test('the same idempotency key with another value is refused', async () => {
  expect((await put(['b', 'k', 'one', '--idempotency-key', 'i'])).code).toBe(0);
  const ran = await put(['b', 'k', 'two', '--idempotency-key', 'i']);
  expect(ran.code).toBe(1);
  expect(ran.stderr).toMatch(/idempotency_mismatch \(422\).* Nothing was written\./);
});

test('a value over the limit is refused by the cluster, in one line', async () => {
  const ran = await put(['b', 'k', '-'], Buffer.alloc(VALUE_BYTES_MAX + 1));
  expect([ran.code, ran.stderr]).toEqual([
    1,
    `circlet: cannot write b/k: value_too_large (413): the value is ${VALUE_BYTES_MAX + 1} bytes, and ${VALUE_BYTES_MAX} is the most. Nothing was written. [trace feed]\n`,
  ]);
});

test('a context of another key is refused', async () => {
  const { context }: { context: string } = JSON.parse(
    String((await put(['b', 'k', 'v', '-o', 'json'])).stdout),
  );
  const ran = await put(['b', 'other', 'v', '--context', context]);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain(
    'invalid_context (400): this context is not of this key. Nothing was written.',
  );
});

test.each([
  [['b', 'k'], 'no value. Give VALUE, --file FILE, or - to read standard input.'],
  [['b', 'k', 'v', '--file', 'x'], 'VALUE and --file exclude each other. Give one.'],
  [['b', '..', 'v'], 'the key is "..", which a path cannot carry. Give another.'],
  [['', 'k', 'v'], 'the bucket is empty. Give another.'],
  [
    ['b', 'k', 'v', '--if-absent', '--if-match', '"e"'],
    '--if-absent and --if-match exclude each other. Give one.',
  ],
])('%j is a mistake in the command line', async (args, message) => {
  expect(await put(args)).toEqual({ code: 2, stdout: Buffer.alloc(0), stderr: `circlet: ${message}\n` });
  expect(fake.seen).toEqual([]);
});

test('a file that cannot be read says so', async () => {
  const ran = await put(['b', 'k', '--file', '/no/such/file']);
  expect([ran.code, ran.stderr]).toEqual([
    1,
    'circlet: cannot read /no/such/file: no such file or directory.\n',
  ]);
});

test('delete: once it is there, once it is not, and both succeed', async () => {
  await put(['b', 'k', 'v']);
  const first = await runCli(['delete', '--url', fake.url, 'b', 'k', '-o', 'json']);
  expect(first.code).toBe(0);
  expect(jsonOf(first)).toEqual({
    bucket: 'b',
    key: 'k',
    context: expect.any(String),
    etag: null,
    idempotencyKey: expect.any(String),
  });
  expect(fake.values('b', 'k')).toEqual([]);
  expect(await runCli(['delete', '--url', fake.url, 'b', 'nothing'])).toEqual({
    code: 0,
    stdout: Buffer.alloc(0),
    stderr: '',
  });
});

test('a delete has an idempotency key, its own or the one that it is given, and tells it', async () => {
  const keys = () => fake.seen.map((each) => each.headers['idempotency-key']);
  const own = await runCli(['delete', '--url', fake.url, 'b', 'k', '-o', 'json']);
  const { idempotencyKey }: { idempotencyKey: string } = JSON.parse(String(own.stdout));
  await runCli(['delete', '--url', fake.url, 'b', 'k', '--idempotency-key', 'mine']);
  expect(keys()).toEqual([idempotencyKey, 'mine']);

  fake.trick = () => ({ kind: 'drop' });
  const lost = await runCli(['delete', '--url', fake.url, 'b', 'k', '--idempotency-key', 'again']);
  expect(lost.code).toBe(5);
  expect(lost.stderr).toContain('Run it again with --idempotency-key again: ');
});

test('delete with a context leaves what that did not see', async () => {
  const { context }: { context: string } = JSON.parse(
    String((await put(['b', 'k', 'one', '-o', 'json'])).stdout),
  );
  await put(['b', 'k', 'two']);
  expect((await runCli(['delete', '--url', fake.url, 'b', 'k', '--context', context])).code).toBe(0);
  expect(fake.values('b', 'k')).toEqual([Buffer.from('two')]);
});
