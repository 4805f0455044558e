import type { IncomingHttpHeaders } from 'node:http';
import { appendFileSync, closeSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Ran, runCli, startCli, temporaryFolder } from '../cli.case.ts';
import { FakeServer, VALUE_BYTES_MAX, problemBody } from '../fake-server.case.ts';
import type { ErrorEntry } from '../import/errors-file.ts';
import type { Report } from '../import/report.ts';

let fake: FakeServer;
let folder: ReturnType<typeof temporaryFolder>;

beforeEach(async () => {
  fake = await FakeServer.start();
  folder = temporaryFolder();
});

afterEach(async () => {
  folder[Symbol.dispose]();
  await fake.stop();
});

function input(name: string, lines: readonly string[]): string {
  const file = folder.file(name);
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  return file;
}

function people(count: number): string[] {
  return Array.from({ length: count }, (_, i) => JSON.stringify({ id: `p${i}`, name: `Person ${i}` }));
}

async function importFile(file: string, ...args: string[]): Promise<Ran> {
  return await runCli(['import', 'b', file, '--key', 'id', '--url', fake.url, ...args]);
}

function reportIn(ran: Ran): Report {
  const report: Report = JSON.parse(ran.stdout.toString());
  return report;
}

function entriesIn(errorsFile: string): ErrorEntry[] {
  const lines = readFileSync(errorsFile, 'utf8').trimEnd().split('\n');
  return lines.map((line): ErrorEntry => JSON.parse(line));
}

const firstAttempt = (headers: IncomingHttpHeaders): boolean =>
  fake.puts().filter((each) => each.headers['idempotency-key'] === headers['idempotency-key']).length === 1;

test('NDJSON: every line under its key, byte for byte, and a report', async () => {
  const file = input('people.ndjson', [...people(200), '{"id":"ü/x",  "n":1.0}']);
  const ran = await importFile(file, '-o', 'json');
  expect([ran.code, ran.stderr]).toEqual([0, '']);
  expect(reportIn(ran)).toMatchObject({
    bucket: 'b',
    source: file,
    ending: 'finished',
    records: 201,
    stored: 201,
    alreadyThere: null,
    failed: 0,
    unsettled: 0,
    retries: 0,
    errors: {},
  });
  expect(fake.values('b', 'p7').map(String)).toEqual(['{"id":"p7","name":"Person 7"}']);
  expect(fake.values('b', 'ü/x').map(String)).toEqual(['{"id":"ü/x",  "n":1.0}']);
  expect(fake.seen[0]?.headers['content-type']).toBe('application/json');
});

test('CSV: quotes, newlines and a byte order mark; the row as JSON', async () => {
  const file = folder.file('people.csv');
  writeFileSync(file, '\uFEFFid,note\r\n1,"a ""b"",\nc"\r\n2,\r\n');
  expect((await importFile(file)).code).toBe(0);
  expect(fake.values('b', '1').map(String)).toEqual([String.raw`{"id":"1","note":"a \"b\",\nc"}`]);
  expect(fake.values('b', '2').map(String)).toEqual(['{"id":"2","note":""}']);
});

test('from stdin, with one field as the value', async () => {
  const ran = await runCli(
    ['import', 'b', '-', '--format', 'ndjson', '--key', 'id', '--value', 'name', '--url', fake.url],
    { stdin: people(3).join('\n') },
  );
  expect(ran.code).toBe(0);
  expect(fake.values('b', 'p2').map(String)).toEqual(['Person 2']);
  expect(ran.stdout.toString()).toMatch(/^records +3 read from -\n/);
});

test('running the same file again stores nothing twice, repeated records included', async () => {
  const file = input('people.ndjson', [...people(50), ...people(5), '{"id":"p0","name":"someone else"}']);
  expect(reportIn(await importFile(file, '-o', 'json'))).toMatchObject({
    records: 56,
    stored: 56,
    repeatedKeys: 6,
  });
  expect(fake.writes).toBe(56);
  expect((await importFile(file)).code).toBe(0);
  expect(fake.writes).toBe(56);
  // Neither do batches, another order, or records in between make a difference.
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  const other = input('other.ndjson', ['{"id":"new"}', ...lines.toReversed()]);
  expect((await importFile(other, '--batch', '10')).code).toBe(0);
  expect(fake.writes).toBe(57);
});

