import { must } from '../assert.ts';
import type { Machine, Notice, Now } from '../machine.ts';
import { decodeFrame, FrameBuilder, type FrameHeader } from '../protocol/frame.ts';
import type { Message, MessageOf } from '../protocol/message.ts';
import { NO_TOPOLOGY } from '../ring/topology.ts';
import { Host, type HostEffect, type HostEvent, type HostOptions } from './host.ts';
import type { Identity } from './outbox.ts';
import type { TransportListener } from './ports.ts';

/** A host on a bus, a clock and a store that are lists; what it does is written down in order. */
export type Event = HostEvent<string> | { readonly kind: 'asked'; readonly id: number };
export type Effect = HostEffect<string, string>;

export const MARK = 'cluster!';
export const PEER: FrameHeader = {
  cluster: MARK,
  role: 'coordinator',
  name: 'p',
  boot: 'PEERPEERPEE',
  toBoot: 'boot-000000',
  number: 0,
  epoch: 0,
  topology: NO_TOPOLOGY,
};

export interface SentFrame {
  readonly subject: string;
  readonly header: FrameHeader;
  readonly messages: readonly Message[];
  readonly bytes: number;
  readonly token: number;
}

export function frameOf(header: FrameHeader, ...messages: readonly Message[]): Uint8Array {
  const builder = new FrameBuilder();
  builder.begin(header);
  for (const message of messages) must(builder.add(message) || undefined, 'the frame has room');
  return builder.finish();
}

export class Rig {
  readonly log: string[] = [];
  readonly frames: SentFrame[] = [];
  readonly notices: Notice[] = [];
  nowMs = 1000;
  /** What the machine does with an event. */
  script: (event: Event, machine: Scripted, now: Now) => readonly Effect[] = () => [];
  /** Called when a turn commits; it throws when the commit fails. */
  commits: () => void = () => undefined;
  isFatal: (error: unknown) => boolean = () => false;
  readonly host: Host<Event, string, string>;
  readonly lives: string[] = [];
  private listener: TransportListener | undefined;
  private arrived = 0;
  private readonly deferred: (() => void)[] = [];
  private alarmed: { readonly atMs: number; readonly run: () => void } | undefined;

  constructor(options: Partial<HostOptions<Event, string, string>> = {}, role: Identity['role'] = 'storage') {
    this.host = new Host<Event, string, string>({
      identity: { cluster: 'test', clusterMark: MARK, role, name: 'n', boot: bootOf(0) },
      build: (boot) => {
        this.lives.push(boot);
        return new Scripted(this, boot);
      },
      transport: {
        payloadBytesMax: 1024 * 1024,
        listen: (listener) => {
          this.listener = listener;
        },
        send: (subject, bytes, token) => {
          const { header, messages } = decodeFrame(bytes);
          this.frames.push({ subject, header, messages, bytes: bytes.length, token });
          this.log.push(`send ${messages.map(({ kind }) => kind).join()} to ${subject}`);
        },
      },
      clock: { now: () => ({ monoMs: this.nowMs, wallMs: 5 }) },
      scheduler: {
        defer: (run) => this.deferred.push(run),
        alarm: (ms, run) => {
          this.alarmed = { atMs: this.nowMs + ms, run };
        },
      },
      transaction: {
        begin: () => this.log.push('begin'),
        commit: () => {
          this.commits();
          this.log.push('commit');
        },
        rollback: () => this.log.push('rollback'),
      },
      respond: (id, answer) => this.log.push(`respond ${id} ${answer}`),
      notice: (notice) => {
        this.notices.push(notice);
        this.log.push(`notice ${notice.event}`);
      },
      newBoot: () => bootOf(this.lives.length),
      isFatal: (error) => this.isFatal(error),
      fatal: (error) => this.log.push(`fatal ${String(error)}`),
      dropped: (event) => this.log.push(`dropped ${event.kind}`),
      discarded: () => this.log.push('discarded'),
      ...options,
    });
  }

  get bus(): TransportListener {
    return must(this.listener, 'the host listens');
  }

  /** Everything that was put off until now, and nothing that it puts off in turn. */
  defer(): void {
    for (const run of this.deferred.splice(0)) run();
  }

  /** Until nothing is left to do now. */
  settle(): void {
    for (let i = 0; this.deferred.length > 0; i++) {
      must(i < 10_000 ? i : undefined, 'the host comes to rest');
      this.defer();
    }
  }

  /** Time passes, and alarms go off. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (let { alarmed } = this; alarmed !== undefined && alarmed.atMs <= untilMs; { alarmed } = this) {
      this.alarmed = undefined;
      this.nowMs = alarmed.atMs;
      alarmed.run();
      this.settle();
    }
    this.nowMs = untilMs;
  }

  /** A frame that has not been here before. */
  arrive(...messages: readonly Message[]): void {
    this.bus.frame(frameOf({ ...PEER, number: ++this.arrived }, ...messages));
  }

  /** Lets the start pass and forgets it. */
  started(): this {
    this.settle();
    this.forget();
    return this;
  }

  forget(): void {
    this.log.length = 0;
    this.frames.length = 0;
    this.notices.length = 0;
  }

  events(): readonly string[] {
    return this.notices.map(({ event }) => event);
  }
}

export class Scripted implements Machine<Event, Effect> {
  mutations = 0;
  readonly boot: string;
  private readonly rig: Rig;

  constructor(rig: Rig, boot: string) {
    this.rig = rig;
    this.boot = boot;
  }

  handle(event: Event, now: Now): readonly Effect[] {
    this.rig.log.push(`handle ${nameOf(event)}`);
    return this.rig.script(event, this, now);
  }
}

function nameOf(event: Event): string {
  if (event.kind === 'message') return event.message.kind;
  if (event.kind === 'timer') return `timer ${event.timer}`;
  if (event.kind === 'bus') return `bus ${event.up ? 'up' : 'down'}`;
  return event.kind === 'asked' ? `asked ${event.id}` : event.kind;
}

export function bootOf(life: number): string {
  return `boot-${String(life).padStart(6, '0')}`;
}

export const echo = (id: number): Message => ({ kind: 'echo', id, sentMs: 0 });
export const read = (id: number): Message => ({
  kind: 'read',
  id,
  deadlineMs: 0,
  key: Uint8Array.of(1),
  want: 'state',
});
export const merge = (id: number, bytes = 0): MessageOf<'merge'> => ({
  kind: 'merge',
  id,
  deadlineMs: 0,
  key: Uint8Array.of(1),
  owedSlots: 0,
  sole: [],
  heals: false,
  requires: [],
  state: new Uint8Array(bytes),
});
export const toP: { readonly role: 'coordinator'; readonly name: string } = {
  role: 'coordinator',
  name: 'p',
};
