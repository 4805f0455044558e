import { describe, expect, it } from 'vitest';
import { type TestApp, testApp } from './app.case.ts';
import { healthSchema } from './health.ts';
import { NODES, pulse } from './memory-port.case.ts';

async function check({ app }: Pick<TestApp, 'app'>, which: string) {
  const answer = await app.request(`/healthz/${which}`);
  return { code: answer.status, ...healthSchema.strict().parse(JSON.parse(await answer.text())) };
}

describe('ready', () => {
  it('is 200 when the coordinator can serve', async () => {
    expect(await check(testApp(), 'ready')).toMatchObject({ code: 200, status: 'ok' });
  });

  it.each<[string, (test: TestApp) => void, string]>([
    ['no topology is known', ({ port }) => void (port.cluster.ring = undefined), 'topology'],
    ['the bus is gone', ({ port }) => void (port.cluster.connected = false), 'bus'],
    ['no storage pod is reached', ({ port }) => port.cluster.status.clear(), 'storage'],
    [
      'no storage pod that is reached is ready itself',
      ({ port }) => {
        for (const name of NODES)
          port.cluster.status.set(name, { reachable: true, pulse: pulse({ ready: false }) });
      },
      'storage',
    ],
    ['the pod is shutting down', ({ pod }) => void (pod.draining = true), 'draining'],
  ])('is 503 and says so when %s', async (_, breakIt, what) => {
    const test = testApp();
    breakIt(test);
    const { code, status, checks } = await check(test, 'ready');
    expect({ code, status }).toEqual({ code: 503, status: 'failing' });
    expect(checks[what]).not.toBe('ok');
  });

  it('needs one storage pod, not all', async () => {
    const test = testApp();
    for (const name of NODES.slice(1))
      test.port.cluster.status.set(name, { reachable: false, pulse: undefined });
    expect(await check(test, 'ready')).toMatchObject({ code: 200 });
  });
});

describe('live', () => {
  it('depends on nothing but the process: or one bus outage would restart every coordinator', async () => {
    const test = testApp();
    test.port.cluster.ring = undefined;
    test.port.cluster.connected = false;
    test.port.cluster.status.clear();
    expect(await check(test, 'live')).toMatchObject({ code: 200, status: 'ok' });
  });
});

describe('startup', () => {
  it('is 503 until a topology was learnt, and 200 from then on', async () => {
    const test = testApp();
    const { ring } = test.port.cluster;
    test.port.cluster.ring = undefined;
    expect(await check(test, 'startup')).toMatchObject({ code: 503, status: 'failing' });
    test.port.cluster.ring = ring;
    expect(await check(test, 'startup')).toMatchObject({ code: 200 });
    test.port.cluster.ring = undefined;
    expect(await check(test, 'startup')).toMatchObject({ code: 200 });
  });
});
