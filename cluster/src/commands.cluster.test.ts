import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import { freePorts } from './free-ports.ts';
import { call, until } from './http.case.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');
const CLUSTER = join(ROOT, 'cluster/bin/cluster.mjs');

let running: ChildProcess[] = [];
let folders: string[] = [];
afterEach(async () => {
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = new Promise((exit) => child.once('exit', exit));
    child.kill('SIGTERM');
    await gone;
  }
  for (const made of folders) rmSync(made, { recursive: true, force: true });
  running = [];
  folders = [];
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'circlet-test-'));
  folders.push(made);
  return made;
}

function start(
  command: string,
  args: readonly string[],
  cwd = ROOT,
): { child: ChildProcess; output: () => string } {
  let text = '';
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  running.push(child);
  return { child, output: () => text };
}

interface ClusterFile {
  readonly coordinators: readonly {
    readonly name: string;
    readonly url: string;
    readonly adminUrl: string;
    readonly metricsUrl: string;
    readonly pid: number | null;
  }[];
  readonly storage: readonly {
    readonly name: string;
    readonly pid: number | null;
    readonly dataDir: string;
    readonly metricsUrl: string;
  }[];
  readonly nats: readonly { readonly name: string; readonly url: string; readonly pid: number | null }[];
  readonly replicas: number;
  readonly partitions: number;
}

it('"cluster up" says ready, writes cluster.json, and follows start, stop and kill of single pods', async () => {
  const data = folder();
  const [port = 0] = await freePorts(1);
  const up = start(process.execPath, [
    CLUSTER,
    'up',
    '--data',
    data,
    '--port',
    String(port),
    '--nats',
    '2',
    '--zones',
    '3',
  ]);
  await until('the cluster is ready', () => Promise.resolve(up.output().includes('ready\n')), 60_000);
  const read = () => JSON.parse(readFileSync(join(data, 'cluster.json'), 'utf8')) as ClusterFile;
  const file = read();
  expect(file.coordinators).toHaveLength(1);
  expect(file.storage.map(({ name }) => name)).toEqual(['storage-0', 'storage-1', 'storage-2']);
  expect(file.nats).toHaveLength(2);
  expect(file.replicas).toBe(3);
  expect(file.partitions).toBe(256);
  expect(file.coordinators[0]?.url).toBe(`http://127.0.0.1:${port}`);
  for (const { metricsUrl } of [...file.coordinators, ...file.storage]) {
    expect((await call('GET', metricsUrl)).body.toString()).toContain('process_resident_memory_bytes');
  }
  const url = `http://127.0.0.1:${port}`;
  expect((await call('PUT', `${url}/v1/kv/b/k`, 'before')).status).toBe(204);

  const control = (verb: string, name: string) =>
    run(process.execPath, [CLUSTER, verb, name, '--data', data]);
  // A second one would take its files away.
  await expect(run(process.execPath, [CLUSTER, 'up', '--data', data])).rejects.toThrow('is up in');
  for (const [verb, name] of [
    ['kill', 'storage-1'],
    ['stop', 'storage-2'],
  ] as const) {
    await control(verb, name);
    expect(read().storage.find((pod) => pod.name === name)?.pid).toBeNull();
    await expect(control(verb, name)).rejects.toThrow(`${name} is not running`);
    await control('start', name);
    const { pid } = read().storage.find((pod) => pod.name === name) ?? {};
    expect(pid).toBeGreaterThan(0);
  }
  await expect(control('start', 'storage-9')).rejects.toThrow('there is no storage-9');
  // A pod that dies by other hands stays dead, and the file says so.
  process.kill(read().storage[0]?.pid ?? 0, 'SIGKILL');
  await until('the file knows', () => Promise.resolve(read().storage[0]?.pid === null));
  await control('start', 'storage-0');
  await until(
    'the value is read from all',
    async () => (await call('GET', `${url}/v1/kv/b/k?r=all&sloppy=false`)).status === 200,
  );

  const pids = [...read().coordinators, ...read().storage, ...read().nats].map(({ pid }) => pid ?? 0);
  up.child.kill('SIGTERM');
  await until('everything is stopped', () => Promise.resolve(up.child.exitCode !== null));
  expect(up.child.exitCode).toBe(0);
  for (const pid of pids) expect(existsSync(`/proc/${pid}`)).toBe(false);
});

