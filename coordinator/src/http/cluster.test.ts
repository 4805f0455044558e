import { switched } from '@circlet/shared/ring/change.ts';
import { positionHex, positionOf, vnodeOf } from '@circlet/shared/ring/position.ts';
import { NOBODY, Ring, type Topology } from '@circlet/shared/ring/topology.ts';
import { describe, expect, it } from 'vitest';
import { problemOfResponse, type TestApp, testApp } from './app.case.ts';
import { clusterSchema, locationSchema, nodesSchema, ringSchema } from './cluster-schema.ts';
import { keyOfText } from './key-path.ts';
import { CLUSTER_KEY, pulse, TOPOLOGY } from './memory-port.case.ts';

async function ask({ app }: TestApp, path: string): Promise<unknown> {
  const answer = await app.request(path);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('application/json');
  return JSON.parse(await answer.text());
}

async function nodes(test: TestApp) {
  const { nodes: list } = nodesSchema.strict().parse(await ask(test, '/v1/cluster/nodes'));
  return Object.fromEntries(list.map((node) => [node.name, node]));
}

/** node-4 leaves: whoever is no owner yet gets its slot, the last. */
const LEAVING: Topology = {
  ...TOPOLOGY,
  move: {
    phase: 'filling',
    since: 2,
    seconds: TOPOLOGY.owners.map((_, vnode) => [NOBODY, NOBODY, vnode % 4 === 3 ? NOBODY : vnode % 4]),
    weights: TOPOLOGY.members.map(() => 1),
  },
};

function testWith(topology: Topology): TestApp {
  const test = testApp();
  test.port.cluster.ring = new Ring(topology, CLUSTER_KEY);
  return test;
}

const down = { reachable: false, pulse: undefined };
const says = (name: string, status: 'alive' | 'suspect' | 'down', incarnation = 1) => ({
  name,
  status,
  incarnation,
});

describe('GET /v1/cluster', () => {
  it('says what the cluster is and how it is', async () => {
    const test = testApp({ limits: { valueBytes: 1_000 } });
    test.port.cluster.status.set('node-2', down);
    expect(clusterSchema.strict().parse(await ask(test, '/v1/cluster'))).toEqual({
      clusterId: 'test',
      epoch: 3,
      partitions: 8,
      replicas: 3,
      limits: { valueBytes: 1_000, keyBytes: 1_024, bucketBytes: 128 },
      nodes: { up: 3, down: 1, joining: 0, leaving: 1 },
      version: '1.2.3',
    });
  });
});

describe('GET /v1/cluster/nodes', () => {
  it('says what each node said of itself', async () => {
    const test = testApp();
    const { status } = test.port.cluster;
    const held = [
      { target: 'node-2', keys: 5 },
      { target: 'node-3', keys: 7 },
    ];
    status.set('node-1', {
      reachable: true,
      pulse: pulse({ keys: 9, bytes: 99, hintsHeld: held, oldestHintAgeMs: 1_234, version: '9' }),
    });
    status.set('node-4', { reachable: true, pulse: pulse({ hintsHeld: [{ target: 'node-2', keys: 1 }] }) });
    const figures = await nodes(test);
    expect(figures['node-1']).toEqual({
      name: 'node-1',
      id: '0'.repeat(32),
      zone: 'zone-0',
      state: 'active',
      status: 'alive',
      vnodes: 6,
      keys: 9,
      bytes: 99,
      hints: { held: 12, owed: 0, oldestAgeMs: 1_234 },
      version: '9',
    });
    expect(figures['node-2']?.hints).toMatchObject({ held: 0, owed: 6 });
    expect(figures['node-3']?.hints).toMatchObject({ owed: 7 });
    expect(figures['node-4']?.state).toBe('leaving');
  });

  it('says null of what it does not know, and the last known of a node that is gone', async () => {
    const test = testApp();
    test.port.cluster.status.set('node-2', down);
    test.port.cluster.status.set('node-3', { reachable: false, pulse: pulse({ keys: 42 }) });
    const figures = await nodes(test);
    expect(figures['node-2']).toMatchObject({
      status: 'down',
      keys: null,
      bytes: null,
      version: null,
      hints: { held: null, owed: 0, oldestAgeMs: null },
    });
    expect(figures['node-3']).toMatchObject({ status: 'down', keys: 42 });
    for (const name of ['node-1', 'node-3', 'node-4']) test.port.cluster.status.set(name, down);
    expect((await nodes(test))['node-2']?.hints).toEqual({ held: null, owed: null, oldestAgeMs: null });
  });

  it.each<[string, readonly (readonly ReturnType<typeof says>[])[], string]>([
    ['nobody who can be reached knows it', [[], []], 'down'],
    ['the others say that it is down', [[says('node-2', 'down')], []], 'down'],
    ['the others suspect it', [[says('node-2', 'suspect')], [says('node-2', 'alive')]], 'suspect'],
    ['the others reach it although we do not', [[says('node-2', 'alive')], []], 'suspect'],
    [
      'one is ahead: it came back since',
      [[says('node-2', 'down', 1)], [says('node-2', 'suspect', 2)]],
      'suspect',
    ],
    ['one is ahead: it fell since', [[says('node-2', 'alive', 1)], [says('node-2', 'down', 2)]], 'down'],
  ])('of a node that is not reached: %s', async (_, gossip, status) => {
    const test = testApp();
    test.port.cluster.status.set('node-2', down);
    test.port.cluster.status.set('node-1', {
      reachable: true,
      pulse: pulse({ members: [...(gossip[0] ?? [])] }),
    });
    test.port.cluster.status.set('node-3', {
      reachable: true,
      pulse: pulse({ members: [...(gossip[1] ?? [])] }),
    });
    // What a node said that is not reached any more is not heard.
    test.port.cluster.status.set('node-4', {
      reachable: false,
      pulse: pulse({ members: [says('node-2', 'alive', 99)] }),
    });
    expect((await nodes(test))['node-2']?.status).toBe(status);
  });

  it('a node that is reached is alive whatever others say', async () => {
    const test = testApp();
    test.port.cluster.status.set('node-1', {
      reachable: true,
      pulse: pulse({ members: [says('node-2', 'down', 9)] }),
    });
    expect((await nodes(test))['node-2']?.status).toBe('alive');
  });
});

