import { assert, must } from '@circlet/shared/assert.ts';
import { TimerQueue } from '@circlet/shared/host/timer-queue.ts';
import type { Address, Notice } from '@circlet/shared/machine.ts';
import { decodeFrame, FrameBuilder, type FrameHeader } from '@circlet/shared/protocol/frame.ts';
import type { Message, MessageKind, MessageOf } from '@circlet/shared/protocol/message.ts';
import type { FoundingConfig } from '@circlet/shared/ring/founding.ts';
import { encodeTopology, NO_TOPOLOGY, Ring, type Topology } from '@circlet/shared/ring/topology.ts';
import type { RepairOptions } from './anti-entropy/anti-entropy.ts';
import type { StorageEffect, StorageEvent } from './effects.ts';
import { MemoryStore } from './memory-store.ts';
import { StorageNode } from './node.ts';
import { DIGEST_KEY } from './one-key.case.ts';
import { diskOf } from './ring.case.ts';
import type { Locator, Store, Table } from './store.ts';

/**
 * Storage machines, a bus of one millisecond and a coordinator's pen: events in, effects out, no host. A host would drop
 * the copies of a frame; here they arrive, so all but a lead must bear them.
 */
export const CLUSTER = 'test';
const MARK = 'cluster!';

export interface PodOptions {
  readonly store?: Store;
  readonly founding?: FoundingConfig;
  readonly hintKeysMax?: number;
  readonly repair?: RepairOptions;
  readonly seed?: number;
}

export class Pod {
  readonly name: string;
  readonly boot: string;
  readonly store: Store;
  readonly node: StorageNode;
  epoch = -1;
  topology = '';

  constructor(name: string, boot: string, options: PodOptions) {
    this.name = name;
    this.boot = boot;
    this.store = options.store ?? new MemoryStore(diskOf(name));
    this.node = new StorageNode({
      name,
      boot,
      cluster: CLUSTER,
      clusterKey: DIGEST_KEY,
      store: this.store,
      seed: options.seed ?? 7,
      founding: options.founding,
      hintKeysMax: options.hintKeysMax ?? 1000,
      joins: { zone: 'default', weight: 1 },
      repair: options.repair,
      version: '1.2.3',
    });
  }

  get header(): FrameHeader {
    const { name, boot, epoch, topology } = this;
    return { cluster: MARK, role: 'storage', name, boot, toBoot: undefined, number: 0, epoch, topology };
  }
}

interface Post {
  readonly to: Pod;
  readonly event: StorageEvent;
}

export class Net {
  nowMs = 0;
  readonly pods = new Map<string, Pod>();
  readonly notices: (Notice & { readonly by: string })[] = [];
  /** All that was sent, to whomever. */
  readonly sent: { readonly from: string; readonly to: Address; readonly message: Message }[] = [];
  /** Frames that do not arrive. */
  loses: (from: string, to: string, message: Message) => boolean = () => false;
  /** Every frame arrives a second time, later. */
  doubles = false;
  private readonly queue = new TimerQueue<Post>();
  private boots = 0;

  /** Starts a process under this name; the one before is gone. */
  start(name: string, options: PodOptions = {}): Pod {
    const pod = new Pod(name, `boot-${String(this.boots++).padStart(6, '0')}`, options);
    this.pods.set(name, pod);
    this.handle(pod, { kind: 'start' });
    this.queue.push(this.nowMs, { to: pod, event: { kind: 'bus', up: true } });
    return pod;
  }

  pod(name: string): Pod {
    return must(this.pods.get(name), `${name} runs`);
  }

  stop(name: string): void {
    this.pods.delete(name);
  }

  run(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (let due = this.queue.nextMs; due !== undefined && due <= untilMs; due = this.queue.nextMs) {
      this.nowMs = due;
      const post = this.queue.pop(due);
      if (post !== undefined && this.pods.get(post.to.name) === post.to) this.handle(post.to, post.event);
    }
    this.nowMs = untilMs;
  }

  /** One turn of one event. */
  handle(pod: Pod, event: StorageEvent): readonly StorageEffect[] {
    pod.store.begin();
    const effects = pod.node.handle(event, { monoMs: this.nowMs, wallMs: 1_700_000_000_000 + this.nowMs });
    pod.store.commit();
    for (const effect of effects) this.perform(pod, effect);
    return effects;
  }

  /** A coordinator's question, and the answers to it. */
  ask(pod: Pod, message: Message, from: Partial<FrameHeader> = {}): readonly Message[] {
    const { epoch, topology, boot } = pod;
    const coordinator = {
      cluster: MARK,
      role: 'coordinator' as const,
      name: 'p',
      boot: 'coordinator',
      toBoot: boot,
      number: 0,
      epoch,
      topology,
    };
    const header = { ...coordinator, ...from };
    const [heard] = wired(header, message);
    const effects = this.handle(pod, {
      kind: 'message',
      from: must(heard, 'one message').header,
      message: must(heard, 'one message').message,
    });
    return effects.flatMap((effect) =>
      effect.kind === 'send' && effect.to.name === header.name && effect.to.role === header.role
        ? [effect.message]
        : [],
    );
  }

