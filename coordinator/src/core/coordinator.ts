import { assert } from '@circlet/shared/assert.ts';
import { type Context, emptyContext } from '@circlet/shared/causality/context.ts';
import { knows, liveSiblings, type WriteId } from '@circlet/shared/causality/key-state.ts';
import { DecodeError } from '@circlet/shared/codec/bytes.ts';
import type { SipKey } from '@circlet/shared/hash/siphash.ts';
import type { HostEffect, HostEvent } from '@circlet/shared/host/host.ts';
import { type Address, EVERY_STORAGE, type Machine, type Notice, type Now } from '@circlet/shared/machine.ts';
import type { Echoed } from '@circlet/shared/protocol/echo.ts';
import { addressOf, type FrameHeader } from '@circlet/shared/protocol/frame.ts';
import type { Message, MessageOf } from '@circlet/shared/protocol/message.ts';
import { type PreferenceList, PreferenceLists } from '@circlet/shared/ring/preference-list.ts';
import {
  decodeTopology,
  type Member,
  NO_TOPOLOGY,
  Ring,
  type Topology,
} from '@circlet/shared/ring/topology.ts';
import { type ChangeDesk, type ChangeRequest, Changes } from './changes.ts';
import type { Answer, ClientRequest, Failure, GetRequest, Reading, WriteRequest } from './client.ts';
import type { Desk, Operation, Question } from './desk.ts';
import { etagOf } from './etag.ts';
import { Hedges } from './hedges.ts';
import { InFlight } from './in-flight.ts';
import { ECHO_RETRY_MS, NodeView } from './node-view.ts';
import { ReadOperation, type ReadResult } from './read.ts';
import { WriteOperation } from './write.ts';

/**
 * The coordinator's machine: operations under way, what is known of the storage pods, and the topology it learnt from
 * them. It keeps nothing that matters: another coordinator can serve the next request of any client.
 */
export interface RequestEvent {
  readonly kind: 'request';
  readonly request: ClientRequest;
}

/** An operator wants something of the members. */
export interface ChangeEvent {
  readonly kind: 'change';
  readonly request: ChangeRequest;
}

export type AskedEvent = RequestEvent | ChangeEvent;
export type CoordinatorEvent = HostEvent<CoordinatorTimer> | AskedEvent;

export type CoordinatorTimer =
  | { readonly kind: 'echo' }
  | { readonly kind: 'change'; readonly turn: number }
  | { readonly kind: 'operations'; readonly atMs: number };

export type CoordinatorEffect = HostEffect<CoordinatorTimer, Answer>;

export interface CoordinatorOptions {
  readonly cluster: string;
  readonly clusterKey: SipKey;
  /** Requests under way before further ones are refused with 429. */
  readonly requestsMax: number;
  /** Bytes of values held for requests under way, answered or not, before further writes are refused. */
  readonly bytesMax: number;
  readonly siblingsMax: number;
}

/** A question that was asked and not answered. */
interface Outstanding {
  readonly id: number;
  readonly operation: Operation;
  readonly node: string;
  readonly question: Question;
  readonly deadlineMs: number;
  readonly sentMs: number;
  /** It was refused for a clock or boot that we had wrong, and asked again with the right one. */
  readonly again: boolean;
  /** Whose first part of an answer has come. */
  life: string | undefined;
}

interface UnderWay {
  readonly id: number;
  readonly operation: Operation;
  readonly bytes: number;
  /** When it wants to be looked at. */
  wakeMs: number;
}

const RETRY_AFTER_MS = 1_000;

export class Coordinator implements Machine<CoordinatorEvent, CoordinatorEffect>, Desk {
  mutations = 0;
  readonly digestKey: SipKey;
  readonly siblingsMax: number;
  private readonly options: CoordinatorOptions;
  private readonly nodes = new Map<string, NodeView>();
  private readonly operations = new InFlight<UnderWay>();
  private readonly outstanding = new InFlight<Outstanding>();
  private readonly hedges = new Hedges();
  private readonly answering = new Set<number>();
  private readonly changes: Changes;
  private currentRing: Ring | undefined;
  /** When a storage pod last spoke that acts on our topology. */
  private confirmedMs = Number.NEGATIVE_INFINITY;
  private adoptedMs = Number.NEGATIVE_INFINITY;
  /** Members that the topology before did not have. */
  private newcomers: readonly string[] = [];
  private lists: PreferenceLists | undefined;
  private effects: CoordinatorEffect[] = [];
  private now: Now = { monoMs: 0, wallMs: 0 };
  /** When the host will wake us for an operation. */
  private alarmMs = Number.POSITIVE_INFINITY;
  private bytesHeld = 0;
  private lastId = 0;
  private busUp = false;

