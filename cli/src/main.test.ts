import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCli, startCli } from './cli.case.ts';
import { EXIT, EXIT_CODES_HELP } from './exit-codes.ts';
import { FakeServer } from './fake-server.case.ts';

let fake: FakeServer;

beforeEach(async () => {
  fake = await FakeServer.start();
});

afterEach(async () => {
  await fake.stop();
});

/** A port on which nobody listens. */
async function deadUrl(): Promise<string> {
  const other = await FakeServer.start();
  const { url } = other;
  await other.stop();
  return url;
}

test.each([
  [[]],
  [['get']],
  [['put']],
  [['delete']],
  [['status']],
  [['locate']],
  [['import']],
  [['cluster']],
  [['cluster', 'plan']],
  [['cluster', 'commit']],
  [['cluster', 'watch']],
  [['cluster', 'cancel']],
])('%j --help tells the options all commands share, and the exit codes', async (command) => {
  const ran = await runCli([...command, '--help']);
  expect([ran.code, ran.stderr]).toEqual([0, '']);
  expect(ran.stdout.toString()).toContain('CIRCLET_URL');
  expect(ran.stdout.toString()).toContain(EXIT_CODES_HELP);
});

test('help and README know every exit code', () => {
  const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
  for (const code of Object.values(EXIT)) {
    expect(EXIT_CODES_HELP).toMatch(new RegExp(`^ {2}${code} `, 'm'));
    expect(readme).toMatch(new RegExp(`^\\| ${code} +\\|`, 'm'));
  }
});

test.each([
  [['gte', 'b', 'k'], "unknown command 'gte' (Did you mean get?) (see --help)"],
  [['get', 'b'], "missing required argument 'key' (see --help)"],
  [['get', 'b', 'k', '--outptu', 'x'], "unknown option '--outptu' (Did you mean --output?) (see --help)"],
  [
    ['get', 'b', 'k', '-o', 'xml'],
    "option '-o <format>' argument 'xml' is invalid. Allowed choices are table, json. (see --help)",
  ],
  [
    ['get', 'b', 'k', '--timeout', '2h'],
    "option '--timeout <duration>' argument '2h' is invalid. Give a duration from 10ms to 60s, such as 2s. (see --help)",
  ],
  [
    ['get', 'b', 'k', '--r', 'most'],
    "option '--r <n>' argument 'most' is invalid. Give a number, one, quorum or all. (see --help)",
  ],
  [
    ['get', 'b', 'k', '--sloppy', 'yes'],
    "option '--sloppy <bool>' argument 'yes' is invalid. Give true or false. (see --help)",
  ],
  [
    ['get', 'b', 'k', '--url', 'ftp://x'],
    "option '--url <url>' argument 'ftp://x' is invalid. Give a URL such as http://127.0.0.1:8080. (see --help)",
  ],
  [
    ['get', 'b', 'k', '--url', 'http://me:secret@x'],
    "option '--url <url>' argument 'http://me:secret@x' is invalid. A user name or password in the URL would not be used; leave it out. (see --help)",
  ],
  [
    ['import', 'b', 'f', '--key', 'id', '--concurrency', '0'],
    "option '--concurrency <n>' argument '0' is invalid. Give a whole number from 1 to 1024. (see --help)",
  ],
  [
    ['import', 'b', 'f', '--key', 'id', '--retry-for', '120'],
    "option '--retry-for <duration>' argument '120' is invalid. Give a duration with its unit, such as 120s or 5m. (see --help)",
  ],
  [
    ['put', 'b', 'k', 'v', '--meta', 'x'],
    "option '--meta <name=value>' argument 'x' is invalid. Give NAME=VALUE. (see --help)",
  ],
])('%j is a mistake, told in one line with exit code 2', async (args, message) => {
  expect(await runCli(args)).toEqual({ code: 2, stdout: Buffer.alloc(0), stderr: `circlet: ${message}\n` });
});

test('without a command it shows its help and fails', async () => {
  const ran = await runCli([]);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain('Usage: circlet');
});

test('CIRCLET_URL names the coordinator, and --url comes before it', async () => {
  const env = { CIRCLET_URL: await deadUrl() };
  expect((await runCli(['status', '--url', fake.url], { env })).code).toBe(0);
  expect((await runCli(['--url', fake.url, 'status'], { env })).code).toBe(0);
  expect((await runCli(['status'], { env })).code).toBe(5);
  expect((await runCli(['status'], { env: { CIRCLET_URL: `${await deadUrl()}, ${fake.url}/` } })).code).toBe(
    0,
  );
});

test('nobody there: what was tried and what to do, in one line', async () => {
  const [a, b] = [await deadUrl(), await deadUrl()];
  const ran = await runCli(['get', '--url', a, '--url', b, 'b', 'k']);
  expect(ran.code).toBe(5);
  expect(ran.stderr).toMatch(
    /^circlet: cannot read b\/k: no coordinator could be reached \(.*\)\. Start the cluster, or name a coordinator with --url or CIRCLET_URL\.\n$/,
  );
  expect(ran.stderr).toContain(`${a}: connection refused`);
  expect(ran.stderr).toContain(`${b}: connection refused`);
});

test('something else on that port', async () => {
  fake.trick = () => ({
    kind: 'answer',
    status: 200,
    body: '<html>',
    headers: { 'content-type': 'text/html' },
  });
  const ran = await runCli(['status', '--url', fake.url]);
  expect([ran.code, ran.stderr]).toEqual([
    1,
    'circlet: cannot read the status: not an answer of the Circlet HTTP API (200, not JSON but text/html). Check that --url names a Circlet coordinator.\n',
  ]);
});

test('text from the cluster cannot control the terminal', async () => {
  fake.trick = () => ({
    kind: 'answer',
    status: 500,
    body: { code: 'internal', detail: 'a\u001b[2J\nforged: all is well' },
  });
  const ran = await runCli(['get', '--url', fake.url, 'b', 'k']);
  expect(ran.code).toBe(1);
  expect(ran.stderr).toContain(String.raw`a\u{1b}[2J\u{a}forged`);
  expect(ran.stderr.split('\n').length).toBe(2);
});

test.each([
  ['SIGINT', EXIT.interrupted],
  ['SIGTERM', EXIT.terminated],
] as const)('%s ends a command that waits', async (signal, code) => {
  let asked = false;
  fake.trick = () => {
    asked = true;
    return { kind: 'wait', until: new Promise(() => undefined) };
  };
  const running = startCli(['get', '--url', fake.url, 'b', 'k']);
  await expect.poll(() => asked, { timeout: 20_000 }).toBe(true);
  running.child.kill(signal);
  expect((await running.done).code).toBe(code);
});

test('an old Node gets one clear line', async () => {
  // The version is all that the entry looks at; that old ones can parse it at all, its few lines must see to.
  const pretend = "Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.11.0'}})";
  const ran = await runCli(['--version'], {
    nodeArgs: ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`],
  });
  expect([ran.code, ran.stdout.length]).toEqual([1, 0]);
  expect(ran.stderr).toMatch(/^circlet: needs Node\.js 24 or newer, and this is 20\.11\.0\. [^\n]+\n$/);
});
