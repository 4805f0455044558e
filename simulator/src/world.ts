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
import type { ChangeAsk } from '@circlet/shared/protocol/change.ts';
import type { MessageOf } from '@circlet/shared/protocol/message.ts';
import { SIBLINGS_DEFAULT_MAX } from '@circlet/shared/protocol/limits.ts';
import type { FoundingConfig } from '@circlet/shared/ring/founding.ts';
import { decodeTopology, type Member, Ring, type Topology } from '@circlet/shared/ring/topology.ts';
import type { RepairOptions } from '@circlet/storage/core/anti-entropy/anti-entropy.ts';
import type { StorageEvent, StorageTimer } from '@circlet/storage/core/effects.ts';
import { StorageNode } from '@circlet/storage/core/node.ts';
import type { Locator, Store, Table } from '@circlet/storage/core/store.ts';
import { isDiskFull, isFatalStoreError } from '@circlet/storage/sqlite/sqlite-store.ts';
import { Call } from './call.ts';
import { copyOf, type Disk, memoryDisk, type NewDisk } from './disk.ts';
import { FaultyStore } from './disks/faulty-store.ts';
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
  /** The last so many of them are not among the founders. Default 0. */
  readonly spares?: number;
  /** Coordinators: p, q, ... Default 2. */
  readonly coordinators?: number;
  readonly vnodes?: number;
  readonly replicas?: number;
  readonly hintKeysMax?: number;
  /** Background repair; without it a replica that is behind stays so until something else repairs it. */
  readonly repair?: RepairOptions | undefined;
  readonly siblingsMax?: number;
  readonly disks?: NewDisk;
  /** Members are dealt out to so many zones. Default 1. */
  readonly zones?: number;
  /** Requests that a coordinator has under way at the most. */
  readonly requestsMax?: number;
  /** Told of all that becomes durable, and of each store that is opened anew. */
  readonly watch?: WorldWatch;
  /** The clocks of each life of a pod; by default a day apart at most, and different after each start. */
  readonly skew?: (pod: string, random: () => number) => ClockSkew;
  /** Starts every pod at once, and runs until the coordinators can use all of them. Default true. */
  readonly start?: boolean;
}

export interface WorldWatch {
  /** Something became durable; `value` is undefined when it was deleted. */
  changed(pod: string, table: Table, at: Locator, value: Uint8Array | undefined): void;
  /** A record beside the rows became durable. */
  recorded(pod: string, name: string, value: Uint8Array): void;
  noticed(pod: string, notice: Notice): void;
  /** The pod's disk as its next process will find it; after a torn commit, with what that left or without it. */
  opened(pod: string, store: Store, isTorn: boolean): void;
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
  store: FaultyStore;
  host: Host<StorageEvent, StorageTimer, never> | undefined;
  node: StorageNode | undefined;
}

interface CoordinatorPod extends Pod {
  readonly role: 'coordinator';
  host: Host<CoordinatorEvent, CoordinatorTimer, Answer> | undefined;
  machine: Coordinator | undefined;
}

/**
 * Where in its next turn a process dies: nothing of the turn survives, or all of it does and nothing is sent; or the power
 * fails while the commit is being synced, and what of it is on the disk is a matter of sectors.
 */
export type CrashPoint = 'beforeCommit' | 'afterCommit' | 'inCommit';

const CLUSTER = 'sim';
const CLUSTER_MARK = 'sim-mark';
/** Thrown out of a turn that never ends because its process does. */
class Crash extends Error {
  override name = 'Crash';
}