test('503, 429, lost answers and unknown outcomes are repeated until each record is stored once', async () => {
  fake.trick = ({ path, headers }) => {
    if (!firstAttempt(headers)) return undefined;
    const n = Number(path.slice('/v1/kv/b/p'.length));
    if (n % 6 === 0)
      return {
        kind: 'answer',
        status: 503,
        body: problemBody(503, 'quorum_unavailable', { outcome: 'none', need: 2, got: 1, from: 'any' }),
      };
    if (n % 6 === 1)
      return {
        kind: 'answer',
        status: 429,
        headers: { 'retry-after': '0' },
        body: problemBody(429, 'overloaded'),
      };
    if (n % 6 === 2)
      return { kind: 'doThenAnswer', status: 504, body: problemBody(504, 'timeout', { outcome: 'unknown' }) };
    if (n % 6 === 3) return { kind: 'doThenDrop' };
    return n % 6 === 4 ? { kind: 'drop' } : undefined;
  };
  const ran = await importFile(input('people.ndjson', people(60)), '-o', 'json');
  expect([ran.code, ran.stderr]).toEqual([0, '']);
  const report = reportIn(ran);
  expect(report).toMatchObject({
    stored: 60,
    failed: 0,
    retries: 50,
    errors: { quorum_unavailable: 10, overloaded: 10, timeout: 10, lost_answer: 20 },
  });
  expect(report.latencyMs.p50).toBeGreaterThan(0);
  expect(fake.writes).toBe(60);
});

test('Retry-After is honoured', async () => {
  const at: number[] = [];
  fake.trick = () => {
    at.push(performance.now());
    return at.length === 1
      ? {
          kind: 'answer',
          status: 503,
          headers: { 'retry-after': '1' },
          body: problemBody(503, 'overloaded', { outcome: 'none' }),
        }
      : undefined;
  };
  expect((await importFile(input('one.ndjson', people(1)))).code).toBe(0);
  expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(990);
});

test('batches: each record its own answer, and only what failed for the moment goes again', async () => {
  fake.trick = ({ path, method, headers }) => {
    if (method !== 'PUT' || !firstAttempt(headers)) return undefined;
    if (path.endsWith('/p3'))
      return { kind: 'answer', status: 413, body: problemBody(413, 'value_too_large', { outcome: 'none' }) };
    return path.endsWith('/p4')
      ? { kind: 'answer', status: 503, body: problemBody(503, 'overloaded', { outcome: 'none' }) }
      : undefined;
  };
  const ran = await importFile(
    input('people.ndjson', people(25)),
    '--batch',
    '10',
    '--concurrency',
    '1',
    '-o',
    'json',
  );
  expect(ran.code).toBe(1);
  expect(reportIn(ran)).toMatchObject({
    records: 25,
    stored: 24,
    failed: 1,
    retries: 1,
    failures: { value_too_large: 1 },
  });
  expect(fake.writes).toBe(24);
  expect(fake.seen.filter((each) => each.path === '/v1/batch').length).toBe(3);
});

test('batches stay under the limit of bytes', async () => {
  const lines = Array.from({ length: 20 }, (_, i) =>
    JSON.stringify({ id: `p${i}`, blob: 'x'.repeat(400_000) }),
  );
  const ran = await importFile(input('big.ndjson', lines), '--batch', '256', '-o', 'json');
  expect(reportIn(ran)).toMatchObject({ stored: 20, failed: 0 });
  expect(fake.writes).toBe(20);
});

