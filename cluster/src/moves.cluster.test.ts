import { must } from '@circlet/shared/assert.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, until } from './http.case.ts';
import { type LocalCluster, startLocalCluster } from './local-cluster.ts';

const KEYS = 2_000;
const PER_BATCH = 250;
const WORKERS = 6;
/** Of what is asked while members come and go, and of what is asked before. */
const ERRORS_SHARE_MAX = 0.01;

let cluster: LocalCluster;
let url: string;
let admin: string;
let load: Load;

beforeAll(async () => {
  cluster = await startLocalCluster({ storage: 3, coordinators: 2, vnodes: 64 });
  url = cluster.urls[0] ?? '';
  admin = `http://127.0.0.1:${must(cluster.layout.coordinators[0], 'there is one').adminPort}`;
  await until(
    'all three serve',
    async () => (await call('PUT', `${url}/v1/kv/up/k?w=3`, 'v')).status === 204,
  );
  for (let first = 0; first < KEYS; first += PER_BATCH) await putBatch(first);
  load = new Load();
});
afterAll(async () => {
  await load?.stop();
  await cluster?.down();
});

async function putBatch(first: number): Promise<void> {
  const operations = Array.from({ length: PER_BATCH }, (_, i) => ({
    op: 'put',
    bucket: 'b',
    key: `k${first + i}`,
    valueBase64: Buffer.from(`value ${first + i}`).toString('base64'),
  }));
  const body = JSON.stringify({ operations });
  const answer = await call('POST', `${url}/v1/batch?w=3`, body, { 'content-type': 'application/json' });
  if (answer.status !== 200) throw new Error(`the batch was answered ${answer.status}`);
}

/**
 * Each worker counts up in a key of its own, reading before it writes, through one coordinator and then the other: what was
 * acknowledged must be there, and the counter never goes back.
 */
class Load {
  asked = 0;
  readonly failed: string[] = [];
  readonly wentBack: string[] = [];
  private isOver = false;
  private readonly acknowledged = new Map<string, number>();
  private readonly workers: readonly Promise<void>[];

  constructor() {
    this.workers = Array.from({ length: WORKERS }, (_, i) => this.work(`w${i}`));
  }

  async stop(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.workers);
  }

  async check(): Promise<void> {
    for (const [key, last] of this.acknowledged) {
      const { status, body } = await call('GET', `${url}/v1/kv/load/${key}?r=3&pr=3`);
      if (status !== 200 || Number(body.toString()) < last)
        throw new Error(`${key} was at ${last}, and is answered ${status} ${body.toString()}`);
    }
  }

  private async work(key: string): Promise<void> {
    for (let n = 0; !this.isOver; n++) {
      const via = cluster.urls[n % 2] ?? url;
      const before = await this.ask('GET', `${via}/v1/kv/load/${key}?r=2`);
      if (before === undefined) continue;
      const was = before.status === 404 ? 0 : Number(before.body.toString());
      const last = this.acknowledged.get(key) ?? 0;
      if (was < last) this.wentBack.push(`${key} from ${last} to ${was}`);
      const headers = before.context === undefined ? {} : { 'circlet-context': before.context };
      const put = await this.ask('PUT', `${via}/v1/kv/load/${key}?w=2`, String(was + 1), headers);
      if (put !== undefined) this.acknowledged.set(key, was + 1);
    }
  }

  private async ask(...args: Parameters<typeof call>) {
    this.asked++;
    const answer = await call(...args);
    if (answer.status < 300 || answer.status === 404) return answer;
    this.failed.push(`${args[0]} ${answer.status} ${answer.code}`);
    return undefined;
  }
}

interface Planned {
  readonly status: string;
  readonly digest: string;
}

async function post(path: string, body: unknown): Promise<Planned> {
  const answer = await call('POST', `${admin}${path}`, JSON.stringify(body), {
    'content-type': 'application/json',
  });
  if (answer.status >= 400) throw new Error(`${answer.status} ${answer.body.toString()}`);
  return JSON.parse(answer.body.toString()) as Planned;
}

/** Plans the change, has it chosen, and waits until it is done; `meanwhile` as soon as it has begun. */
async function change(what: object, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
  let planned: Planned | undefined;
  await until('it can be planned', async () => {
    planned = await post('/v1/changes', what);
    return true;
  });
  const { digest } = must(planned, 'it was planned');
  await until('it is chosen', async () => (await post(`/v1/changes/${digest}`, what)).status === 'chosen');
  await meanwhile();
  await until(
    'it is done',
    async () => {
      const answer = await call('GET', `${admin}/v1/changes`);
      return (JSON.parse(answer.body.toString()) as { phase: string | null }).phase === null;
    },
    120_000,
  );
}

async function members(): Promise<readonly string[]> {
  const answer = await fetch(`${url}/v1/cluster/nodes`);
  return ((await answer.json()) as { nodes: { name: string }[] }).nodes.map(({ name }) => name);
}

async function expectAll(): Promise<void> {
  for (let i = 0; i < KEYS; i += 37) {
    const { status, body } = await call('GET', `${url}/v1/kv/b/k${i}?r=3&pr=3`);
    if (status !== 200 || body.toString() !== `value ${i}`)
      throw new Error(`k${i} is answered ${status} ${body.toString()}`);
  }
  await load.check();
  if (load.wentBack.length > 0) throw new Error(load.wentBack.join(', '));
}

/** Not more than one request in a hundred has failed since. */
function expectFew(failedBefore: number, askedBefore: number): void {
  const failed = load.failed.slice(failedBefore);
  const asked = load.asked - askedBefore;
  if (asked < 100 || failed.length > ERRORS_SHARE_MAX * asked)
    throw new Error(`${failed.length} of ${asked} failed: ${failed.slice(0, 5).join(', ')}`);
}

it('two pods join three, of which one is killed meanwhile, under a load: nothing is lost and hardly anything fails', async () => {
  const before = [load.failed.length, load.asked] as const;
  for (const name of ['n4', 'n5']) await cluster.supervisor.addStorage(name);
  await change({ verb: 'join', names: ['n4', 'n5'] }, async () => {
    await cluster.supervisor.kill('storage-1');
    await cluster.supervisor.start('storage-1');
  });
  expect(await members()).toEqual(['n4', 'n5', 'storage-0', 'storage-1', 'storage-2']);
  expectFew(...before);
  await expectAll();
}, 180_000);

it('two of five leave, and what they had is with those who stay', async () => {
  const before = [load.failed.length, load.asked] as const;
  await change({ verb: 'leave', names: ['storage-0', 'n5'] });
  expect(await members()).toEqual(['n4', 'storage-1', 'storage-2']);
  for (const name of ['storage-0', 'n5']) await cluster.supervisor.kill(name);
  expectFew(...before);
  await expectAll();
}, 180_000);

it('one that is dead for good is replaced by an empty one, which is filled from the others', async () => {
  await cluster.supervisor.kill('storage-2');
  const before = [load.failed.length, load.asked] as const;
  await cluster.supervisor.addStorage('n6');
  await until('it is seen to be dead', async () => {
    const answer = await fetch(`${url}/v1/cluster/nodes`);
    const { nodes } = (await answer.json()) as { nodes: { name: string; status: string }[] };
    return nodes.some(({ name, status }) => name === 'storage-2' && status === 'down');
  });
  await change({ verb: 'replace', names: ['storage-2', 'n6'] });
  await until('it is one of three', async () => {
    const now = await members();
    return now.join() === 'n4,n6,storage-1';
  });
  expectFew(...before);
  await until('it is as good as the others', async () => {
    await expectAll();
    return true;
  });
}, 180_000);
