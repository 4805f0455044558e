import { identityOf, newBoot } from '@circlet/shared/adapters/identity.ts';
import { MemoryBus } from '@circlet/shared/adapters/memory-bus.ts';
import { newSecrets, parseSecrets } from '@circlet/shared/adapters/secrets.ts';
import { systemClock, systemScheduler } from '@circlet/shared/adapters/system-clock.ts';
import { Host, type HostEffect, type HostEvent } from '@circlet/shared/host/host.ts';
import type { Machine, Now } from '@circlet/shared/machine.ts';
import { addressOf } from '@circlet/shared/protocol/frame.ts';
import type { Message, MessageOf } from '@circlet/shared/protocol/message.ts';
import { encodeTopology } from '@circlet/shared/ring/topology.ts';
import { afterEach, expect, it, vi } from 'vitest';
import { TOPOLOGY } from './core/scripted-desk.case.ts';
import { pulse } from './http/memory-port.case.ts';
import { CoordinatorPod } from './pod.ts';

const secrets = parseSecrets(newSecrets(), 'secrets');
const document = encodeTopology(TOPOLOGY);

/** A member that answers echoes, and questions about changes if it does not break on them. */
class Member implements Machine<HostEvent<never>, HostEffect<never, never>> {
  readonly mutations = 0;
  readonly asked: MessageOf<'changeAsk'>[] = [];

  handle(event: HostEvent<never>, now: Now): readonly HostEffect<never, never>[] {
    if (event.kind !== 'message') return [];
    const answer = this.answer(event.message, now);
    return answer === undefined ? [] : [{ kind: 'send', to: addressOf(event.from), message: answer }];
  }

  private answer(message: Message, now: Now): Message | undefined {
    if (message.kind === 'topologyAsk') return { kind: 'topologyTold', document };
    if (message.kind === 'echo')
      return { kind: 'echoed', ...pulse({ sentMs: message.sentMs, monoMs: Math.floor(now.monoMs) }) };
    if (message.kind !== 'changeAsk') return undefined;
    this.asked.push(message);
    return {
      kind: 'changeTold',
      id: message.id,
      status: 'planned',
      digest: 'd'.repeat(16),
      document,
      reason: '',
    };
  }
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

it('carries a change to a member and its answer back, over the bus', async () => {
  const bus = new MemoryBus();
  const member = new Member();
  const host = new Host<never, never, never>({
    identity: identityOf('test', secrets.clusterKey, 'storage', 'b'),
    build: () => member,
    transport: bus.connect('test', 'storage', 'b'),
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
  cleanups.push(
    () => pod.stop(),
    () => host.stop(),
  );
  const change = { verb: 'weight', names: ['a'], weight: 2 } as const;
  expect(await pod.change(change, undefined)).toEqual({ kind: 'untold', why: 'not_ready' });
  await vi.waitFor(() => expect(pod.cluster.node('b').pulse).toBeDefined(), 5_000);
  const [first, second] = await Promise.all([pod.change(change, undefined), pod.change(change, undefined)]);
  expect(first).toMatchObject({ kind: 'told', status: 'planned', document: TOPOLOGY });
  expect(second).toEqual({ kind: 'untold', why: 'overloaded' });
  expect(member.asked).toMatchObject([{ ...change, commits: undefined }]);
});