test('failed records: counted, told, kept with their reason, and importable again', async () => {
  const big = JSON.stringify({ id: 'big', blob: 'x'.repeat(VALUE_BYTES_MAX) });
  const file = input('mixed.ndjson', ['{"id":"a"}', '{"id":', big, '{"name":"no key"}', '{"id":"b"}']);
  const errors = folder.file('errors.ndjson');
  const ran = await importFile(file, '--errors', errors, '-o', 'json');
  expect(ran.code).toBe(1);
  expect(reportIn(ran)).toMatchObject({
    records: 5,
    stored: 2,
    failed: 3,
    failures: { malformed: 2, value_too_large: 1 },
  });
  expect(ran.stderr).toContain('circlet: line 2: not valid JSON: ');
  expect(ran.stderr).toContain(
    'circlet: line 4: field "id" is missing, or is neither a string nor a number.\n',
  );
  expect(ran.stderr).toContain('circlet: cannot store line 3: value_too_large (413)');
  expect(ran.stderr).toContain(`3 records of ${file} failed. Run it again to try them again: `);
  expect(entriesIn(errors).toSorted((a, b) => a.line - b.line)).toMatchObject([
    { line: 2, record: 2, key: null, code: 'malformed', status: null, outcome: 'none', input: '{"id":' },
    {
      line: 3,
      record: 3,
      key: 'big',
      code: 'value_too_large',
      status: 413,
      outcome: 'none',
      traceId: 'feed',
      input: big,
    },
    { line: 4, record: 4, code: 'malformed', input: '{"name":"no key"}' },
  ]);
});

test('a failed CSV row is kept as the JSON that would have been stored, and has the same name from there', async () => {
  const csv = folder.file('people.csv');
  writeFileSync(csv, 'id,name\n1,Anna\n2,Ben\n');
  const errors = folder.file('errors.ndjson');
  fake.trick = ({ path }) =>
    path.endsWith('/1')
      ? { kind: 'doThenAnswer', status: 504, body: problemBody(504, 'timeout', { outcome: 'unknown' }) }
      : undefined;
  const ran = await importFile(csv, '--errors', errors, '--retry-for', '0s');
  expect(ran.code).toBe(1);
  expect(ran.stderr).toContain('The write may have happened, or appear later.');
  fake.trick = () => undefined;
  const inputs = entriesIn(errors).map((entry) => entry.input);
  expect(inputs).toEqual(['{"id":"1","name":"Anna"}']);
  expect(
    (
      await runCli(['import', 'b', '-', '--format', 'ndjson', '--key', 'id', '--url', fake.url], {
        stdin: inputs.join('\n'),
      })
    ).code,
  ).toBe(0);
  expect(fake.writes).toBe(2);
});

test('only the first failures are told one by one', async () => {
  const ran = await importFile(
    input(
      'bad.ndjson',
      Array.from({ length: 30 }, () => '?'),
    ),
  );
  expect(ran.code).toBe(1);
  expect(ran.stderr.split('\n').filter((line) => line.includes('not valid JSON')).length).toBe(5);
  expect(ran.stderr).toContain('Further failures are only counted; --errors FILE keeps them all.');
});

test('422: a changed record under an old name cannot happen, and would be told', async () => {
  fake.trick = () => ({
    kind: 'answer',
    status: 422,
    body: problemBody(422, 'idempotency_mismatch', { outcome: 'none' }),
  });
  const ran = await importFile(input('one.ndjson', people(1)), '-o', 'json');
  expect(ran.code).toBe(1);
  expect(reportIn(ran)).toMatchObject({ failed: 1, failures: { idempotency_mismatch: 1 }, retries: 0 });
});

test('--if-absent counts the keys that have another value; what an earlier run stored is acknowledged again', async () => {
  const [first = '', ...rest] = people(10);
  await importFile(input('other.ndjson', [first.replace('}', ',"x":1}')]));
  const file = input('people.ndjson', [first, ...rest]);
  const once = reportIn(await importFile(file, '--if-absent', '-o', 'json'));
  expect(once).toMatchObject({ stored: 9, alreadyThere: 1, failed: 0 });
  appendFileSync(file, '{"id":"new"}\n');
  const again = reportIn(await importFile(file, '--if-absent', '-o', 'json'));
  expect(again).toMatchObject({ stored: 10, alreadyThere: 1, failed: 0 });
  expect(fake.writes).toBe(11);
});

