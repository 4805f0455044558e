import { identityOf, newBoot } from '@circlet/shared/adapters/identity.ts';
import { MemoryBus } from '@circlet/shared/adapters/memory-bus.ts';
import { newSecrets, parseSecrets } from '@circlet/shared/adapters/secrets.ts';
import { systemClock, systemScheduler } from '@circlet/shared/adapters/system-clock.ts';
import { Host, type HostEffect, type HostEvent } from '@circlet/shared/host/host.ts';
import type { Machine } from '@circlet/shared/machine.ts';
import { addressOf } from '@circlet/shared/protocol/frame.ts';
import { encodeTopology, type Topology } from '@circlet/shared/ring/topology.ts';
import { expect, it, vi } from 'vitest';
import { TOPOLOGY } from './core/scripted-desk.case.ts';
import { objectParams } from './http/quorum-params.ts';
import { CoordinatorPod } from './pod.ts';

const secrets = parseSecrets(newSecrets(), 'secrets');

/** All that a storage pod says here is the topology, to whoever asks. */
class Teller implements Machine<HostEvent<never>, HostEffect<never, never>> {
  readonly mutations = 0;
  private readonly topology: Topology;

  constructor(topology: Topology) {
    this.topology = topology;
  }

  handle(event: HostEvent<never>): readonly HostEffect<never, never>[] {
    if (event.kind !== 'message' || event.message.kind !== 'topologyAsk') return [];
    const document = encodeTopology(this.topology);
    return [{ kind: 'send', to: addressOf(event.from), message: { kind: 'topologyTold', document } }];
  }
}

it('a quorum is one of the configured N, also while there are fewer members (rule 24)', async () => {
  const bus = new MemoryBus();
  const members = TOPOLOGY.members.slice(0, 2);
  const teller = new Host<never, never, never>({
    identity: identityOf('test', secrets.clusterKey, 'storage', 'a'),
    build: () => new Teller({ ...TOPOLOGY, replicas: 5, members, owners: [[0, 1]] }),
    transport: bus.connect('test', 'storage', 'a'),
    clock: systemClock,
    scheduler: systemScheduler(),
    respond: () => undefined,
    notice: () => undefined,
    newBoot,
    isFatal: () => false,
    fatal: () => undefined,
  });
  const pod = new CoordinatorPod({
    name: 'p',
    cluster: 'test',
    secrets,
    version: '0.0.0',
    transport: bus.connect('test', 'coordinator', 'p'),
    notice: () => undefined,
    requestsMax: 10,
    bytesMax: 1_000,
    siblingsMax: 10,
  });
  await vi.waitFor(() => expect(pod.cluster.ring?.topology.members).toHaveLength(2), 5_000);
  expect(pod.cluster.replicas).toBe(5);
  expect(objectParams('', pod.cluster.replicas).quorum).toMatchObject({ r: 3, w: 3 });
  pod.stop();
  teller.stop();
});
