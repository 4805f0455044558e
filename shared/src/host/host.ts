import { DecodeError, Reader } from '../codec/bytes.ts';
import type { Address, Machine, Notice, Notify, Now, Schedule, Send } from '../machine.ts';
import { addressOf, type FrameHeader, readHeader, readMessages } from '../protocol/frame.ts';
import { isReplicaRequest, type Message, type ReplicaRequest } from '../protocol/message.ts';
import { type Identity, Outbox } from './outbox.ts';
import type { Clock, Scheduler, Transaction, Transport } from './ports.ts';
import { Received } from './received.ts';
import { TimerQueue } from './timer-queue.ts';

/**
 * The thin host around a machine (law 1): it queues events, handles a batch of them in one transaction, and performs
 * the effects after the commit.
 *
 *     messages, requests, timers  ->  queue  ->  begin  handle*  commit  ->  send, schedule, respond, notify
 *
 * A batch is what arrived since the last turn, never what was waited for: group commit under load, no delay without.
 */

/** Events that every pod's machine understands besides its own. */
export type HostEvent<Timer> =
  /** First event of every machine, also of one that was rebuilt. */
  | { readonly kind: 'start' }
  | { readonly kind: 'message'; readonly from: FrameHeader; readonly message: Message }
  | { readonly kind: 'timer'; readonly timer: Timer }
  /** The bus found no subscriber for messages with these ids. */
  | { readonly kind: 'undelivered'; readonly to: Address; readonly ids: readonly number[] }
  | { readonly kind: 'bus'; readonly up: boolean }
  /** The last event of a clean stop: what it writes is committed, what it sends may go nowhere. */
  | { readonly kind: 'stop' };

export type HostEffect<Timer, Answer> =
  | Send<Message>
  | Schedule<Timer>
  | Notify
  /** The epoch and topology digest that frames carry from now on. */
  | { readonly kind: 'epoch'; readonly epoch: number; readonly topology: string }
  /** The answer to a request of this process, by the id it was made with. */
  | { readonly kind: 'respond'; readonly id: number; readonly answer: Answer };

export interface HostOptions<Event, Timer, Answer> {
  readonly identity: Identity;
  readonly build: (boot: string) => Machine<Event | HostEvent<Timer>, HostEffect<Timer, Answer>>;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly transaction?: Transaction;
  readonly respond: (id: number, answer: Answer) => void;
  readonly notice: (notice: Notice) => void;
  /** Draws the boot id of a machine that replaces a discarded one. */
  readonly newBoot: () => string;
  /** After a discard: the store cannot be trusted any more, the process must end. */
  readonly isFatal: (error: unknown) => boolean;
  readonly fatal: (error: unknown) => void;
  /** An event of this process was dropped because the machine threw on it; whoever waits for it must be told. */
  readonly dropped?: (event: Event | HostEvent<Timer>) => void;
  /** The machine was discarded: nothing that was under way will be answered. */
  readonly discarded?: () => void;
}

/** Events handled in one transaction: long enough to share an fsync, short enough to keep answering. */
const TURN_EVENTS_MAX = 512;
/** Beyond this the pod says `busy` instead of falling further behind. At 20 µs each, 160 ms of work. */
const INBOX_EVENTS_MAX = 8192;
const INBOX_BYTES_MAX = 64 * 1024 * 1024;
/** A machine that cannot start from its store is not helped by another start. */
const FAILURES_MAX = 10;

export class Host<Event, Timer, Answer> {
  private readonly options: HostOptions<Event, Timer, Answer>;
  private machine: Machine<Event | HostEvent<Timer>, HostEffect<Timer, Answer>>;
  private outbox: Outbox;
  private identity: Identity;
  private inbox: (Event | HostEvent<Timer>)[] = [];
  private inboxBytes = 0;
  private readonly received = new Received();
  private readonly timers = new TimerQueue<Timer>();
  private alarmAtMs = Number.POSITIVE_INFINITY;
  private turnScheduled = false;
  private stopped = false;
  private busUp = false;
  /** Turns in a row that came to nothing. */
  private failures = 0;