test('data that a full disk does not take is an error in one line, after the work', async () => {
  const full = openSync('/dev/full', 'w');
  const args = ['import', 'b', input('people.ndjson', people(3)), '--key', 'id', '--url', fake.url];
  const ran = await runCli(args, { stdout: full });
  closeSync(full);
  expect([ran.code, ran.stderr]).toEqual([
    1,
    'circlet: cannot write to stdout: no space left on the device.\n',
  ]);
  expect(fake.writes).toBe(3);
});

test('Ctrl-C in the middle: what is under way is finished, and going on stores each record once', async () => {
  const file = input('people.ndjson', people(300));
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  fake.trick = () => (fake.puts().length > 100 ? { kind: 'wait', until: held } : undefined);
  const running = startCli([
    'import',
    'b',
    file,
    '--key',
    'id',
    '--concurrency',
    '8',
    '--url',
    fake.url,
    '-o',
    'json',
  ]);
  // All slots hang.
  await expect.poll(() => fake.puts().length, { timeout: 20_000 }).toBe(108);
  running.child.kill('SIGINT');
  await expect.poll(() => running.said(), { timeout: 20_000 }).toContain('Stopping');
  release();
  const ran = await running.done;
  expect(ran.code).toBe(130);
  const report = reportIn(ran);
  expect(report).toMatchObject({
    ending: 'stopped',
    // The 109th was read and waited for a free slot.
    records: 109,
    stored: 108,
    failed: 0,
    unsettled: 1,
    settledUpTo: 108,
  });
  expect(ran.stderr).toContain(
    `To go on: circlet import b ${file} --key id --concurrency 8 --url ${fake.url} -o json --skip 108\n`,
  );
  expect(fake.writes).toBe(108);

  const skipping = await importFile(file, '--skip', '108', '-o', 'json');
  expect(reportIn(skipping)).toMatchObject({ ending: 'finished', records: 300, skipped: 108, stored: 192 });
  expect(fake.writes).toBe(300);
  expect((await importFile(file)).code).toBe(0);
  expect(fake.writes).toBe(300);
});

test('a second Ctrl-C does not wait', async () => {
  fake.trick = () => ({ kind: 'wait', until: new Promise(() => undefined) });
  const hanging = startCli(['import', 'b', input('p.ndjson', people(2)), '--key', 'id', '--url', fake.url]);
  await expect.poll(() => fake.puts().length, { timeout: 20_000 }).toBe(2);
  hanging.child.kill('SIGINT');
  await expect.poll(() => hanging.said(), { timeout: 20_000 }).toContain('Stopping');
  hanging.child.kill('SIGINT');
  expect((await hanging.done).code).toBe(130);
});

test('Ctrl-C while nothing comes through the pipe stops at once', async () => {
  const running = startCli(['import', 'b', '-', '--format', 'ndjson', '--key', 'id', '--url', fake.url], {
    stdin: null,
  });
  running.child.stdin?.write('{"id":"p1"}\n');
  await expect.poll(() => fake.writes, { timeout: 20_000 }).toBe(1);
  running.child.kill('SIGINT');
  const ran = await running.done;
  expect(ran.code).toBe(130);
  expect(ran.stderr).toContain('To go on (give it the same input): circlet import b - ');
});

test('SIGTERM while records wait for another attempt: they are neither stored nor failed', async () => {
  fake.trick = ({ path }) =>
    path.endsWith('/p1')
      ? {
          kind: 'answer',
          status: 503,
          headers: { 'retry-after': '60' },
          body: problemBody(503, 'overloaded', { outcome: 'none' }),
        }
      : undefined;
  const running = startCli([
    'import',
    'b',
    input('p.ndjson', people(5)),
    '--key',
    'id',
    '--url',
    fake.url,
    '-o',
    'json',
  ]);
  await expect.poll(() => fake.puts().length, { timeout: 20_000 }).toBe(5);
  await expect.poll(() => fake.writes, { timeout: 20_000 }).toBe(4);
  running.child.kill('SIGTERM');
  const ran = await running.done;
  expect(ran.code).toBe(143);
  expect(reportIn(ran)).toMatchObject({ ending: 'stopped', records: 5, failed: 0, settledUpTo: 1 });
  expect(ran.stderr).toContain('--skip 1\n');
});