const COORDINATOR_NAMES = ['p', 'q', 'r', 's', 't', 'u'];
/** How often a pod whose disk was full looks whether there is room again, as `storage/pod.ts` does. */
const FULL_RETRY_MS = 5_000;
const START_MS_MAX = 20_000;
/** The coordinator that asks may be an epoch behind. */
const CHANGE_MS_MAX = 5_000;
/** What was done to a pod on purpose, and what SQLite says of a damaged file. */
const EXPECTED =
  /^(Crash|InjectedError|StoreDamaged): |disk image is malformed|file is not a database|disk I\/O error/;

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
  private readonly deaths = new Map<string, number>();
  private readonly diedMs = new Map<string, number>();
  private lastCall = 0;
  private lastChange = 0;

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
      members: this.storage
        .slice(0, this.storage.length - (options.spares ?? 0))
        .map((name, i) => ({ name, zone: zoneOf(i, options.zones ?? 1), weight: 1 })),
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
  ask(
    coordinator: string,
    request: Omit<GetRequest, 'id'> | Omit<WriteRequest, 'id'>,
    answered: (call: Call) => void = () => undefined,
  ): Call {
    const id = ++this.lastCall;
    const whole = request.kind === 'get' ? { ...request, id } : { ...request, id };
    const call = new Call(coordinator, whole, this.nowMs, answered);
    this.calls.set(id, call);
    this.trace.add(this.nowMs, `${coordinator} ${request.kind}`, request.key);
    const pod = this.coordinatorPod(coordinator);
    pod.process?.run(() => pod.host?.deliver({ kind: 'request', request: whole }));
    return call;
  }

  // ---- pods ----

  startAll(): void {
    for (const id of this.pods.keys()) if (!this.isRunning(id)) this.start(id);
    const isUp = () =>
      this.coordinators.every((name) => this.usable(name).length === this.founding.members.length);
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
      store: this.open(id, disk),
      host: undefined,
      node: undefined,
    };
    this.pods.set(id, pod);
  }

  private open(id: string, disk: Disk, before?: FaultyStore): FaultyStore {
    const { watch } = this.options;
    const store = new FaultyStore(
      disk.open(),
      watch && {
        changed: (table, at, value) => watch.changed(id, table, at, value),
        recorded: (name, value) => watch.recorded(id, name, value),
      },
      before,
    );
    watch?.opened(id, store, before?.isTorn ?? false);
    return store;
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
    this.deaths.set(id, this.deathsOf(id) + 1);
    this.diedMs.set(id, this.nowMs);
    this.bus.unplug(id);
    if (pod.role === 'storage') {
      pod.host = pod.node = undefined;
      pod.store = this.open(id, pod.disk, pod.store);
    } else {
      pod.host = pod.machine = undefined;
    }
  }

  /** SIGTERM: what has arrived is handled and answered, then the store is closed. It is open again for whoever looks. */
  stop(id: string): void {
    const pod = this.pod(id);
    this.trace.add(this.nowMs, `stop ${id}`);
    if (pod.process === undefined || pod.process.isDead) return;
    // One that hangs does not hear the signal, and is killed.
    if (!pod.process.isFrozen) {
      pod.host?.stop();
      if (pod.role === 'storage') pod.store.close();
    }
    this.crash(id);
  }

  /** What the newest topology that any pod has says of this one's disk. */
  memberState(id: string): Member['state'] | 'stranger' {
    const { newest } = this;
    const member = newest?.members.find(({ name }) => name === id);
    return member?.disk === this.store(id).disk ? member.state : 'stranger';
  }

  /** Dead pods change disks: whatever `change` does to the closed files is what the next process finds. */
  changeDisk(id: string, change: (disk: Disk) => void): void {
    const pod = this.storagePod(id);
    if (this.isRunning(id)) throw new Error(`${id} is running`);
    change(pod.disk);
    pod.store = this.open(id, pod.disk, pod.store);
  }

  /** Dies in the turn that handles the next frame of this kind. */
  crashOn(id: string, match: Match, point: CrashPoint): void {
    this.crashPlans.set(id, { match, point });
  }

  /** Whether the pod runs, or did at some time since. */
  ranSince(id: string, sinceMs: number): boolean {
    return this.isRunning(id) || (this.diedMs.get(id) ?? Number.NEGATIVE_INFINITY) >= sinceMs;
  }

  deathsOf(id: string): number {
    return this.deaths.get(id) ?? 0;
  }

  /** The crash that was planned for this pod will not come about; whether it has not until now. */
  forgetCrash(id: string): boolean {
    const pod = this.pod(id);
    const wasPlanned = this.crashPlans.delete(id) || pod.crash !== undefined;
    pod.crash = undefined;
    return wasPlanned;
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
    const { disk, store } = this.storagePod(id);
    return disk.snapshot?.() ?? copyOf(store, this.newDisk);
  }

  replaceDisk(id: string, disk: Disk): void {
    const pod = this.storagePod(id);
    if (pod.process?.isDead === false) throw new Error(`${id} is running`);
    pod.disk = disk;
    pod.store = this.open(id, disk);
  }

  /** The disk has no room, or has it again. */
  fill(id: string, isFull: boolean): void {
    this.storagePod(id).store.isFull = isFull;
  }

  /** The next commit that writes fails; the process has to end. What is returned takes it back, and says whether one failed. */
  failCommit(id: string, how: 'kept' | 'lost' | undefined): () => boolean {
    const { store } = this.storagePod(id);
    store.commitFails = how;
    return () => {
      const hasFailed = store.commitFails === undefined;
      store.commitFails = undefined;
      return hasFailed;
    };
  }

  /** A row fails its checksum from now on. */
  rot(id: string, table: Table, at: Locator): boolean {
    return this.storagePod(id).store.rot(table, at);
  }

  freeze(id: string): void {
    this.trace.add(this.nowMs, `freeze ${id}`);
    this.pod(id).process?.freeze();
  }

  thaw(id: string): void {
    this.trace.add(this.nowMs, `thaw ${id}`);
    this.pod(id).process?.thaw();
  }

  /** Every turn of this life takes so much longer. */
  slow(id: string, turnMs: number): void {
    const { process } = this.pod(id);
    if (process !== undefined) process.slowMs = turnMs;
  }

  /** The pod's wall clock is set. */
  stepClock(id: string, ms: number): void {
    this.pod(id).process?.step(ms);
  }

  /** The pod's monotonic clock leaps. */
  jump(id: string, ms: number): void {
    this.pod(id).process?.jump(ms);
  }

  // ---- topology ----

  /**
   * What an operator would do: has `node` say what would come of the change, and have it chosen. Runs until it is, or is
   * refused: the reason, undefined when there is none.
   */
  change(
    node: string,
    ask: Pick<ChangeAsk, 'verb' | 'names'> & { readonly weight?: number },
  ): string | undefined {
    const planned = this.askFor(node, { weight: 0, ...ask, commits: undefined });
    if (planned.status !== 'planned') return planned.reason;
    for (;;) {
      const told = this.askFor(node, { weight: 0, ...ask, commits: planned.digest });
      if (told.status === 'chosen') return undefined;
      if (told.status === 'refused') return told.reason;
      this.run(200);
    }
  }

  private askFor(node: string, ask: Omit<ChangeAsk, 'id'>): MessageOf<'changeTold'> {
    let answer: MessageOf<'changeTold'> | undefined;
    this.askForChange(node, ask, (told) => {
      answer = told;
    });
    if (this.until(() => answer !== undefined, CHANGE_MS_MAX) === undefined)
      throw new Error(`${node} does not answer`);
    return must(answer, 'it was seen');
  }

  /** Asks a pod as a coordinator would that knows its topology; nothing comes of it when it is down. */
  askForChange(
    node: string,
    ask: Omit<ChangeAsk, 'id'>,
    told: (answer: MessageOf<'changeTold'>) => void,
  ): void {
    const { process, host, store } = this.storagePod(node);
    const document = store.readMeta('topology');
    if (document === undefined) return;
    const id = ++this.lastChange;
    const { topology, digest } = new Ring(decodeTopology(document), this.clusterKey);
    const header = {
      ...this.identity('coordinator', 'p'),
      cluster: CLUSTER_MARK,
      toBoot: undefined,
      number: 0,
    };
    const from = { ...header, epoch: topology.epoch, topology: digest };
    const tap = this.tap(
      {
        from: node,
        kind: 'changeTold',
        where: (message) => {
          if (message.kind !== 'changeTold' || message.id !== id) return false;
          tap.stop();
          told(message);
          return true;
        },
      },
      'watch',
    );
    process?.run(() => host?.deliver({ kind: 'message', from, message: { kind: 'changeAsk', id, ...ask } }));
  }

  /** The newest topology on any disk. */
  get newest(): Topology | undefined {
    const topologies = [...this.pods.values()].flatMap((pod) => {
      const stored = pod.role === 'storage' ? pod.store.readMeta('topology') : undefined;
      return stored === undefined ? [] : [decodeTopology(stored)];
    });
    return topologies.toSorted((a, b) => b.epoch - a.epoch)[0];
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

  isFrozen(id: string): boolean {
    return this.pod(id).process?.isFrozen === true;
  }

  /** Storage pods to which this coordinator would send work now. */
  usable(coordinator: string): readonly string[] {
    const { process, machine } = this.coordinatorPod(coordinator);
    const monoMs = process?.clock.now().monoMs ?? 0;
    const members = machine?.topology?.topology.members ?? [];
    return members.map(({ name }) => name).filter((name) => machine?.node(name).isUsable(monoMs));
  }

  /** What the clock of the pod's last life shows. */
  monoMs(id: string): number {
    return must(this.pod(id).process, `${id} never ran`).clock.now().monoMs;
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
        founding: this.founding.members.some((of) => of.name === name) ? this.founding : undefined,
        hintKeysMax: this.options.hintKeysMax ?? 1_000_000,
        joins: { zone: 'default', weight: 1 },
        repair: this.options.repair,
        version: '0.0.0',
      });
      return pod.node;
    };
    pod.host = new Host<StorageEvent, StorageTimer, never>({
      ...this.hostOptions(pod, process, identity),
      build,
      transaction: this.transaction(pod),
      respond: () => undefined,
      isFatal: (error) => {
        if (isDiskFull(error)) this.full(pod, process);
        return error instanceof Crash || isFatalStoreError(error);
      },
      fatal: (error) => {
        pod.disk.failed?.(error);
        this.crash(id);
      },
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
          requestsMax: this.options.requestsMax ?? 100_000,
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
        call.end(answer, this.nowMs);
      },
      transaction: this.turnThatMayDie(pod),
      isFatal: (error) => error instanceof Crash,
      fatal: () => this.crash(pod.id),
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
    return {
      begin: () => pod.store.begin(),
      commit: () => {
        const { crash } = pod;
        if (crash === 'beforeCommit') this.die(pod);
        if (crash === 'inCommit') {
          pod.disk.markLog?.();
          pod.store.commitUnseen();
          pod.disk.tearLastCommit?.(this.random.next);
        } else {
          pod.store.commit();
        }
        if (crash !== undefined) this.die(pod);
      },
      rollback: () => pod.store.rollback(),
    };
  }

  /** A coordinator has nothing to commit, and can still die with all that its turn was about to send. */
  private turnThatMayDie(pod: CoordinatorPod): Transaction {
    const commit = () => {
      if (pod.crash !== undefined) this.die(pod);
    };
    return { begin: () => undefined, commit, rollback: () => undefined };
  }

  private die(pod: Pod): never {
    const { crash } = pod;
    pod.crash = undefined;
    throw new Crash(crash);
  }

  /** Writes are refused until there is room; the pod looks for it as `storage/pod.ts` does. */
  private full(pod: StoragePod, process: Process): void {
    const { store } = pod;
    if (store.readOnly) return;
    store.readOnly = true;
    const probe = () =>
      process.run(() => {
        if (process.isDead || pod.store !== store) return;
        if (store.isFull) this.time.after(FULL_RETRY_MS, probe);
        else store.readOnly = false;
      });
    this.time.after(FULL_RETRY_MS, probe);
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
    this.options.watch?.noticed(pod, notice);
    if (notice.level !== 'alarm') return;
    if (EXPECTED.test(String(notice.fields?.['error']))) return;
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

function zoneOf(member: number, zones: number): string {
  return zones === 1 ? 'default' : `z${(member % zones) + 1}`;
}

const BOOT_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
export const DAY_MS = 86_400_000;

function pairs(left: readonly string[], right: readonly string[]): readonly (readonly [string, string])[] {
  return left.flatMap((a) => right.map((b) => [a, b] as const));
}
