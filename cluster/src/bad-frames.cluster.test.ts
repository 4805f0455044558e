import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityOf } from '@circlet/shared/adapters/identity.ts';
import { readSecrets } from '@circlet/shared/adapters/secrets.ts';
import { FrameBuilder, type FrameHeader } from '@circlet/shared/protocol/frame.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';
import { subjectOf } from '@circlet/shared/protocol/subjects.ts';
import { NO_TOPOLOGY } from '@circlet/shared/ring/topology.ts';
import { call, until } from './http.case.ts';
import { type LocalCluster, startLocalCluster } from './local-cluster.ts';
import { NatsClient } from './nats-client.case.ts';

/** The second table of invariants.md, section 5, against real processes over a real nats-server. */
let cluster: LocalCluster;
let stranger: NatsClient;
beforeAll(async () => {
  cluster = await startLocalCluster({ storage: 3, coordinators: 1 });
  stranger = await NatsClient.open(cluster.layout.nats[0]?.ports.client ?? 0);
});
afterAll(async () => {
  stranger?.close();
  await cluster?.down();
});

const STORAGE = ['storage-0', 'storage-1', 'storage-2'];
const subjects = [
  ...STORAGE.map((name) => subjectOf('local', 'coordinator', { role: 'storage', name })),
  ...STORAGE.map((name) => subjectOf('local', 'storage', { role: 'storage', name })),
  subjectOf('local', 'coordinator', { role: 'storage', name: '*' }),
  subjectOf('local', 'storage', { role: 'coordinator', name: 'coordinator-0' }),
];

let numbered = 0;
/** A frame that is in order, from somebody who knows the cluster's secret. */
function frame(message: Message, more: Partial<FrameHeader> = {}): Uint8Array {
  const { clusterKey } = readSecrets(cluster.layout.secretsFile);
  const { clusterMark, boot } = identityOf('local', clusterKey, 'coordinator', 'stranger');
  const builder = new FrameBuilder();
  builder.begin({
    cluster: clusterMark,
    role: 'coordinator',
    name: 'stranger',
    boot,
    toBoot: undefined,
    number: numbered++,
    epoch: 0,
    topology: NO_TOPOLOGY,
    ...more,
  });
  builder.add(message);
  return builder.finish();
}

const echo: Message = { kind: 'echo', id: 1, sentMs: 0 };

async function counted(name: string, event: string): Promise<number> {
  const { storage, coordinators } = cluster.layout;
  const port = [...storage, ...coordinators].find((pod) => pod.name === name)?.metricsPort;
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(new RegExp(`event="${event}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
}

async function keys(): Promise<number> {
  const answer = await fetch(`${cluster.urls[0]}/v1/cluster/nodes`);
  const { nodes } = (await answer.json()) as { nodes: { keys: number }[] };
  return nodes.reduce((sum, node) => sum + node.keys, 0);
}

/** A put and a get of somebody else, and how long the slower of them took. */
async function othersWaitMs(n: number): Promise<number> {
  let slowest = 0;
  for (const [method, body, status] of [
    ['PUT', `value ${n}`, 204],
    ['GET', undefined, 200],
  ] as const) {
    const began = performance.now();
    const answer = await call(method, `${cluster.urls[0]}/v1/kv/others/k${n}`, body);
    expect(answer.status).toBe(status);
    slowest = Math.max(slowest, performance.now() - began);
  }
  return slowest;
}

describe('what a stranger on the bus publishes on the subjects of pods', () => {
  it('and is no frame is dropped, counted and answered by nobody; the pods stay up and others are served', async () => {
    const good = frame(echo);
    const bad: readonly Uint8Array[] = [
      new Uint8Array(0),
      randomBytes(200),
      randomBytes(500_000),
      good.subarray(0, good.length - 1),
      Uint8Array.of(...good, 7),
      Uint8Array.of(99, ...good.subarray(1)),
      frame(echo, { cluster: 'another!' }),
      Uint8Array.of(...good, 8, 0xff, 0xff, 0xff, 0xff),
    ];
    const pids = cluster.pids();
    // A coordinator is ready with a quorum; with three pods nobody would hold a hint for the one it does not know yet.
    await until(
      'all three take writes',
      async () =>
        (await call('PUT', `${cluster.urls[0]}/v1/kv/others/first?w=3&sloppy=false`, 'x')).status === 204,
    );
    await until('and have said so', async () => (await keys()) === 3);
    stranger.subscribe('stolen.>');
    for (let round = 0; round < 20; round++) {
      for (const subject of subjects) {
        for (const bytes of bad) stranger.publish(subject, bytes, 'stolen.reply');
      }
      expect(await othersWaitMs(round)).toBeLessThan(1_000);
    }
    await stranger.flush();
    for (const name of [...STORAGE, 'coordinator-0']) {
      // The good beginning of a frame is used up by its first copy, so some are copies and not counted.
      await until(`${name} has counted`, async () => (await counted(name, 'bad_frame')) >= 20 * 4);
    }
    expect(cluster.pids()).toEqual(pids);
    expect(stranger.heard).toEqual([]);
    // Three copies of each key of the other client, and nothing else.
    await until('all copies are there', async () => (await keys()) === 3 + 3 * 20);
  });

  it('and names somebody else to answer to is answered where its sender listens, and nowhere else', async () => {
    const own = subjectOf('local', 'storage', { role: 'coordinator', name: 'stranger' });
    stranger.subscribe(own);
    stranger.subscribe('victim.>');
    await stranger.flush();
    for (const name of STORAGE) {
      const subject = subjectOf('local', 'coordinator', { role: 'storage', name });
      stranger.publish(subject, frame(echo), 'victim.inbox');
    }
    await until('all three have answered', () =>
      Promise.resolve(stranger.heard.filter((subject) => subject === own).length === 3),
    );
    await stranger.flush();
    expect(new Set(stranger.heard)).toEqual(new Set([own]));
  });

  it('and is larger than any message ends its own connection, and nobody else’s', async () => {
    const flooder = await NatsClient.open(cluster.layout.nats[0]?.ports.client ?? 0);
    flooder.publish(subjects[0] ?? '', new Uint8Array(3 * 1024 * 1024));
    await until('the server has thrown it out', () => Promise.resolve(flooder.isClosed));
    expect(await othersWaitMs(100)).toBeLessThan(1_000);
  });
});