  constructor(options: HostOptions<Event, Timer, Answer>) {
    this.options = options;
    this.identity = options.identity;
    this.machine = options.build(this.identity.boot);
    this.outbox = new Outbox(this.identity, options.transport);
    options.transport.listen({
      frame: (bytes) => this.receive(bytes),
      undelivered: (token) => this.undelivered(token),
      connected: (up) => {
        this.busUp = up;
        this.deliver({ kind: 'bus', up });
      },
    });
    this.deliver({ kind: 'start' });
  }

  get boot(): string {
    return this.identity.boot;
  }

  /** Queues an event; it is handled in the next turn. */
  deliver(event: Event | HostEvent<Timer>): void {
    if (this.stopped) return;
    this.inbox.push(event);
    this.wake();
  }

  /** Handles what is queued, and nothing that arrives later. */
  stop(): void {
    this.deliver({ kind: 'stop' });
    while (this.inbox.length > 0 && !this.stopped) this.turn();
    this.stopped = true;
  }

  private receive(bytes: Uint8Array): void {
    if (this.stopped) return;
    let header: FrameHeader;
    let messages: readonly Message[];
    try {
      const reader = new Reader(bytes);
      header = readHeader(reader);
      if (header.cluster !== this.identity.clusterMark) return this.refuse('wrong_cluster', header);
      // Addressed to an earlier life of this pod. Storage pods answer that; replies to a dead coordinator are moot.
      if (header.toBoot !== undefined && header.toBoot !== this.boot && this.identity.role === 'coordinator')
        return;
      if (!this.received.isFirst(header.boot, header.number, this.options.clock.now().monoMs)) return;
      messages = readMessages(reader);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return this.refuse(error.message);
    }
    const full = this.inbox.length >= INBOX_EVENTS_MAX || this.inboxBytes >= INBOX_BYTES_MAX;
    for (const message of messages) {
      if (full && isReplicaRequest(message)) this.shed(header, message);
      else if (this.inbox.length < 2 * INBOX_EVENTS_MAX)
        this.inbox.push({ kind: 'message', from: header, message });
      else this.refuse('inbox full', header);
    }
    this.inboxBytes += bytes.length;
    this.outbox.flush();
    this.wake();
  }

  /** Overload: say so at once, without touching machine or store. Gossip and answers still get in. */
  private shed(to: FrameHeader, { id }: ReplicaRequest): void {
    const monoMs = Math.floor(this.options.clock.now().monoMs);
    this.outbox.add(addressOf(to), { kind: 'refused', id, reason: 'busy', monoMs });
    this.options.notice({ level: 'debug', event: 'request_shed' });
  }

  private undelivered(token: number): void {
    const sent = this.outbox.sent(token);
    if (sent !== undefined) this.deliver({ kind: 'undelivered', to: sent.to, ids: sent.ids });
  }

  private refuse(reason: string, header?: FrameHeader): void {
    const fields = header === undefined ? { reason } : { reason, role: header.role, name: header.name };
    this.options.notice({ level: 'warn', event: 'bad_frame', fields });
  }

  private wake(): void {
    if (this.turnScheduled || this.stopped) return;
    this.turnScheduled = true;
    this.options.scheduler.defer(() => {
      this.turnScheduled = false;
      if (!this.stopped) this.turn();
      if (this.inbox.length > 0) this.wake();
    });
  }

  private turn(): void {
    const now = this.options.clock.now();
    for (let timer = this.timers.pop(now.monoMs); timer !== undefined; timer = this.timers.pop(now.monoMs)) {
      this.inbox.push({ kind: 'timer', timer });
    }
    const queued = this.inbox.length;
    const batch = queued <= TURN_EVENTS_MAX ? this.inbox : this.inbox.slice(0, TURN_EVENTS_MAX);
    this.inbox = batch === this.inbox ? [] : this.inbox.slice(TURN_EVENTS_MAX);
    // What is left is taken to be as large as what is gone: under load there is always something left.
    this.inboxBytes = queued === 0 ? 0 : (this.inboxBytes * this.inbox.length) / queued;
    const effects: HostEffect<Timer, Answer>[] = [];
    try {
      this.options.transaction?.begin();
      for (const event of batch) this.handle(event, now, effects);
      this.options.transaction?.commit();
    } catch (error) {
      this.discard(error);
      return;
    }
    this.failures = 0;
    this.perform(effects, now);
  }