describe('GET /v1/cluster/ring', () => {
  it('lists every vnode with its start and its owners', async () => {
    const { epoch, vnodes } = ringSchema.strict().parse(await ask(testApp(), '/v1/cluster/ring'));
    expect(epoch).toBe(3);
    expect(vnodes).toHaveLength(8);
    expect(vnodes[0]).toEqual({
      id: 0,
      start: '0'.repeat(32),
      owners: ['node-2', 'node-3', 'node-4'],
      pending: [],
    });
    expect(vnodes[7]?.start).toBe(`e${'0'.repeat(31)}`);
  });

  it('names the owners to be of what moves, until they are owners', async () => {
    const moving = async (test: TestApp) => {
      const { vnodes } = ringSchema.strict().parse(await ask(test, '/v1/cluster/ring'));
      return vnodes.slice(0, 4).map(({ owners, pending }) => [...owners, '+', ...pending].join(' '));
    };
    expect(await moving(testWith(LEAVING))).toEqual([
      'node-2 node-3 node-4 + node-1',
      'node-1 node-3 node-4 + node-2',
      'node-1 node-2 node-4 + node-3',
      'node-1 node-2 node-3 +',
    ]);
    expect(await moving(testWith(switched(LEAVING)))).toEqual([
      'node-2 node-3 node-1 +',
      'node-1 node-3 node-2 +',
      'node-1 node-2 node-3 +',
      'node-1 node-2 node-3 +',
    ]);
  });
});

describe('GET /v1/cluster/locate', () => {
  it('says where a key lives, owners first', async () => {
    const test = testApp();
    test.port.cluster.status.set('node-1', down);
    const key = keyOfText('b', 'a/é');
    const location = locationSchema.strict().parse(await ask(test, '/v1/cluster/locate/b/a%2F%C3%A9'));
    expect(location.position).toBe(positionHex(positionOf(key)));
    expect(location.vnode).toBe(vnodeOf(positionOf(key), 8));
    expect(location.preferenceList.map(({ role }) => role)).toEqual([
      'primary',
      'primary',
      'primary',
      'fallback',
    ]);
    expect(location.preferenceList.find(({ node }) => node === 'node-1')?.status).toBe('down');
  });

  it('says who is to own it, and not who did', async () => {
    const key = Array.from({ length: 50 }, (_, i) => `k${i}`).find(
      (each) => vnodeOf(positionOf(keyOfText('b', each)), 8) === 0,
    );
    const roles = async (test: TestApp) => {
      const { preferenceList } = locationSchema
        .strict()
        .parse(await ask(test, `/v1/cluster/locate/b/${key}`));
      return preferenceList.map(({ node, role }) => `${node} ${role}`);
    };
    expect(await roles(testWith(LEAVING))).toEqual([
      'node-2 primary',
      'node-3 primary',
      'node-4 primary',
      'node-1 pending',
    ]);
    expect(await roles(testWith(switched(LEAVING)))).toEqual([
      'node-2 primary',
      'node-3 primary',
      'node-1 primary',
    ]);
  });

  it.each(['b/', 'b/..', 'b/%ff', 'b', ''])('refuses the key %j', async (path) => {
    const answer = await testApp().app.request(`/v1/cluster/locate/${path.replace('..', '%2E%2E%00')}`);
    expect(answer.status).toBe(400);
    expect(await problemOfResponse(answer)).toMatchObject({ code: 'invalid_key' });
  });
});

it.each(['', '/nodes', '/ring', '/locate/b/k'])(
  'GET /v1/cluster%s is a 503 while no topology is known',
  async (path) => {
    const test = testApp();
    test.port.cluster.ring = undefined;
    const answer = await test.app.request(`/v1/cluster${path}`);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(await problemOfResponse(answer)).toMatchObject({ code: 'not_ready' });
  },
);