test('a wrong option for all records ends the import at once', async () => {
  const ran = await importFile(input('people.ndjson', people(500)), '--w', '9');
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain('invalid_parameter (400): w is out of range. Nothing was written.');
  expect(fake.puts().length).toBeLessThanOrEqual(64);
});

test('two coordinators share the work, and one that dies is no failure', async () => {
  const other = await FakeServer.start();
  let both = false;
  fake.trick = () => {
    if (fake.puts().length < 50 || other.puts().length < 40) return undefined;
    both = true;
    return { kind: 'drop' };
  };
  const file = input('people.ndjson', people(300));
  const ran = await runCli([
    'import',
    'b',
    file,
    '--key',
    'id',
    '--url',
    `${fake.url},${other.url}`,
    '-o',
    'json',
    '--concurrency',
    '4',
  ]);
  expect(ran.code).toBe(0);
  expect(both).toBe(true);
  expect(reportIn(ran)).toMatchObject({ stored: 300, failed: 0, retries: 0 });
  expect(other.writes).toBeGreaterThan(200);
  await other.stop();
});

test.each([
  [
    ['b', 'f.txt', '--key', 'id'],
    2,
    'the format of f.txt is not clear from its name. Give --format ndjson or csv.',
  ],
  [['b', '/no/such.csv', '--key', 'id'], 1, 'cannot read /no/such.csv: no such file or directory.'],
  [['b', '/tmp', '--key', 'id', '--format', 'csv'], 1, 'cannot read /tmp: it is a directory.'],
  [
    ['b', '-', '--key', 'id', '--format', 'csv'],
    1,
    'cannot import -: it is empty, and its first line should name the columns.',
  ],
  [
    ['b', 'f.csv', '--key', 'id', '--errors', './f.csv'],
    2,
    '--errors would overwrite the input. Name another file.',
  ],
  [
    ['b', 'f.csv', '--key', 'id', '--batch', '9', '--if-absent'],
    2,
    '--batch and --if-absent exclude each other: a batch cannot ask for absence. Leave out one.',
  ],
  [['', 'f.csv', '--key', 'id'], 2, 'the bucket is empty. Give another.'],
  [['b', 'f.csv'], 2, "required option '--key <field>' not specified (see --help)"],
])('%j cannot work, and says why', async (args, code, message) => {
  const ran = await runCli(['import', ...args]);
  expect([ran.code, ran.stderr]).toEqual([code, `circlet: ${message}\n`]);
});

test('where every failed record is malformed, running it again as it is would not help', async () => {
  const ran = await importFile(input('bad.ndjson', ['{"id":"a"}', '{"id":"b" "x"}']));
  expect(ran.code).toBe(1);
  expect(ran.stderr).toContain('1 record of ');
  expect(ran.stderr).toContain(' failed. Correct them and run it again: ');
});

test('--errors does not overwrite the input under another name', async () => {
  const file = input('people.ndjson', people(3));
  symlinkSync(file, folder.file('link.ndjson'));
  const ran = await importFile(file, '--errors', folder.file('link.ndjson'));
  expect([ran.code, ran.stderr]).toEqual([
    2,
    'circlet: --errors would overwrite the input. Name another file.\n',
  ]);
  expect(readFileSync(file, 'utf8').split('\n').length).toBe(4);
});

test('an empty file is an import of nothing', async () => {
  expect(reportIn(await importFile(input('empty.ndjson', []), '-o', 'json'))).toMatchObject({
    records: 0,
    stored: 0,
    failed: 0,
  });
});
