import type { Answer, GetRequest, WriteRequest } from '@circlet/coordinator/core/client.ts';
import {
  Coordinator,
  type CoordinatorEvent,
  type CoordinatorTimer,
} from '@circlet/coordinator/core/coordinator.ts';
import { must } from '@circlet/shared/assert.ts';
import { sipKey } from '@circlet/shared/hash/siphash.ts';
import { Host } from '@circlet/shared/host/host.ts';
import type { Identity } from '@circlet/shared/host/outbox.ts';
import type { Transaction } from '@circlet/shared/host/ports.ts';
import type { Notice, Role } from '@circlet/shared/machine.ts';
import { Prng } from '@circlet/shared/prng.ts';
import { SIBLINGS_DEFAULT_MAX } from '@circlet/shared/protocol/limits.ts';
import type { FoundingConfig } from '@circlet/shared/ring/founding.ts';
import type { StorageEvent, StorageTimer } from '@circlet/storage/core/effects.ts';
import { StorageNode } from '@circlet/storage/core/node.ts';
import type { Store } from '@circlet/storage/core/store.ts';
import { Call } from './call.ts';
import { copyOf, type Disk, memoryDisk, type NewDisk } from './disk.ts';
import { type ClockSkew, Process } from './process.ts';
import { type Frame, type Match, matches, type Tap, type TapAction } from './tap.ts';
import { Trace } from './trace.ts';
import { VirtualBus } from './virtual-bus.ts';
import { VirtualTime } from './virtual-time.ts';

/**
 * A whole cluster in one thread and one seed: the machines that ship, in the host that ships, on a clock, a scheduler,
 * a bus and disks that obey the test. Nothing happens but inside `run` and `until`, and the same seed makes the same
 * world do the same things.
 */
export interface WorldOptions {
  readonly seed: number;
  /** Storage pods: n1, n2, ... Default 5. */
  readonly storage?: number;
  /** Coordinators: p, q, ... Default 2. */
  readonly coordinators?: number;
  readonly vnodes?: number;
  readonly replicas?: number;
  readonly hintKeysMax?: number;
  readonly siblingsMax?: number;
  readonly disks?: NewDisk;
  /** The clocks of each life of a pod; by default a day apart at most, and different after each start. */
  readonly skew?: (pod: string, random: () => number) => ClockSkew;
  /** Starts every pod at once, and runs until the coordinators can use all of them. Default true. */
  readonly start?: boolean;
}

interface Pod {
  readonly id: string;
  readonly role: Role;
  /** Its identity; two pods with one name are a mistake that has to do no harm. */
  readonly name: string;
  process: Process | undefined;
  crash: CrashPoint | undefined;
}

interface StoragePod extends Pod {
  readonly role: 'storage';
  disk: Disk;
  store: Store;
  host: Host<StorageEvent, StorageTimer, never> | undefined;
  node: StorageNode | undefined;
}

interface CoordinatorPod extends Pod {
  readonly role: 'coordinator';
  host: Host<CoordinatorEvent, CoordinatorTimer, Answer> | undefined;
  machine: Coordinator | undefined;
}

/** Where in its next turn a process dies: nothing of the turn survives, or all of it does and nothing is sent. */
export type CrashPoint = 'beforeCommit' | 'afterCommit';

const CLUSTER = 'sim';
const CLUSTER_MARK = 'sim-mark';
/** Thrown out of a turn that never ends because its process does. */
class Crash extends Error {
  override name = 'Crash';
}

const COORDINATOR_NAMES = ['p', 'q', 'r', 's', 't', 'u'];
const START_MS_MAX = 20_000;

export class World {
  readonly time = new VirtualTime();
  readonly bus: VirtualBus;
  readonly trace = new Trace();
  readonly storage: readonly string[];
  readonly coordinators: readonly string[];
  readonly clusterKey = sipKey(new Uint8Array(16).fill(7));
  /** How often each notice was raised. */
  readonly noticed = new Map<string, number>();
  readonly alarms: { readonly atMs: number; readonly pod: string; readonly notice: Notice }[] = [];
  readonly random: Prng;
  private readonly options: WorldOptions;
  private readonly founding: FoundingConfig;
  private readonly newDisk: NewDisk;
  private readonly pods = new Map<string, StoragePod | CoordinatorPod>();
  private readonly calls = new Map<number, Call>();
  private readonly crashPlans = new Map<string, { readonly match: Match; readonly point: CrashPoint }>();
  private lastCall = 0;

