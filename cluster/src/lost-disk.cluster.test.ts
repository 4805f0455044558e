import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { must } from '@circlet/shared/assert.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, until } from './http.case.ts';
import { type LocalCluster, startLocalCluster } from './local-cluster.ts';

const KEYS = 5_000;
const PER_BATCH = 250;

let cluster: LocalCluster;
let url: string;

beforeAll(async () => {
  cluster = await startLocalCluster({ storage: 3 });
  url = cluster.urls[0] ?? '';
  await until(
    'all three serve',
    async () => (await call('PUT', `${url}/v1/kv/up/k?w=3`, 'v')).status === 204,
  );
  for (let first = 0; first < KEYS; first += PER_BATCH) await putBatch(first);
  await until('all three have all keys', async () => (await keysOn('storage-1')) === KEYS + 1);
});
afterAll(() => cluster.down());

async function putBatch(first: number): Promise<void> {
  const operations = Array.from({ length: PER_BATCH }, (_, i) => ({
    op: 'put',
    bucket: 'b',
    key: `k${first + i}`,
    valueBase64: Buffer.from(`value ${first + i}`).toString('base64'),
  }));
  const answer = await call('POST', `${url}/v1/batch?w=3`, JSON.stringify({ operations }), {
    'content-type': 'application/json',
  });
  const { results } = JSON.parse(answer.body.toString()) as { results: { status: number }[] };
  expect(new Set(results.map(({ status }) => status))).toEqual(new Set([204]));
}

interface Node {
  readonly name: string;
  readonly id: string;
  readonly state: string;
  readonly status: string;
  readonly keys: number | null;
}

async function node(name: string): Promise<Node> {
  const answer = await fetch(`${url}/v1/cluster/nodes`);
  const { nodes } = (await answer.json()) as { nodes: Node[] };
  return must(
    nodes.find((of) => of.name === name),
    `${name} is a node`,
  );
}

const keysOn = async (name: string) => (await node(name)).keys;

function dataDirOf(name: string): string {
  return must(cluster.layout.storage.find((plan) => plan.name === name)?.dataDir, `${name} is planned`);
}

/** Reads every so many keys from all three owners. */
async function expectAll(): Promise<void> {
  for (let i = 0; i < KEYS; i += 97) {
    const answer = await call('GET', `${url}/v1/kv/b/k${i}?r=3&pr=3`);
    expect([answer.status, answer.body.toString()]).toEqual([200, `value ${i}`]);
  }
}

it('a storage pod that lost its disk is whole again by itself, and requests go on meanwhile', async () => {
  const before = await node('storage-1');
  await cluster.supervisor.kill('storage-1');
  rmSync(dataDirOf('storage-1'), { recursive: true });
  await cluster.supervisor.start('storage-1');
  let requests = 0;
  const failed: string[] = [];
  await until(
    'it has another disk and is active',
    async () => {
      const put = await call('PUT', `${url}/v1/kv/during/k${requests}?w=2`, 'v');
      const got = await call('GET', `${url}/v1/kv/b/k${(requests * 31) % KEYS}?r=2`);
      requests++;
      for (const { status, code } of [put, got]) if (status >= 400) failed.push(`${status} ${code}`);
      const { id, state } = await node('storage-1');
      return id !== before.id && state === 'active';
    },
    60_000,
  );
  await until('it has all keys', async () => (await keysOn('storage-1')) === KEYS + 1 + requests);
  await expectAll();
  expect(failed).toEqual([]);
  expect(requests).toBeGreaterThan(20);
}, 120_000);

it('rows that are gone from a disk come back without a read', async () => {
  const total = async () => {
    const all = await Promise.all(['storage-0', 'storage-1', 'storage-2'].map(keysOn));
    return new Set(all).size === 1 ? all[0] : undefined;
  };
  await until('all three have the same', async () => (await total()) !== undefined);
  const keys = await total();
  await cluster.supervisor.stop('storage-2');
  const file = new DatabaseSync(join(dataDirOf('storage-2'), 'store.sqlite'));
  file.exec('DELETE FROM rows WHERE h % 3 = 0');
  file.close();
  await cluster.supervisor.start('storage-2');
  await until('it says that it has fewer', async () => ((await keysOn('storage-2')) ?? 0) < (keys ?? 0));
  // The trees of the clean stop say that the rows are there; the scrub finds that they are not, five hundred a second.
  await until('it has them again', async () => (await keysOn('storage-2')) === keys, 60_000);
  await expectAll();
}, 120_000);
