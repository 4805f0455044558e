import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { until } from '@circlet/cluster/http.case.ts';
import { type LocalCluster, startLocalCluster } from '@circlet/cluster/local-cluster.ts';
import { fullKey } from '@circlet/shared/ring/key.ts';
import { positionOf, prefixOf } from '@circlet/shared/ring/position.ts';
import type { Locator } from '@circlet/storage/core/store.ts';
import { SqliteStore } from '@circlet/storage/sqlite/sqlite-store.ts';
import { peakMiB } from './cpu.ts';
import { Client, measure } from './load.ts';

/** The budgets of issue 2: what a pod may take at most, in mebibytes (the budgets say MB, which is a little less). */
const STORAGE_MIB = 400e6 / 2 ** 20;
const COORDINATOR_MIB = 200e6 / 2 ** 20;
const KEYS = 1_000_000;
const CLIENTS = 64;

let cluster: LocalCluster;
beforeAll(async () => {
  // As on a file system that cannot be written: each pod compiles its sources itself, which takes 26 MB of a coordinator.
  vi.stubEnv('NODE_DISABLE_COMPILE_CACHE', '1');
  cluster = await startLocalCluster({ storage: 3 });
});
afterAll(() => cluster.down());

const bytesOf = (text: string) => new TextEncoder().encode(text);
const nameOf = (n: number) => `k${String(n).padStart(8, '0')}`;

function locatorOf(name: string): Locator {
  const key = fullKey(bytesOf('bench'), bytesOf(name));
  return { prefix: prefixOf(positionOf(key)), key };
}

/** Gives a stopped pod the keys that a day of writes would have: every one the row of `name`, under a name of its own. */
function fill(dataDir: string, name: string): void {
  const store = new SqliteStore({ path: join(dataDir, 'store.sqlite'), cacheKiB: 64 * 1024 });
  try {
    const row = store.get('rows', locatorOf(name));
    if (row.kind !== 'found') throw new Error(`the row to copy is ${row.kind}`);
    const locators = Array.from({ length: KEYS }, (_, n) => locatorOf(nameOf(n)));
    // In ring order, as the file lies: in any other each would rewrite another page.
    locators.sort((a, b) => a.prefix - b.prefix);
    for (let n = 0; n < KEYS; n += 10_000) {
      store.begin();
      for (const at of locators.slice(n, n + 10_000)) store.put('rows', at, row.value);
      store.commit();
    }
    expect(store.count('rows')).toBeGreaterThanOrEqual(KEYS);
  } finally {
    store.close();
  }
}

it('a storage pod with 1,000,000 keys of 256 B stays under 400 MB, a coordinator with 64 clients under 200 MB', async () => {
  const client = new Client(cluster.urls, CLIENTS);
  const path = (n: number) => `/v1/kv/bench/${nameOf(n)}`;
  const random = () => Math.floor(Math.random() * KEYS);
  const value = Buffer.alloc(256, 7);
  try {
    const everywhere = async () => (await client.request(0, 'GET', `${path(0)}?r=all`)).status === 200;
    await client.request(0, 'PUT', path(0), value);
    await until('every owner has the row to copy', everywhere);
    const [storage] = cluster.layout.storage;
    if (storage === undefined) throw new Error('there is no storage pod');
    await cluster.supervisor.stop(storage.name);
    fill(storage.dataDir, nameOf(0));
    await cluster.supervisor.start(storage.name);
    await until('every owner answers again', everywhere);

    // Reads that find the copy of one owner and repair two others, and writes over them.
    const run = async (number: number, n: number): Promise<void> => {
      const at = path(random());
      const got = await client.request(number, 'GET', `${at}?r=all`);
      if (got.status !== 200 || !got.body.equals(value)) throw new Error(`GET ${got.status}`);
      if (n % 2 === 0) return;
      const context = String(got.headers['circlet-context']);
      const put = await client.request(number, 'PUT', at, value, { 'circlet-context': context });
      if (put.status !== 204) throw new Error(`PUT ${put.status}`);
    };
    const { operations, errors } = await measure({
      name: 'mixed',
      clients: CLIENTS,
      operations: 50_000,
      run,
      servers: {},
    });
    const [coordinator] = cluster.layout.coordinators;
    const storageMiB = peakMiB(cluster.pid(storage.name));
    const coordinatorMiB = peakMiB(cluster.pid(coordinator?.name ?? ''));
    process.stdout.write(
      `${KEYS} keys, ${CLIENTS} clients, ${operations} operations: storage ${storageMiB.toFixed(0)} MiB at most, coordinator ${coordinatorMiB.toFixed(0)} MiB\n`,
    );
    expect(errors).toBe(0);
    expect(storageMiB).toBeLessThan(STORAGE_MIB);
    expect(coordinatorMiB).toBeLessThan(COORDINATOR_MIB);
  } finally {
    await client.close();
  }
});
