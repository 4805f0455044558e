import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Ran, jsonOf, runCli } from '../cli.case.ts';
import { FakeServer, node } from '../fake-server.case.ts';

let fake: FakeServer;

beforeEach(async () => {
  fake = await FakeServer.start();
});

afterEach(async () => {
  await fake.stop();
});

async function run(...args: string[]): Promise<Ran> {
  return await runCli([...args, '--url', fake.url]);
}

test('status: a header and a line for each node', async () => {
  fake.nodes = [
    node('storage-0', 'a'),
    node('storage-1', 'b', { status: 'suspect', hints: { held: 1_200, owed: 3, oldestAgeMs: 200_000 } }),
    node('storage-10', 'c', { state: 'joining', vnodes: 12, bytes: 0, keys: 0 }),
    node('storage-2', 'c', { state: 'leaving' }),
    node('new', 'c', { state: 'arriving', status: 'odd', keys: null, bytes: null, hints: null }),
  ];
  const ran = await run('status');
  expect(ran).toEqual({
    code: 0,
    stderr: '',
    stdout: Buffer.from(
      [
        'cluster c0ffee  epoch 7  N=3  256 partitions  5 nodes',
        'STATE  NAME        ZONE  VNODES     KEYS     BYTES  HINTS HELD  OWED  OLDEST',
        'UN     storage-0   a        256  120,000  13.2 MiB           0     0       -',
        'SN     storage-1   b        256  120,000  13.2 MiB       1,200     3   3m20s',
        'UJ     storage-10  c         12        0       0 B           0     0       -',
        'UL     storage-2   c        256  120,000  13.2 MiB           0     0       -',
        '??     new         c        256        -         -           -     -       -',
        '',
      ].join('\n'),
    ),
  });
});

test('status: a node that is down is an exit code of its own', async () => {
  fake.nodes = [node('storage-0', 'a'), node('storage-1', 'b', { status: 'down', keys: null, bytes: null })];
  const ran = await run('status');
  expect([ran.code, ran.stderr]).toEqual([6, 'circlet: 1 node is down: storage-1.\n']);
  expect(ran.stdout.toString()).toContain('DN     storage-1  b        256        -         -');
  const asJson = await run('status', '-o', 'json');
  expect(asJson.code).toBe(6);
  expect(jsonOf(asJson)).toMatchObject({
    cluster: { clusterId: 'c0ffee', epoch: 7, replicas: 3, partitions: 256, version: '0.1.0' },
    nodes: [
      { code: 'UN', keys: 120_000 },
      { code: 'DN', name: 'storage-1', keys: null, hints: { held: 0, oldestAgeMs: null } },
    ],
  });
});

test('locate: position, vnode and the preference list in order', async () => {
  fake.nodes = [node('s0', 'a'), node('s1', 'b', { status: 'down' }), node('s2', 'c'), node('s3', 'a')];
  const ran = await run('locate', 'b/1', 'k ü');
  expect(ran).toEqual({
    code: 0,
    stderr: '',
    stdout: Buffer.from(
      [
        'position 11111111111111111111111111111111  vnode 17',
        '#  NODE  ROLE      STATUS',
        '1  s0    primary   alive',
        '2  s1    primary   down',
        '3  s2    primary   alive',
        '4  s3    fallback  alive',
        '',
      ].join('\n'),
    ),
  });
  expect(fake.seen[0]?.path).toBe('/v1/cluster/locate/b%2F1/k%20%C3%BC');
  expect(jsonOf(await run('locate', 'b', 'k', '-o', 'json'))).toMatchObject({
    bucket: 'b',
    key: 'k',
    vnode: 17,
    preferenceList: [{ node: 's0', role: 'primary', status: 'alive' }, {}, {}, {}],
  });
});

test('colours are for terminals only, and FORCE_COLOR asks for them elsewhere', async () => {
  expect((await run('status')).stdout.includes('\u001b')).toBe(false);
  const forced = await runCli(['status', '--url', fake.url], { env: { FORCE_COLOR: '1' } });
  expect(forced.stdout.toString()).toContain('\u001b[32mUN   \u001b[39m  storage-0');
  const never = await runCli(['status', '--url', fake.url], { env: { NO_COLOR: '1' } });
  expect(never.stdout.includes('\u001b')).toBe(false);
});