  /** A message that claims to be from a storage pod. */
  tell(
    pod: Pod,
    from: Partial<FrameHeader> & { readonly name: string },
    message: Message,
  ): readonly Message[] {
    return this.ask(pod, message, { role: 'storage', boot: 'otherlife00', toBoot: undefined, ...from });
  }

  events(name: string): readonly string[] {
    return this.notices.filter(({ by }) => by === name).map(({ event }) => event);
  }

  messages<K extends MessageKind>(kind: K, from?: string): readonly MessageOf<K>[] {
    return this.sent.flatMap(({ from: by, message }) =>
      isOf(message, kind) && (from === undefined || by === from) ? [message] : [],
    );
  }

  private perform(pod: Pod, effect: StorageEffect): void {
    switch (effect.kind) {
      case 'send':
        this.send(pod, effect.to, effect.message);
        break;
      case 'schedule':
        this.queue.push(this.nowMs + effect.afterMs, {
          to: pod,
          event: { kind: 'timer', timer: effect.timer },
        });
        break;
      case 'epoch':
        pod.epoch = effect.epoch;
        pod.topology = effect.topology;
        break;
      case 'notify':
        this.notices.push({ ...effect.notice, by: pod.name });
        break;
      default:
        throw new Error(`a storage pod has nothing to ${effect.kind}`);
    }
  }

  private send(pod: Pod, to: Address, message: Message): void {
    this.sent.push({ from: pod.name, to, message });
    const header = { ...pod.header, toBoot: to.boot };
    if (to.role !== 'storage') return void wired(header, message);
    const targets = to.name === '*' ? [...this.pods.values()] : [this.pods.get(to.name)];
    for (const target of targets) {
      for (const heard of wired(header, message)) {
        const event: StorageEvent =
          target === undefined
            ? { kind: 'undelivered', to, ids: [] }
            : { kind: 'message', from: heard.header, message: heard.message };
        const arrives = target === undefined || !this.loses(pod.name, target.name, message);
        if (arrives) this.queue.push(this.nowMs + 1, { to: target ?? pod, event });
        if (arrives && this.doubles) this.queue.push(this.nowMs + 700, { to: target ?? pod, event });
      }
    }
  }
}

/** The message as it comes out of a frame: what cannot travel fails here. */
export function wired(
  header: FrameHeader,
  message: Message,
): readonly { readonly header: FrameHeader; readonly message: Message }[] {
  const builder = new FrameBuilder();
  builder.begin(header);
  builder.add(message);
  const frame = decodeFrame(builder.finish());
  return frame.messages.map((each) => ({ header: frame.header, message: each }));
}

export function configOf(...names: readonly string[]): FoundingConfig {
  const members = names.toSorted().map((name) => ({ name, zone: 'z', weight: 1 }));
  return { cluster: CLUSTER, vnodes: 16, replicas: 3, members };
}

/** A store that already holds this topology. */
export function storeWith(
  name: string,
  topology: Topology,
  store: Store = new MemoryStore(diskOf(name)),
): Store {
  store.begin();
  store.writeMeta('topology', encodeTopology(topology));
  store.commit();
  return store;
}

/** Pods of a topology, ready: those in `running`, or all. */
export function readyNet(topology: Topology, options: PodOptions = {}, running?: readonly string[]): Net {
  const net = new Net();
  for (const { name } of topology.members) {
    if (running !== undefined && !running.includes(name)) continue;
    net.start(name, { store: storeWith(name, topology), ...options });
  }
  net.run(3000);
  for (const pod of net.pods.values()) must(pod.node.readiness.ready || undefined, `${pod.name} is ready`);
  net.notices.length = 0;
  net.sent.length = 0;
  return net;
}

export function ring(topology: Topology): Ring {
  return new Ring(topology, DIGEST_KEY);
}

export const NO_RING = { epoch: 0, topology: NO_TOPOLOGY };

function isOf<K extends MessageKind>(message: Message, kind: K): message is Message & MessageOf<K> {
  return message.kind === kind;
}

/** Flips a bit of what a pod keeps in memory. */
export function damage({ store }: Pod, table: Table, at: Locator): void {
  assert(store instanceof MemoryStore, 'these pods keep all in memory');
  store.damage(table, at);
}

let requests = 0;

/** What every request needs: an id of its own and a deadline in the receiver's clock. */
export function fresh(net: Net): { readonly id: number; readonly deadlineMs: number } {
  return { id: ++requests, deadlineMs: net.nowMs + 5000 };
}
