import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { startLocalCluster } from '@circlet/cluster/local-cluster.ts';
import { peakMiB } from './cpu.ts';
import { Client, type Measured, measure } from './load.ts';

/**
 * `npm run bench`: server CPU per put and per get (3 storage pods, 1 coordinator, 1 nats-server, N=3, R=W=2, fsync on),
 * beside a Hono server that stores nothing, interleaved in one run. Judge the ratios; absolute figures move with the
 * machine by 40 % from hour to hour.
 */
const options = new Command('bench')
  .option('--clients <n>', 'callers in the closed loop', Number, 64)
  .option('--keys <n>', 'keys that are loaded first', Number, 100_000)
  .option('--operations <n>', 'operations of each phase', Number, 30_000)
  .option('--value-bytes <n>', 'size of a value', Number, 256)
  .option('--rounds <n>', 'times that the phases are repeated', Number, 3)
  .parse()
  .opts<{ clients: number; keys: number; operations: number; valueBytes: number; rounds: number }>();

const say = (line: string) => process.stdout.write(`${line}\n`);
const { clients, keys, operations, valueBytes, rounds } = options;

const nullServer = spawn(process.execPath, [fileURLToPath(new URL('null-server.ts', import.meta.url))], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [banner] = (await once(nullServer.stdout, 'data')) as [Buffer];
const cluster = await startLocalCluster({ storage: 3, coordinators: 1 });
const ours = new Client(cluster.urls, clients);
const floor = new Client([`http://127.0.0.1:${banner.toString().trim()}`], clients);

const path = (n: number) => `/v1/kv/bench/k${String(n).padStart(8, '0')}`;
const random = (n: number) => Math.floor(Math.random() * n);
const values = Array.from({ length: 256 }, (_, i) => Buffer.alloc(valueBytes, i + 1));
/** The context that each key's last answer carried: without it every put would add a sibling. */
const contexts = new Map<number, string>();

async function put(client: number, n: number): Promise<void> {
  const context = contexts.get(n);
  const headers = {
    'content-type': 'application/octet-stream',
    ...(context === undefined ? {} : { 'circlet-context': context }),
  };
  const answer = await ours.request(client, 'PUT', path(n), values[random(256)] ?? null, headers);
  if (answer.status !== 204) throw new Error(`PUT ${answer.status}`);
  contexts.set(n, String(answer.headers['circlet-context']));
}

async function get(client: number, n: number): Promise<void> {
  const answer = await ours.request(client, 'GET', path(n));
  if (answer.status !== 200 && answer.status !== 300) throw new Error(`GET ${answer.status}`);
}

async function nothing(client: number, method: 'GET' | 'PUT'): Promise<void> {
  const answer = await floor.request(client, method, '/kv/x', method === 'PUT' ? (values[0] ?? null) : null);
  if (answer.status >= 300) throw new Error(`${method} ${answer.status}`);
}

function row({
  name,
  perSecond,
  serverCpuUs,
  cpuUsByRole,
  p50Ms,
  p99Ms,
  p999Ms,
  flushesPerOperation,
  errors,
}: Measured): string {
  const cells = [
    name.padEnd(10),
    `${serverCpuUs.toFixed(0).padStart(5)} µs CPU`,
    `${perSecond.toFixed(0).padStart(7)}/s`,
    `p50 ${p50Ms.toFixed(1)} p99 ${p99Ms.toFixed(1)} p99.9 ${p999Ms.toFixed(1)} ms`,
    `${flushesPerOperation.toFixed(2)} flushes`,
    `${errors} errors`,
    Object.entries(cpuUsByRole)
      .map(([role, us]) => `${role} ${us.toFixed(0)}`)
      .join(' '),
  ];
  return cells.join('   ');
}

type Servers = Readonly<Record<string, readonly number[]>>;
const cpuUs = new Map<string, number[]>();
const median = (name: string) => {
  const sorted = (cpuUs.get(name) ?? []).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
};
async function phase(
  name: string,
  servers: Servers,
  count: number,
  run: (client: number, n: number) => Promise<void>,
  callers = clients,
) {
  const measured = await measure({ name, clients: callers, operations: count, run, servers });
  say(row(measured));
  cpuUs.set(name, [...(cpuUs.get(name) ?? []), measured.serverCpuUs]);
}

try {
  const { coordinators, storage, nats } = cluster.layout;
  const pidsOf = (pods: readonly { readonly name: string }[]) => pods.map(({ name }) => cluster.pid(name));
  const pids = { coordinator: pidsOf(coordinators), storage: pidsOf(storage), nats: pidsOf(nats) };
  const nullPid = { null: [nullServer.pid ?? 0] };
  say(`loading ${keys} keys of ${valueBytes} bytes`);
  await phase('load', pids, keys, put);
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round}`);
    await phase('null put', nullPid, operations, (client) => nothing(client, 'PUT'));
    await phase('put', pids, operations, (client) => put(client, random(keys)));
    await phase('null get', nullPid, operations, (client) => nothing(client, 'GET'));
    await phase('get', pids, operations, (client) => get(client, random(keys)));
  }
  say('one client');
  await phase('put1', pids, 2_000, (client) => put(client, random(keys)), 1);
  await phase('get1', pids, 2_000, (client) => get(client, random(keys)), 1);
  say('\nserver CPU per operation, median of the rounds');
  for (const [name, budgetUs] of [
    ['put', 300],
    ['get', 150],
  ] as const) {
    const ratio = (median(name) / median(`null ${name}`)).toFixed(1);
    say(
      `${name} ${median(name).toFixed(0)} µs, ${ratio} times a null Hono ${name} (budget ${budgetUs} µs on a quiet machine)`,
    );
  }
  for (const { name } of [...cluster.layout.coordinators, ...cluster.layout.storage]) {
    say(`${name}: ${peakMiB(cluster.pid(name)).toFixed(0)} MiB at most`);
  }
} finally {
  await ours.close();
  await floor.close();
  nullServer.kill();
  await cluster.down();
}
