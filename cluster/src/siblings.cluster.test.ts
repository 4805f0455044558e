import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, until } from './http.case.ts';
import { type LocalCluster, startLocalCluster } from './local-cluster.ts';

let cluster: LocalCluster;
beforeAll(async () => {
  cluster = await startLocalCluster({ storage: 3, coordinators: 2 });
});
afterAll(() => cluster.down());

interface Siblings {
  readonly context: string;
  readonly siblings: readonly { readonly valueBase64: string }[];
}

it('two clients that do 1,000 read-modify-writes on one key through two coordinators never see more than two siblings', async () => {
  const seen: number[] = [];
  const client = async (url: string): Promise<void> => {
    for (let i = 0; i < 1_000; i++) {
      const got = await call('GET', `${url}/v1/kv/counters/one`, undefined, { accept: 'application/json' });
      if (got.status === 300) seen.push((JSON.parse(got.body.toString()) as Siblings).siblings.length);
      else seen.push(got.status === 200 ? 1 : 0);
      const headers = got.context === undefined ? undefined : { 'circlet-context': got.context };
      const put = await call('PUT', `${url}/v1/kv/counters/one`, String(i), headers);
      expect(put.status).toBe(204);
    }
  };
  await Promise.all(cluster.urls.map(client));
  expect(Math.max(...seen)).toBeLessThanOrEqual(2);
});

it('n blind puts give exactly n siblings', async () => {
  const [url = ''] = cluster.urls;
  const n = 60;
  const puts = await Promise.all(
    Array.from({ length: n }, (_, i) => call('PUT', `${cluster.urls[i % 2]}/v1/kv/blind/one`, `value ${i}`)),
  );
  expect(new Set(puts.map(({ status }) => status))).toEqual(new Set([204]));
  await until('all of them are seen', async () => {
    const got = await call('GET', `${url}/v1/kv/blind/one?r=all`, undefined, { accept: 'application/json' });
    const { siblings } = JSON.parse(got.body.toString()) as Siblings;
    expect(siblings.length).toBeLessThanOrEqual(n);
    const values = siblings.map(({ valueBase64 }) => Buffer.from(valueBase64, 'base64').toString());
    return values.length === n && new Set(values).size === n;
  });
});

it('a client that sends its context with a read gets an answer at least that new through any coordinator', async () => {
  const [first = '', second = ''] = cluster.urls;
  let context: string | undefined;
  for (let i = 0; i < 100; i++) {
    const headers = context === undefined ? undefined : { 'circlet-context': context };
    const put = await call('PUT', `${first}/v1/kv/session/mine?w=1`, `value ${i}`, headers);
    context = put.context;
    const got = await call('GET', `${second}/v1/kv/session/mine?r=1`, undefined, {
      'circlet-context': context ?? '',
    });
    expect(got.status === 200 ? got.body.toString() : got.code).toBe(`value ${i}`);
  }
});

it('a write that reads first may be sent again through another coordinator: it passes, and spares what was written since', async () => {
  const [first = '', second = ''] = cluster.urls;
  const key = '/v1/kv/again/one';
  const create = { 'if-none-match': '*', 'idempotency-key': 'create' };
  expect((await call('PUT', first + key, 'mine', create)).status).toBe(204);
  expect((await call('PUT', second + key, 'mine', create)).status).toBe(204);
  expect((await call('PUT', second + key, 'theirs', { 'if-none-match': '*' })).code).toBe(
    'precondition_failed',
  );
  const removal = { 'idempotency-key': 'remove' };
  expect((await call('DELETE', first + key, undefined, removal)).status).toBe(204);
  expect((await call('PUT', first + key, 'newer')).status).toBe(204);
  expect((await call('DELETE', second + key, undefined, removal)).status).toBe(204);
  const got = await call('GET', second + key, undefined, { accept: 'application/json' });
  const { siblings } = JSON.parse(got.body.toString()) as Siblings;
  expect(siblings.map(({ valueBase64 }) => Buffer.from(valueBase64, 'base64').toString())).toContain('newer');
});