it('"cluster add-storage" starts a pod that is no member, and the next "up" starts it again', async () => {
  const data = folder();
  const [port = 0] = await freePorts(1);
  const args = [CLUSTER, 'up', '--data', data, '--port', String(port)];
  const up = start(process.execPath, args);
  await until('the cluster is ready', () => Promise.resolve(up.output().includes('ready\n')), 60_000);
  const add = (name: string) => run(process.execPath, [CLUSTER, 'add-storage', name, '--data', data]);
  await add('n4');
  await expect(add('n4')).rejects.toThrow('there is a n4 already');
  await expect(add('N4')).rejects.toThrow('a name has lower-case letters');
  const read = () => JSON.parse(readFileSync(join(data, 'cluster.json'), 'utf8')) as ClusterFile;
  expect(read().storage.find(({ name }) => name === 'n4')?.pid).toBeGreaterThan(0);
  const url = read().coordinators[0]?.url ?? '';
  expect((await call('GET', `${url}/v1/cluster/nodes`)).body.toString()).not.toContain('n4');
  expect((await call('GET', `${url}/v1/changes`)).status).toBe(404);
  const move = await call('GET', `${read().coordinators[0]?.adminUrl}/v1/changes`);
  expect(JSON.parse(move.body.toString())).toMatchObject({ epoch: 1, phase: null });
  up.child.kill('SIGTERM');
  await until('everything is stopped', () => Promise.resolve(up.child.exitCode !== null));

  const again = start(process.execPath, args);
  await until('the cluster is ready', () => Promise.resolve(again.output().includes('ready\n')), 60_000);
  expect(read().storage.find(({ name }) => name === 'n4')?.pid).toBeGreaterThan(0);
});

it('"npm start" answers within 5 s and its curl lines work when pasted', async () => {
  const data = folder();
  const [port = 0] = await freePorts(1);
  const startedMs = performance.now();
  const npm = start('npm', ['start', '--silent', '--', '--data', data, '--port', String(port)]);
  await until('the banner is there', () => Promise.resolve(npm.output().includes('curl')), 20_000);
  const tookMs = performance.now() - startedMs;
  process.stdout.write(`npm start answered after ${tookMs.toFixed(0)} ms\n`);
  expect(tookMs).toBeLessThan(5_000);
  const lines = npm.output().match(/curl .*/g) ?? [];
  expect(lines).toHaveLength(3);
  const outputs: string[] = [];
  for (const line of lines) outputs.push((await run('sh', ['-c', line])).stdout);
  expect(outputs[0]).toContain('204 No Content');
  expect(outputs[1]).toContain('hello, world');
  expect(outputs[2]).toContain('"storage-0"');
});

it('keeps its data over a restart', async () => {
  const data = folder();
  const [port = 0] = await freePorts(1);
  const args = [join(ROOT, 'cluster/bin/start.mjs'), '--data', data, '--port', String(port)];
  const url = `http://127.0.0.1:${port}/v1/kv/demo/kept`;
  const first = start(process.execPath, args);
  await until('it serves', async () => (await call('PUT', url, 'kept')).status === 204);
  first.child.kill('SIGTERM');
  await until('it stops', () => Promise.resolve(first.child.exitCode === 0));
  start(process.execPath, args);
  await until('it serves again', async () => (await call('GET', url)).status === 200);
  expect((await call('GET', url)).body.toString()).toBe('kept');
});

it('says in one line what is wrong when the port is taken', async () => {
  const data = folder();
  const [port = 0] = await freePorts(1);
  start(process.execPath, [join(ROOT, 'cluster/bin/start.mjs'), '--data', data, '--port', String(port)]);
  await until(
    'the first serves',
    async () => (await call('GET', `http://127.0.0.1:${port}/healthz/ready`)).status === 200,
  );
  const second = run(process.execPath, [
    join(ROOT, 'cluster/bin/start.mjs'),
    '--data',
    folder(),
    '--port',
    String(port),
  ]);
  await expect(second).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^circlet: port \d+ .* in use: .*\n$/),
  });
});

it('an entry point started on a Node that is too old says so in one line', async () => {
  const old = '/usr/bin/node';
  if (!existsSync(old) || Number((await run(old, ['-v'])).stdout.slice(1).split('.')[0]) >= 24) {
    process.stdout.write('skipped: this machine has no old Node\n');
    return;
  }
  for (const bin of [
    'storage/bin/storage.mjs',
    'coordinator/bin/coordinator.mjs',
    'cluster/bin/cluster.mjs',
    'cluster/bin/start.mjs',
    'cli/bin/circlet.mjs',
  ]) {
    await expect(run(old, [join(ROOT, bin)])).rejects.toMatchObject({
      stderr: expect.stringMatching(/^[^\n]*needs Node(?:\.js)? 24[^\n]*\n$/i),
    });
  }
});