  constructor(options: WorldOptions) {
    this.options = options;
    this.random = new Prng(options.seed);
    this.newDisk = options.disks ?? memoryDisk;
    this.bus = new VirtualBus(this.time, this.random, CLUSTER);
    this.bus.onDelivery = (frame) => this.delivered(frame);
    this.storage = Array.from({ length: options.storage ?? 5 }, (_, i) => `n${i + 1}`);
    this.coordinators = COORDINATOR_NAMES.slice(0, options.coordinators ?? 2);
    this.founding = {
      cluster: CLUSTER,
      vnodes: options.vnodes ?? 16,
      replicas: options.replicas ?? 3,
      members: this.storage.map((name) => ({ name, zone: 'default', weight: 1 })),
    };
    for (const name of this.storage) this.addStorage(name, name);
    for (const name of this.coordinators) this.addCoordinator(name);
    if (options.start !== false) this.startAll();
  }

  get nowMs(): number {
    return this.time.nowMs;
  }

  /** Lets `ms` pass. */
  run(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.time.step(untilMs));
  }

  /** Runs until it holds; the milliseconds that took, or undefined if `maxMs` were not enough. */
  until(holds: () => boolean, maxMs: number): number | undefined {
    const startMs = this.nowMs;
    while (!holds()) if (!this.time.step(startMs + maxMs)) return holds() ? maxMs : undefined;
    return this.nowMs - startMs;
  }

  // ---- clients ----

  /** Hands a request to a coordinator; the answer appears in the call when virtual time makes it. */
  ask(coordinator: string, request: Omit<GetRequest, 'id'> | Omit<WriteRequest, 'id'>): Call {
    const id = ++this.lastCall;
    const whole = request.kind === 'get' ? { ...request, id } : { ...request, id };
    const call = new Call(coordinator, whole, this.nowMs);
    this.calls.set(id, call);
    this.trace.add(this.nowMs, `${coordinator} ${request.kind}`, request.key);
    const pod = this.coordinatorPod(coordinator);
    pod.process?.run(() => pod.host?.deliver({ kind: 'request', request: whole }));
    return call;
  }

  // ---- pods ----

  startAll(): void {
    for (const id of this.pods.keys()) if (!this.isRunning(id)) this.start(id);
    const isUp = () => this.coordinators.every((name) => this.usable(name).length === this.storage.length);
    if (this.until(isUp, START_MS_MAX) === undefined) throw new Error('the cluster did not come up');
  }

  /** A pod more, not started: by default one with an empty disk. */
  addStorage(id: string, name: string, disk = this.newDisk(this.newDiskId())): void {
    const pod: StoragePod = {
      id,
      name,
      role: 'storage',
      process: undefined,
      crash: undefined,
      disk,
      store: disk.open(),
      host: undefined,
      node: undefined,
    };
    this.pods.set(id, pod);
  }

  addCoordinator(id: string): void {
    const idle = { process: undefined, crash: undefined, host: undefined, machine: undefined };
    this.pods.set(id, { id, name: id, role: 'coordinator', ...idle });
  }

  start(id: string, skew = this.skewOf(id)): void {
    const pod = this.pod(id);
    if (pod.process !== undefined && !pod.process.isDead) throw new Error(`${id} is running`);
    this.trace.add(this.nowMs, `start ${id}`);
    pod.process = new Process(this.time, skew);
    pod.crash = undefined;
    if (pod.role === 'storage') this.startStorage(pod, pod.process);
    else this.startCoordinator(pod, pod.process);
  }

  /** The process is gone, with all that was not committed; the bus knows at once that nobody listens. */
  crash(id: string): void {
    const pod = this.pod(id);
    this.trace.add(this.nowMs, `crash ${id}`);
    pod.process?.end();
    this.bus.unplug(id);
    if (pod.role === 'storage') {
      pod.host = pod.node = undefined;
      pod.store = pod.disk.open();
    } else {
      pod.host = pod.machine = undefined;
    }
  }

  /** Dies in the turn that handles the next frame of this kind. */
  crashOn(id: string, match: Match, point: CrashPoint): void {
    this.crashPlans.set(id, { match, point });
  }

  /** Crashes that were planned and have not come about will not. */
  forgetCrashes(): void {
    this.crashPlans.clear();
    for (const pod of this.pods.values()) pod.crash = undefined;
  }

  restart(id: string, skew?: ClockSkew): void {
    const pod = this.pod(id);
    if (pod.process?.isDead === false) this.crash(id);
    this.start(id, skew);
  }

  /** The disk is lost: the pod will start with an empty one under a new disk id. */
  wipe(id: string): void {
    this.replaceDisk(id, this.newDisk(this.newDiskId()));
  }

  /** What the pod's disk holds now. */
  backup(id: string): Disk {
    return copyOf(this.storagePod(id).store, this.newDisk);
  }

  replaceDisk(id: string, disk: Disk): void {
    const pod = this.storagePod(id);
    if (pod.process?.isDead === false) throw new Error(`${id} is running`);
    pod.disk = disk;
    pod.store = disk.open();
  }

  freeze(id: string): void {
    this.trace.add(this.nowMs, `freeze ${id}`);
    this.pod(id).process?.freeze();
  }

  thaw(id: string): void {
    this.trace.add(this.nowMs, `thaw ${id}`);
    this.pod(id).process?.thaw();
  }

  /** The pod's monotonic clock leaps. */
  jump(id: string, ms: number): void {
    this.pod(id).process?.jump(ms);
  }

  // ---- the bus ----

  tap(match: Match, action: TapAction): Tap {
    return this.bus.tap(match, action);
  }

  /** No frame gets from one side to the other, and no sender learns it. */
  cut(left: string | readonly string[], right: string | readonly string[]): void {
    for (const [a, b] of pairs([left].flat(), [right].flat())) {
      this.cutOneWay(a, b);
      this.cutOneWay(b, a);
    }
  }

  cutOneWay(from: string, to: string): void {
    this.trace.add(this.nowMs, `cut ${from}>${to}`);
    this.bus.cutOneWay(from, to);
  }

  /** Cut off from everybody but itself. */
  isolate(id: string): void {
    this.cut(
      id,
      [...this.pods.keys()].filter((other) => other !== id),
    );
  }

  heal(): void {
    this.trace.add(this.nowMs, 'heal');
    this.bus.heal();
  }

  // ---- what a test may look at ----

  node(id: string): StorageNode {
    return must(this.storagePod(id).node, `${id} is not running`);
  }

  store(id: string): Store {
    return this.storagePod(id).store;
  }

  coordinator(id: string): Coordinator {
    return must(this.coordinatorPod(id).machine, `${id} is not running`);
  }

  isRunning(id: string): boolean {
    return this.pod(id).process?.isDead === false;
  }

  /** Storage pods to which this coordinator would send work now. */
  usable(coordinator: string): readonly string[] {
    const { process, machine } = this.coordinatorPod(coordinator);
    const monoMs = process?.clock.now().monoMs ?? 0;
    const members = machine?.topology?.topology.members ?? [];
    return members.map(({ name }) => name).filter((name) => machine?.node(name).isUsable(monoMs));
  }

  noticesOf(event: string): number {
    return this.noticed.get(event) ?? 0;
  }

  // ---- putting pods together ----

  private startStorage(pod: StoragePod, process: Process): void {
    const { id, name, store } = pod;
    const identity = this.identity('storage', name);
    const build = (boot: string) => {
      pod.node = new StorageNode({
        name,
        boot,
        cluster: CLUSTER,
        clusterKey: this.clusterKey,
        store,
        seed: this.random.u32(),
        founding: this.founding,
        hintKeysMax: this.options.hintKeysMax ?? 1_000_000,
        version: '0.0.0',
      });
      return pod.node;
    };
    pod.host = new Host<StorageEvent, StorageTimer, never>({
      ...this.hostOptions(pod, process, identity),
      build,
      transaction: this.transaction(pod),
      respond: () => undefined,
      isFatal: (error) => error instanceof Crash,
      fatal: () => this.crash(id),
    });
  }

  private startCoordinator(pod: CoordinatorPod, process: Process): void {
    const identity = this.identity('coordinator', pod.name);
    pod.host = new Host<CoordinatorEvent, CoordinatorTimer, Answer>({
      ...this.hostOptions(pod, process, identity),
      build: () => {
        pod.machine = new Coordinator({
          cluster: CLUSTER,
          clusterKey: this.clusterKey,
          requestsMax: 100_000,
          bytesMax: 2 ** 32,
          siblingsMax: this.options.siblingsMax ?? SIBLINGS_DEFAULT_MAX,
        });
        return pod.machine;
      },
      respond: (callId, answer) => {
        const call = must(this.calls.get(callId), 'only calls are answered');
        if (call.isOver) throw new Error(`call ${callId} was answered twice`);
        this.calls.delete(callId);
        this.trace.add(this.nowMs, `answer ${callId} ${answer.kind}`);
        call.answer = answer;
        call.answeredMs = this.nowMs;
      },
      isFatal: () => false,
      fatal: () => undefined,
    });
  }

  private hostOptions(pod: Pod, process: Process, identity: Identity) {
    return {
      identity,
      transport: this.bus.connect(pod.id, pod.role, pod.name, process),
      clock: process.clock,
      scheduler: process.scheduler,
      notice: (notice: Notice) => this.notice(pod.id, notice),
      newBoot: () => this.newBoot(),
    };
  }

  private transaction(pod: StoragePod): Transaction {
    const die = (point: CrashPoint) => {
      if (pod.crash !== point) return;
      pod.crash = undefined;
      throw new Crash(point);
    };
    const { store } = pod;
    return {
      begin: () => store.begin(),
      commit: () => {
        die('beforeCommit');
        store.commit();
        die('afterCommit');
      },
      rollback: () => store.rollback(),
    };
  }

  private delivered(frame: Frame): void {
    this.trace.add(this.nowMs, `${frame.from}>${frame.to}`, frame.bytes);
    const plan = this.crashPlans.get(frame.to);
    if (plan === undefined || !matches(plan.match, frame)) return;
    this.crashPlans.delete(frame.to);
    this.pod(frame.to).crash = plan.point;
  }

  /** A pod that meets its own bug fails the test that made it happen. */
  private notice(pod: string, notice: Notice): void {
    this.noticed.set(notice.event, this.noticesOf(notice.event) + 1);
    if (notice.level !== 'alarm') return;
    if (String(notice.fields?.['error']).startsWith('Crash: ')) return;
    this.alarms.push({ atMs: this.nowMs, pod, notice });
    if (notice.event === 'event_dropped' || notice.event === 'machine_discarded') {
      throw new Error(`${pod}: ${notice.event}: ${String(notice.fields?.['error'])}`);
    }
  }

  private identity(role: Role, name: string): Identity {
    return { cluster: CLUSTER, clusterMark: CLUSTER_MARK, role, name, boot: this.newBoot() };
  }

  private newBoot(): string {
    return Array.from({ length: 11 }, () => BOOT_LETTERS.charAt(this.random.u32() % 64)).join('');
  }

  private newDiskId(): string {
    return Array.from({ length: 32 }, () => (this.random.u32() % 16).toString(16)).join('');
  }

  private skewOf(id: string): ClockSkew {
    if (this.options.skew !== undefined) return this.options.skew(id, this.random.next);
    const wallMs = 1.8e12 + (this.random.next() - 0.5) * 1000;
    return { monoMs: Math.floor(this.random.next() * DAY_MS), wallMs };
  }

  private pod(id: string): StoragePod | CoordinatorPod {
    return must(this.pods.get(id), `there is no pod ${id}`);
  }

  private storagePod(id: string): StoragePod {
    const pod = this.pod(id);
    if (pod.role !== 'storage') throw new Error(`${id} is no storage pod`);
    return pod;
  }

  private coordinatorPod(id: string): CoordinatorPod {
    const pod = this.pod(id);
    if (pod.role !== 'coordinator') throw new Error(`${id} is no coordinator`);
    return pod;
  }
}

const BOOT_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
export const DAY_MS = 86_400_000;

function pairs(left: readonly string[], right: readonly string[]): readonly (readonly [string, string])[] {
  return left.flatMap((a) => right.map((b) => [a, b] as const));
}
