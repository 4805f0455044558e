import { afterAll, beforeAll, expect, it } from 'vitest';
import { call, nodes, preferenceList, until } from './http.case.ts';
import { type LocalCluster, startLocalCluster } from './local-cluster.ts';

let cluster: LocalCluster;
let url: string;

beforeAll(async () => {
  cluster = await startLocalCluster({ storage: 5 });
  url = cluster.urls[0] ?? '';
});
afterAll(() => cluster.down());

const CLIENTS = 8;
const UNDER_LOAD_MS = 30_000;
const VICTIM = 'storage-2';
/** An odd multiple of the clients: so every key is both put and got. */
const KEYS = Array.from({ length: 408 }, (_, i) => `k${i}`);

interface Done {
  readonly key: string;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly ok: boolean;
  readonly why: string;
}

interface Failover {
  readonly after: readonly Done[];
  readonly failed: readonly Done[];
  /** Until the first success of each affected key that was asked for within a second: from the kill, or from its asking. */
  readonly waitsMs: readonly number[];
  /** How long requests on affected keys took from the kill on that were under way when it came. */
  readonly heldMs: readonly number[];
}

/** Kills a storage process while clients get and put, and goes on for `ms`. */
async function killUnderLoad(affected: ReadonlySet<string>, ms: number): Promise<Failover> {
  const done: Done[] = [];
  const written = new Set<string>();
  const load = { stopped: false };
  const client = async (n: number): Promise<void> => {
    for (let i = n; !load.stopped; i += CLIENTS) {
      const key = KEYS[i % KEYS.length] as string;
      const startedMs = performance.now();
      const isPut = Math.floor(i / CLIENTS) % 2 === 0;
      // Blind puts would pile up siblings: each put names what it replaces.
      const seen = isPut ? await call('GET', `${url}/v1/kv/load/${key}?r=1`) : undefined;
      const context = seen?.context === undefined ? undefined : { 'circlet-context': seen.context };
      const answer = isPut
        ? await call('PUT', `${url}/v1/kv/load/${key}?w=2`, `value ${i}`, context)
        : await call('GET', `${url}/v1/kv/load/${key}?r=2`);
      const ok = answer.status < 400 || (answer.status === 404 && !written.has(key));
      if (isPut && ok) written.add(key);
      const why = `${answer.status} ${answer.code ?? ''}`;
      done.push({ key, startedMs, endedMs: performance.now(), ok, why });
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, n) => client(n));
  await until('the load is running', () => Promise.resolve(done.length > 2_000));
  const killedMs = performance.now();
  await cluster.supervisor.kill(VICTIM);
  await until('enough has passed', () => Promise.resolve(performance.now() - killedMs > ms), ms + 10_000);
  load.stopped = true;
  await Promise.all(clients);

  const after = done.filter(({ endedMs }) => endedMs >= killedMs);
  const firstMs = new Map<string, number>();
  for (const { key, ok, startedMs, endedMs } of after) {
    if (!ok || !affected.has(key) || startedMs > killedMs + 1_000 || firstMs.has(key)) continue;
    firstMs.set(key, endedMs - Math.max(startedMs, killedMs));
  }
  const underWay = after.filter(({ key, startedMs }) => startedMs < killedMs && affected.has(key));
  return {
    after,
    failed: after.filter(({ ok }) => !ok),
    waitsMs: [...firstMs.values()].toSorted((x, y) => x - y),
    heldMs: underWay.map(({ endedMs }) => endedMs - killedMs),
  };
}

async function bringBack(): Promise<void> {
  await cluster.supervisor.start(VICTIM);
  await until('every hint is delivered', async () =>
    (await nodes(url)).every(({ hints, status }) => hints.held + hints.owed === 0 && status === 'alive'),
  );
}

it('goes on within 50 ms when a storage process is killed under load, and fails under 0.1 % of requests', async () => {
  const lists = await Promise.all(KEYS.map((key) => preferenceList(url, 'load', key)));
  const affected = new Set(KEYS.filter((_, i) => lists[i]?.slice(0, 3).includes(VICTIM)));
  // A wait of ours would be in every one of them; a pause of a shared machine is not.
  const worst: number[] = [];
  for (const ms of [UNDER_LOAD_MS, 3_000, 3_000, 3_000]) {
    const { after, failed, waitsMs, heldMs } = await killUnderLoad(affected, ms);
    await bringBack();
    const share = failed.length / after.length;
    const slowest = Math.max(...waitsMs, ...heldMs);
    worst.push(slowest);
    process.stdout.write(
      `killed ${VICTIM}: ${after.length} requests in ${ms / 1000} s, ${failed.length} failed (${(share * 100).toFixed(3)} %); ` +
        `first success on ${waitsMs.length} affected keys after ${(waitsMs[Math.floor(waitsMs.length / 2)] ?? 0).toFixed(1)} ms (median), ` +
        `${(waitsMs.at(-1) ?? 0).toFixed(1)} ms (worst); ${heldMs.length} under way at the kill held up for ${Math.max(0, ...heldMs).toFixed(1)} ms at most\n`,
    );
    const reasons = failed.map(({ why }) => why);
    expect(share, reasons.slice(0, 10).join(', ')).toBeLessThan(0.001);
    expect(waitsMs.length).toBeGreaterThan(100);
    expect(slowest).toBeLessThan(1_000);
  }
  expect(Math.min(...worst)).toBeLessThan(50);
  for (const key of KEYS) {
    const whole = await call('GET', `${url}/v1/kv/load/${key}?r=all`);
    expect([200, 300]).toContain(whole.status);
  }
});

it('keeps taking sloppy writes with two of three owners dead, and refuses strict ones with what was needed and got', async () => {
  const [first = '', second = '', third = ''] = await preferenceList(url, 'demo', 'dear');
  await cluster.supervisor.kill(first);
  await cluster.supervisor.kill(second);
  await until('both are seen to be gone', async () => {
    const seen = await nodes(url);
    return [first, second].every((name) => seen.find((node) => node.name === name)?.status !== 'alive');
  });
  let context: string | undefined;
  for (let i = 0; i < 50; i++) {
    const headers = context === undefined ? undefined : { 'circlet-context': context };
    const put = await call('PUT', `${url}/v1/kv/demo/dear`, `value ${i}`, headers);
    expect(put.status).toBe(204);
    context = put.context;
  }
  const strict = await call('PUT', `${url}/v1/kv/demo/dear?sloppy=false`, 'strict');
  expect(strict.status).toBe(503);
  expect(strict.problem).toMatchObject({
    code: 'quorum_unavailable',
    need: 2,
    got: 1,
    from: 'owners',
    outcome: 'none',
  });
  expect((await call('GET', `${url}/v1/kv/demo/dear`)).body.toString()).toBe('value 49');

  // Figures are up to a second old: "none" could still be from before the writes.
  await until('the hints are seen', async () => (await nodes(url)).some(({ hints }) => hints.held > 0));
  await cluster.supervisor.start(first);
  await cluster.supervisor.start(second);
  await until('every hint is delivered', async () =>
    (await nodes(url)).every(({ hints }) => hints.held + hints.owed === 0),
  );
  for (const dead of [third]) await cluster.supervisor.kill(dead);
  const healed = await call('GET', `${url}/v1/kv/demo/dear?r=2&sloppy=false`);
  expect(healed.status).toBe(200);
  expect(healed.body.toString()).toBe('value 49');
  await cluster.supervisor.start(third);
});