  /** A throw before any mutation costs only its event; after one, memory and store can disagree (rule 20). */
  private handle(event: Event | HostEvent<Timer>, now: Now, effects: HostEffect<Timer, Answer>[]): void {
    const before = this.machine.mutations;
    try {
      const made = this.machine.handle(event, now);
      for (const effect of made) effects.push(effect);
    } catch (error) {
      if (this.machine.mutations !== before || this.options.isFatal(error)) throw error;
      this.options.notice({ level: 'alarm', event: 'event_dropped', fields: { error: describe(error) } });
      this.options.dropped?.(event);
      const answer = internalError(event, now);
      if (answer !== undefined) effects.push(answer);
    }
  }

  /** No effect of the batch is performed; the machine starts again from what is durable, in a new life. */
  private discard(error: unknown): void {
    const { notice, isFatal, fatal, transaction, build, newBoot } = this.options;
    notice({ level: 'alarm', event: 'machine_discarded', fields: { error: describe(error) } });
    this.outbox.discard();
    this.failures++;
    if (isFatal(error) || this.failures > FAILURES_MAX) {
      this.stopped = true;
      fatal(error);
      return;
    }
    transaction?.rollback();
    this.timers.clear();
    this.inbox = [];
    this.inboxBytes = 0;
    this.identity = { ...this.identity, boot: newBoot() };
    this.machine = build(this.identity.boot);
    this.outbox = new Outbox(this.identity, this.options.transport, this.outbox.next);
    this.options.discarded?.();
    this.deliver({ kind: 'start' });
    // The transport says it when it changes, not again for a machine that was not there.
    if (this.busUp) this.deliver({ kind: 'bus', up: true });
  }

  private perform(effects: readonly HostEffect<Timer, Answer>[], now: Now): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'send':
          this.send(effect, now);
          break;
        case 'schedule':
          this.timers.push(now.monoMs + effect.afterMs, effect.timer);
          break;
        case 'respond':
          this.options.respond(effect.id, effect.answer);
          break;
        case 'epoch':
          this.outbox.at(effect.epoch, effect.topology);
          break;
        case 'notify':
          this.options.notice(effect.notice);
          break;
      }
    }
    this.outbox.flush();
    this.arm(now);
  }

  /** What was committed cannot be taken back: a message that no frame can carry costs only itself. */
  private send({ to, message }: Send<Message>, now: Now): void {
    try {
      this.outbox.add(to, message);
    } catch (error) {
      const fields = { kind: message.kind, to: to.name, error: describe(error) };
      this.options.notice({ level: 'alarm', event: 'message_unsendable', fields });
      if (to.role !== 'coordinator' || !('id' in message)) return;
      this.outbox.add(to, {
        kind: 'refused',
        id: message.id,
        reason: 'internal',
        monoMs: Math.floor(now.monoMs),
      });
    }
  }

  private arm(now: Now): void {
    const next = this.timers.nextMs;
    if (next === undefined || next >= this.alarmAtMs) return;
    this.alarmAtMs = next;
    this.options.scheduler.alarm(Math.max(0, next - now.monoMs), () => {
      this.alarmAtMs = Number.POSITIVE_INFINITY;
      if (this.stopped) return;
      this.turn();
      this.arm(this.options.clock.now());
    });
  }
}

/** A coordinator whose request hit a bug is told, so that it can try another replica instead of waiting. */
function internalError(event: unknown, now: Now): Send<Message> | undefined {
  const { kind, from, message } = event as Partial<Extract<HostEvent<never>, { kind: 'message' }>>;
  if (kind !== 'message' || from === undefined || message === undefined) return undefined;
  if (!isReplicaRequest(message)) return undefined;
  const monoMs = Math.floor(now.monoMs);
  return {
    kind: 'send',
    to: addressOf(from),
    message: { kind: 'refused', id: message.id, reason: 'internal', monoMs },
  };
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