  constructor(options: CoordinatorOptions) {
    this.options = options;
    this.digestKey = options.clusterKey;
    this.siblingsMax = options.siblingsMax;
    this.changes = new Changes(this.changeDesk());
  }

  handle(event: CoordinatorEvent, now: Now): readonly CoordinatorEffect[] {
    this.now = now;
    this.effects = [];
    this.mutations++;
    switch (event.kind) {
      case 'start':
        this.effects.push({ kind: 'epoch', epoch: 0, topology: NO_TOPOLOGY });
        this.pulse();
        break;
      case 'request':
        this.begin(event.request);
        break;
      case 'change':
        this.changes.begin(event.request);
        break;
      case 'message':
        this.receive(event.from, event.message);
        break;
      case 'timer':
        this.timer(event.timer);
        break;
      case 'undelivered':
        this.undelivered(event.to, event.ids);
        break;
      case 'bus':
        this.busUp = event.up;
        if (event.up) this.echoAll();
        break;
      case 'stop':
        break;
    }
    return this.effects;
  }

  // ---- what the HTTP layer shows ----

  /** The topology, once one was learnt. */
  get topology(): Ring | undefined {
    return this.currentRing;
  }

  get isConnected(): boolean {
    return this.busUp;
  }

  /** In name order. */
  get views(): readonly NodeView[] {
    return [...this.nodes.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** What a node last said of itself. */
  pulseOf(name: string): Echoed | undefined {
    return this.nodes.get(name)?.pulse;
  }

  isAlive(name: string): boolean {
    return this.nodes.get(name)?.isReachable(this.now.monoMs) ?? false;
  }

  // ---- the desk ----

  get nowMs(): number {
    return this.now.monoMs;
  }

  get ring(): Ring {
    assert(this.currentRing !== undefined, 'operations begin when there is a topology');
    return this.currentRing;
  }

  get awaitsMembers(): boolean {
    const { monoMs } = this.now;
    if (monoMs - this.adoptedMs > NEWCOMERS_MS) return false;
    return this.newcomers.some((name) => !this.node(name).isUsable(monoMs));
  }

  preferences(vnode: number): PreferenceList {
    assert(this.lists !== undefined, 'operations begin when there is a topology');
    return this.lists.of(vnode);
  }

  node(name: string): NodeView {
    let view = this.nodes.get(name);
    if (view === undefined) {
      view = new NodeView(name);
      this.nodes.set(name, view);
    }
    return view;
  }

  ask(operation: Operation, node: string, question: Question, deadlineMs: number): number {
    return this.send(operation, node, question, deadlineMs, false);
  }

  wake(operation: Operation, atMs: number): void {
    const entry = this.operations.get(operation.id);
    if (entry === undefined) return;
    entry.wakeMs = atMs;
    this.alarm(atMs);
  }

  finished(operation: Operation): void {
    const entry = this.operations.get(operation.id);
    if (entry === undefined) return;
    this.bytesHeld -= entry.bytes;
    this.operations.delete(operation.id);
  }

  mayHedge(): boolean {
    return this.hedges.spend();
  }

  count(event: string): void {
    this.notify('debug', event);
  }

  // ---- requests ----

  private begin(request: ClientRequest): void {
    const bytes = request.kind === 'write' ? request.write.body.length + request.key.length : 0;
    const refusal = this.refusal(request, bytes);
    if (refusal !== undefined) {
      this.respond(request.id, { kind: 'failed', failure: refusal });
      return;
    }
    this.answering.add(request.id);
    const deadlineMs = this.now.monoMs + request.quorum.timeoutMs;
    if (request.kind === 'get') this.get(request, deadlineMs);
    else if (this.readsFirst(request)) this.readThenWrite(request, deadlineMs);
    else this.write(request, request.context ?? emptyContext, deadlineMs);
  }

  /** Why a request is not even begun. Nothing was sent, so a write refused here never appears. */
  private refusal(request: ClientRequest, bytes: number): Failure | undefined {
    const outcome = request.kind === 'write' ? ('none' as const) : undefined;
    if (this.currentRing === undefined || !this.busUp) {
      const need = request.kind === 'write' ? request.quorum.w : request.quorum.r;
      const from = request.quorum.sloppy ? 'any' : 'owners';
      return { code: 'quorum_unavailable', need, got: 0, from, outcome };
    }
    if (this.answering.size >= this.options.requestsMax || this.bytesHeld + bytes > this.options.bytesMax) {
      this.notify('debug', 'request_refused_overloaded');
      return { code: 'overloaded', outcome, retryAfterMs: RETRY_AFTER_MS };
    }
    return undefined;
  }

  private get(request: GetRequest, deadlineMs: number): void {
    this.read(request, request.atLeast, deadlineMs, (result) => {
      this.respond(request.id, result.kind === 'read' ? result : { kind: 'failed', failure: result.failure });
    });
  }

  private readsFirst({ condition, context, write }: WriteRequest): boolean {
    return condition !== undefined || (write.deleted && context === undefined);
  }

  /** A condition is checked, and a delete without context decided, on what the coordinator reads: at the first attempt. */
  private readThenWrite(request: WriteRequest, deadlineMs: number): void {
    const { quorum } = request;
    // A delete that names nothing replaces what R owners know, or it would be acknowledged and spare what it was meant for.
    const isFirm = request.write.deleted && request.context === undefined;
    const firm = isFirm ? { ...quorum, rIsFirm: true, pr: Math.max(quorum.pr, quorum.r) } : quorum;
    this.read({ ...request, quorum: firm }, undefined, deadlineMs, (result) => {
      if (result.kind === 'failed') {
        this.respond(request.id, { kind: 'failed', failure: unwritten(result.failure) });
        return;
      }
      if (this.now.monoMs >= deadlineMs) {
        // A write that is begun at its deadline may be born past it: its lead's clock is known to some milliseconds.
        const failure = {
          code: 'quorum_unavailable',
          need: quorum.w,
          got: 0,
          from: 'any',
          outcome: 'none',
        } as const;
        this.respond(request.id, { kind: 'failed', failure });
        return;
      }
      const { reading } = result;
      // It was done before, and the reply to it was lost: whatever its condition meets now, it has been met.
      if (knows(reading.state, request.write.writeId)) {
        const context = request.context ?? contextAgain(reading, request.write.writeId);
        this.write(request, context, deadlineMs, reading);
        return;
      }
      const broken = this.brokenCondition(request, reading);
      if (broken !== undefined) {
        this.respond(request.id, { kind: 'failed', failure: broken });
      } else if (request.write.deleted && request.context === undefined && isBlank(reading)) {
        this.respond(request.id, { kind: 'nothing', context: reading.context });
      } else {
        // The write replaces what the check saw, or it would only add a sibling to it (protocol.md, rule 17).
        this.write(request, request.context ?? reading.context, deadlineMs);
      }
    });
  }

  private brokenCondition({ condition }: WriteRequest, reading: Reading): Failure | undefined {
    if (condition === undefined) return undefined;
    const ids = reading.state.siblings.map(({ writeId }) => writeId);
    const etag = isLive(reading) ? etagOf(this.digestKey, ids) : undefined;
    const holds =
      condition.kind === 'absent' ? etag === undefined : etag !== undefined && matches(condition.etags, etag);
    return holds ? undefined : { code: 'precondition_failed', etag };
  }

  private write(request: WriteRequest, context: Context, deadlineMs: number, found?: Reading): void {
    const { key, quorum, write, returnValue } = request;
    const id = this.nextId();
    const operation = new WriteOperation({
      id,
      key,
      quorum,
      write,
      context,
      found,
      deadlineMs,
      done: (_, result) => {
        if (result.kind === 'failed') {
          this.respond(request.id, { kind: 'failed', failure: result.failure });
        } else if (returnValue) {
          this.readBack(request, result.context, deadlineMs);
        } else {
          this.respond(request.id, { kind: 'written', context: result.context, writeId: write.writeId });
        }
      },
    });
    const bytes = write.body.length + key.length;
    this.bytesHeld += bytes;
    this.operations.set({ id, operation, bytes, wakeMs: Number.POSITIVE_INFINITY });
    operation.begin(this);
  }

  private readBack(request: WriteRequest, atLeast: Context, deadlineMs: number): void {
    this.read(request, atLeast, deadlineMs, (result) => {
      // The write itself succeeded; if its read-back did not, say what is known of the write.
      if (result.kind === 'read') this.respond(request.id, result);
      else this.respond(request.id, { kind: 'written', context: atLeast, writeId: request.write.writeId });
    });
  }

  private read(
    { key, quorum }: ClientRequest,
    atLeast: GetRequest['atLeast'],
    deadlineMs: number,
    done: (result: ReadResult) => void,
  ): void {
    this.hedges.earn();
    const id = this.nextId();
    const operation = new ReadOperation({
      id,
      key,
      quorum,
      atLeast,
      deadlineMs,
      done: (_, result) => done(result),
    });
    this.operations.set({ id, operation, bytes: 0, wakeMs: Number.POSITIVE_INFINITY });
    operation.begin(this);
  }

  private respond(id: number, answer: Answer): void {
    this.answering.delete(id);
    this.effects.push({ kind: 'respond', id, answer });
  }

  // ---- messages ----

  private receive(from: FrameHeader, message: Message): void {
    if (from.role !== 'storage') return;
    const view = this.currentRing?.member(from.name) === undefined ? undefined : this.node(from.name);
    view?.heard(from.boot, this.now.monoMs);
    if (from.topology === this.currentRing?.digest) this.confirmedMs = this.now.monoMs;
    try {
      switch (message.kind) {
        case 'led':
        case 'merged':
        case 'found':
          this.reply(from, message);
          break;
        case 'refused':
          this.refused(from, message);
          break;
        case 'changeTold':
          if (!this.changes.told(from.name, from.epoch, message))
            this.notify('warn', 'unexpected_answer', { kind: message.kind, from: from.name });
          break;
        case 'echoed':
          if (view !== undefined) this.echoed(from, view, message);
          break;
        case 'topologyTold':
          this.told(message.document);
          break;
        case 'topologyAsk':
          this.tell(from);
          break;
        default:
          this.notify('warn', 'unexpected_message', { kind: message.kind, from: from.name });
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.notify('warn', 'bad_state', { from: from.name, reason: error.message });
    }
  }

  private reply(
    from: FrameHeader,
    message: MessageOf<'led'> | MessageOf<'merged'> | MessageOf<'found'>,
  ): void {
    const asked = this.outstanding.get(message.id);
    // Only the node that was asked can answer: two pods with one request id must not count as two replicas.
    if (asked === undefined || asked.node !== from.name) return;
    if (message.kind !== 'merged' && message.parts > 1) {
      // A copy of the request may have met two lives of the node: their parts are parts of two states.
      if (message.part === 0) asked.life = from.boot;
      else if (asked.life !== from.boot) return;
    }
    const isLast = message.kind === 'merged' || message.part === message.parts - 1;
    if (isLast) this.outstanding.delete(message.id);
    const view = this.node(from.name);
    (asked.question.kind === 'read' ? view.reads : view.writes).add(this.now.monoMs - asked.sentMs);
    asked.operation.replied(this, from.name, message.id, message);
  }

  private refused(from: FrameHeader, { id, reason, monoMs }: MessageOf<'refused'>): void {
    const asked = this.outstanding.get(id);
    if (asked === undefined || asked.node !== from.name) return;
    this.outstanding.delete(id);
    this.notify('debug', 'request_refused', { reason, from: from.name });
    // Whatever comes of asking again: the life that was meant may have done it before it ended.
    if (reason === 'wrong_boot') asked.operation.mayBeDone(id);
    const isOurView = reason === 'wrong_boot' || reason === 'expired';
    if (isOurView && !asked.again && this.now.monoMs < asked.deadlineMs) {
      // Its clock or its life is not what we thought; its answer says what they are (protocol.md, rule 15).
      const view = this.node(from.name);
      if (view.clock.add(asked.sentMs, monoMs, this.now.monoMs))
        this.notify('alarm', 'clock_jump', { node: from.name });
      this.send(asked.operation, asked.node, asked.question, asked.deadlineMs, true, id);
      return;
    }
    asked.operation.setBack(this, from.name, id, reason);
  }

  private undelivered(to: Address, ids: readonly number[]): void {
    if (to.role !== 'storage' || to.name === EVERY_STORAGE.name) return;
    const view = this.node(to.name);
    const isNews = !view.isMissing;
    view.undelivered();
    for (const id of ids) {
      const asked = this.outstanding.get(id);
      if (asked === undefined) continue;
      this.outstanding.delete(id);
      asked.operation.setBack(this, to.name, id, 'unreachable');
    }
    if (isNews) this.gone(to.name);
    this.changes.undelivered(to.name, ids);
  }

  /** What was sent while it lived must not wait for its silence to become long: that is a second and more. */
  private gone(node: string): void {
    const waiting = new Set<Operation>();
    for (const asked of this.outstanding.values()) if (asked.node === node) waiting.add(asked.operation);
    for (const operation of waiting) operation.gone(this, node);
  }

  /** With the id given, the question is asked once more under the same one: the operation need not know. */
  private send(
    operation: Operation,
    node: string,
    question: Question,
    deadlineMs: number,
    again: boolean,
    id = this.nextId(),
  ): number {
    const view = this.node(node);
    const sentMs = this.now.monoMs;
    this.outstanding.set({ id, operation, node, question, deadlineMs, sentMs, again, life: undefined });
    const message = { ...question, id, deadlineMs: view.inItsClock(deadlineMs) };
    this.effects.push({ kind: 'send', to: view.address, message });
    return id;
  }

  private timer(timer: CoordinatorTimer): void {
    if (timer.kind === 'echo') {
      this.pulse();
      return;
    }
    if (timer.kind === 'change') {
      this.changes.check(timer.turn);
      return;
    }
    // An earlier one was set after it.
    if (timer.atMs !== this.alarmMs) return;
    this.alarmMs = Number.POSITIVE_INFINITY;
    const due: UnderWay[] = [];
    let nextMs = Number.POSITIVE_INFINITY;
    for (const entry of this.operations.values()) {
      if (entry.wakeMs <= timer.atMs) due.push(entry);
      else nextMs = Math.min(nextMs, entry.wakeMs);
    }
    this.alarm(nextMs);
    for (const entry of due) {
      entry.wakeMs = Number.POSITIVE_INFINITY;
      entry.operation.check(this);
    }
  }

  /**
   * One timer stands for all operations. Most are answered long before they would be woken; with a timer each, thousands
   * that nobody needs any more would be kept, and each would wake the pod.
   */
  private alarm(atMs: number): void {
    if (atMs >= this.alarmMs) return;
    this.alarmMs = atMs;
    const afterMs = Math.max(0, atMs - this.now.monoMs);
    this.effects.push({ kind: 'schedule', afterMs, timer: { kind: 'operations', atMs } });
  }

  // ---- topology and pulse ----

  private pulse(): void {
    this.effects.push({ kind: 'schedule', afterMs: ECHO_RETRY_MS, timer: { kind: 'echo' } });
    this.forgetUnanswered();
    if (this.busUp) this.echoAll();
  }

  private echoAll(): void {
    if (this.currentRing === undefined) {
      this.effects.push({ kind: 'send', to: EVERY_STORAGE, message: { kind: 'topologyAsk' } });
      return;
    }
    for (const { name } of this.currentRing.topology.members) {
      const view = this.node(name);
      if (!view.echoDue(this.now.monoMs)) continue;
      view.echoSentMs = this.now.monoMs;
      const message = { kind: 'echo' as const, id: 0, sentMs: Math.floor(this.now.monoMs) };
      this.effects.push({ kind: 'send', to: { role: 'storage', name }, message });
    }
  }

  private echoed(from: FrameHeader, view: NodeView, message: MessageOf<'echoed'>): void {
    if (message.sentMs > this.now.monoMs) return;
    if (view.echoed(message, this.now.monoMs)) this.notify('alarm', 'clock_jump', { node: from.name });
    if (from.topology !== this.currentRing?.digest && this.wants(from.epoch)) {
      this.effects.push({ kind: 'send', to: addressOf(from), message: { kind: 'topologyAsk' } });
    }
  }

  private told(document: Uint8Array): void {
    const topology = decodeTopology(document);
    if (topology.cluster !== this.options.cluster) return;
    if (!this.wants(topology.epoch)) return;
    const ring = new Ring(topology, this.options.clusterKey);
    if (ring.digest === this.currentRing?.digest) return;
    if (topology.epoch <= (this.currentRing?.topology.epoch ?? 0)) {
      // Pods that have not heard of our epoch tell of the one before. Epochs never go back; only another cluster begins anew.
      if (this.currentRing !== undefined && haveDisksInCommon(topology, this.currentRing.topology)) return;
      this.notify('alarm', 'topology_replaced', { epoch: topology.epoch });
    }
    const before = this.currentRing;
    const isNew = ({ name, disk }: Member) => before !== undefined && before.member(name)?.disk !== disk;
    this.newcomers = topology.members.filter(isNew).map(({ name }) => name);
    this.adoptedMs = this.now.monoMs;
    this.currentRing = ring;
    this.confirmedMs = this.now.monoMs;
    this.lists = new PreferenceLists(ring);
    this.effects.push({ kind: 'epoch', epoch: topology.epoch, topology: ring.digest });
    this.notify('info', 'topology_adopted', { epoch: topology.epoch, members: topology.members.length });
    for (const name of this.nodes.keys()) if (ring.member(name) === undefined) this.nodes.delete(name);
    this.outstanding.clear();
    // One that begins because another ended has the new topology already.
    for (const { operation } of this.operations.values()) operation.restart(this);
    this.echoAll();
  }

  /**
   * Whether to take a document of this epoch that is not ours: a later one, or any when nobody acts on ours any more. The
   * cluster was wiped then and founded anew, and we are what is left of it. While somebody does, ours is kept, so that pods
   * which disagree do not drive us to and fro. Either way a quorum is one of pods that act on one document: each refuses
   * what is asked under another, and an operation that starts again counts nobody twice.
   */
  private wants(epoch: number): boolean {
    if (this.currentRing === undefined || epoch > this.currentRing.topology.epoch) return true;
    return epoch > 0 && this.now.monoMs - this.confirmedMs > UNCONFIRMED_MS;
  }

  private tell(to: FrameHeader): void {
    if (this.currentRing === undefined) return;
    const message = { kind: 'topologyTold' as const, document: this.currentRing.bytes };
    this.effects.push({ kind: 'send', to: addressOf(to), message });
  }

  /** Questions that nobody will answer any more: their operation is over and their deadline has passed. */
  private forgetUnanswered(): void {
    for (const { id, deadlineMs } of this.outstanding.values()) {
      if (deadlineMs + FORGET_AFTER_MS < this.now.monoMs) this.outstanding.delete(id);
    }
  }

  private changeDesk(): ChangeDesk {
    const nowMs = () => this.now.monoMs;
    return {
      get nowMs() {
        return nowMs();
      },
      cluster: this.options.cluster,
      usableMembers: () => this.usableMembers(),
      send: (name, ask) =>
        this.effects.push({
          kind: 'send',
          to: { role: 'storage', name },
          message: { kind: 'changeAsk', ...ask },
        }),
      wake: (turn, afterMs) =>
        this.effects.push({ kind: 'schedule', afterMs, timer: { kind: 'change', turn } }),
      respond: (id, answer) => this.effects.push({ kind: 'respond', id, answer }),
      nextId: () => this.nextId(),
    };
  }

  private usableMembers(): readonly string[] | undefined {
    return this.currentRing?.topology.members
      .filter(
        ({ name, state }) => this.busUp && state === 'active' && this.node(name).isUsable(this.now.monoMs),
      )
      .map(({ name }) => name);
  }

  private nextId(): number {
    return ++this.lastId;
  }

  private notify(level: Notice['level'], event: string, fields: Notice['fields'] = {}): void {
    this.effects.push({ kind: 'notify', notice: { level, event, fields } });
  }
}

const FORGET_AFTER_MS = 1_000;
/** Pods answer echoes each second. */
const UNCONFIRMED_MS = 5_000;
/** Within a second a pod has learnt that it is a member, and been reached by another. */
const NEWCOMERS_MS = 3_000;

/** A cluster that was founded anew has empty disks only, under ids of their own. */
function haveDisksInCommon(a: Topology, b: Topology): boolean {
  const disks = new Set(a.members.map(({ disk }) => disk));
  return b.members.some(({ disk }) => disks.has(disk));
}

function isLive(reading: Reading): boolean {
  return liveSiblings(reading.state).length > 0;
}

/**
 * A tombstone may be on one owner alone, from an attempt that failed: whoever deletes the key is promised W copies of its
 * own.
 */
function isBlank({ state }: Reading): boolean {
  return state.siblings.length === 0;
}

/**
 * What the first attempt replaced is not known any more. Where its write is alone, it replaced all else that was read;
 * beside others it names nothing: what it read now includes what was written since, and must survive.
 */
function contextAgain({ state, context }: Reading, writeId: WriteId): Context {
  return state.siblings.every((sibling) => sibling.writeId === writeId) ? context : emptyContext;
}

function matches(wanted: readonly string[], etag: string): boolean {
  return wanted.includes('*') || wanted.includes(etag);
}

/** The read before a write failed: nothing was sent that could appear. A timeout would say that something might. */
function unwritten(failure: Failure): Failure {
  if (failure.code === 'timeout') return { ...failure, code: 'quorum_unavailable', outcome: 'none' };
  return 'outcome' in failure ? { ...failure, outcome: 'none' } : failure;
}
