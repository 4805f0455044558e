import { afterAll, beforeAll, expect, it } from 'vitest';
import { call } from './http.case.ts';
import { type LocalCluster, startLocalCluster } from './local-cluster.ts';

let cluster: LocalCluster;
let url: string;
beforeAll(async () => {
  cluster = await startLocalCluster({ storage: 3 });
  url = cluster.urls[0] ?? '';
});
afterAll(() => cluster.down());

const FLOOD_CLIENTS = 8;
const OTHERS = 4;
const FLOOD_MS = 4_000;

type Request = (n: number) => ReturnType<typeof call>;

const large = Buffer.alloc(100_000);
const tooLarge = Buffer.alloc(1_500_000);
const deep = '['.repeat(200_000);
const json = { 'content-type': 'application/json' };
const BAD: readonly Request[] = [
  () => call('GET', `${url}/v1/kv/flood/k?r=9`),
  () => call('GET', `${url}/v1/kv/flood/%00`),
  () => call('PUT', `${url}/v1/kv/flood/k`, 'v', { 'circlet-context': 'x'.repeat(2_000) }),
  () => call('PUT', `${url}/v1/kv/flood/k`, tooLarge),
  () => call('PUT', `${url}/v1/kv/flood/k`, 'v', { 'content-encoding': 'gzip' }),
  () => call('POST', `${url}/v1/batch`, deep, json),
  () => call('POST', `${url}/v1/batch`, '{"__proto__":{}}', json),
  () => call('DELETE', `${url}/v1/kv/flood/k`, undefined, { 'if-match': 'garbage' }),
  () => call('POST', `${url}/v1/admin`),
];
/** As large a share of large bodies as among the bad ones: bytes cost what they cost. */
const good: Request = (n) => {
  if (n % BAD.length === 0) return call('PUT', `${url}/v1/kv/flood/${n}`, large);
  return n % 2 === 0
    ? call('PUT', `${url}/v1/kv/flood/${n}`, 'v')
    : call('GET', `${url}/v1/kv/flood/${n - 1}`);
};

interface Flooded {
  readonly p99Ms: number;
  readonly sent: number;
  readonly statuses: ReadonlySet<number>;
}

/** What others see, who get and put keys of their own, while some send `request` as fast as it is answered. */
async function othersUnder(request: Request): Promise<Flooded> {
  const endMs = performance.now() + FLOOD_MS;
  const statuses = new Set<number>();
  let sent = 0;
  const floods = Array.from({ length: FLOOD_CLIENTS }, async () => {
    while (performance.now() < endMs) statuses.add((await request(sent++)).status);
  });
  const tookMs: number[] = [];
  const others = Array.from({ length: OTHERS }, async (_, client) => {
    for (let n = 0; performance.now() < endMs; n++) {
      const key = `${url}/v1/kv/others/c${client}-${n % 100}`;
      const startedMs = performance.now();
      const seen = await call('GET', key);
      const headers = seen.context === undefined ? undefined : { 'circlet-context': seen.context };
      const put = await call('PUT', key, `value ${n}`, headers);
      tookMs.push((performance.now() - startedMs) / 2);
      expect([200, 404]).toContain(seen.status);
      expect(put.status).toBe(204);
    }
  });
  await Promise.all([...floods, ...others]);
  tookMs.sort((a, b) => a - b);
  return { p99Ms: tookMs[Math.floor(tookMs.length * 0.99)] ?? Number.POSITIVE_INFINITY, sent, statuses };
}

it('a flood of bad requests slows others no more than as many clients with good ones', async () => {
  await othersUnder(good); // Until everything is compiled.
  const beside = await othersUnder(good);
  const under = await othersUnder((n) => (BAD[n % BAD.length] as Request)(n));
  process.stdout.write(
    `99th percentile of others: ${beside.p99Ms.toFixed(1)} ms beside ${beside.sent} good requests, ` +
      `${under.p99Ms.toFixed(1)} ms beside ${under.sent} bad ones\n`,
  );
  expect([...beside.statuses].every((status) => status < 500)).toBe(true);
  expect(under.statuses).toEqual(new Set([400, 404, 413, 415]));
  expect(under.sent).toBeGreaterThan(500);
  expect(under.p99Ms).toBeLessThan(1.5 * beside.p99Ms + 10);
});
