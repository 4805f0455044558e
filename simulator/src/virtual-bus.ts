import { must } from '@circlet/shared/assert.ts';
import type { Transport, TransportListener } from '@circlet/shared/host/ports.ts';
import type { Role } from '@circlet/shared/machine.ts';
import type { Prng } from '@circlet/shared/prng.ts';
import { PAYLOAD_BYTES_MAX } from '@circlet/shared/protocol/limits.ts';
import { listenSubjects } from '@circlet/shared/protocol/subjects.ts';
import type { Process } from './process.ts';
import { type Frame, frameOf, type Match, Tap, type TapAction } from './tap.ts';
import type { VirtualTime } from './virtual-time.ts';

/** A pod's connection to the bus, for one life of it. */
interface Endpoint {
  readonly id: string;
  readonly process: Process;
  readonly subjects: readonly string[];
  listener: TransportListener | undefined;
  /** Whether the server has its subscriptions. */
  subscribed: boolean;
}

/** What may happen to any frame on its second hop. Shares are in [0, 1]. */
export interface Weather {
  readonly loss: number;
  readonly duplicate: number;
  /** Of frames that come up to `delayMs` late, and so out of order. */
  readonly delay: number;
  readonly delayMs: number;
}

const FAIR: Weather = { loss: 0, duplicate: 0, delay: 0, delayMs: 0 };
/** Of every so many frames one is kept for a replay, and so many of them at the most. */
const ARCHIVE_EVERY = 16;
const ARCHIVE_FRAMES = 256;

/**
 * A bus with a server in the middle, as NATS has: a frame takes one hop to the server, which looks who listens at that
 * moment, and one hop on. Frames of one sender to one receiver stay in order unless a tap or the weather says otherwise;
 * what is under way to a pod that dies is lost without a word; what finds nobody comes back as `undelivered`.
 */
export class VirtualBus {
  /** Milliseconds of one hop. */
  hopMs: () => number;
  weather: Weather = FAIR;
  /** Told of everything that reaches a pod, before the pod. */
  onDelivery: (frame: Frame) => void = () => undefined;
  /** Old frames are remembered, for `replay`. */
  keepsFrames = false;
  private readonly time: VirtualTime;
  private readonly prng: Prng;
  private readonly cluster: string;
  private readonly endpoints = new Map<string, Endpoint>();
  /** Who listens to what, as the server knows it: most frames go to one subject of one pod. */
  private readonly listeners = new Map<string, Endpoint[]>();
  private readonly cuts = new Set<string>();
  /** Frames kept on links that are clogged. */
  private readonly clogs = new Map<string, Frame[]>();
  private taps: Tap[] = [];
  /** When the last frame on each hop arrives: the next one cannot overtake it. */
  private readonly lastArrival = new Map<string, number>();
  private frozen: (() => void)[] | undefined;
  /** Grows when the server dies: what was under way in it is gone. */
  private life = 0;
  private isServerDead = false;
  private archive: Frame[] = [];
  private framesSeen = 0;

  constructor(time: VirtualTime, prng: Prng, cluster: string) {
    this.time = time;
    this.prng = prng;
    this.cluster = cluster;
    this.hopMs = () => 0.1 + prng.next() * 0.4;
  }

  connect(id: string, role: Role, name: string, process: Process): Transport {
    const subjects = listenSubjects(this.cluster, role, name);
    const before = this.endpoints.get(id);
    const endpoint: Endpoint = { id, process, subjects, listener: undefined, subscribed: false };
    this.endpoints.set(id, endpoint);
    for (const subject of subjects) {
      const others = (this.listeners.get(subject) ?? []).filter((other) => other !== before);
      this.listeners.set(subject, [...others, endpoint]);
    }
    return {
      payloadBytesMax: PAYLOAD_BYTES_MAX,
      listen: (listener) => {
        endpoint.listener = listener;
        if (!this.isServerDead) this.plug(id);
      },
      send: (subject, bytes, token) => {
        if (!endpoint.subscribed || process.isDead) return;
        const { life } = this;
        this.hop(id, () => this.atServer(life, () => this.route(endpoint, subject, bytes, token)));
      },
    };
  }

  /** The connection is gone: the server drops the subscriptions, and what the pod sends is lost. */
  unplug(id: string): void {
    const endpoint = this.endpoints.get(id);
    if (endpoint === undefined) return;
    endpoint.subscribed = false;
    endpoint.process.run(() => endpoint.listener?.connected(false));
  }

  plug(id: string): void {
    const endpoint = must(this.endpoints.get(id), `${id} is on the bus`);
    if (this.isServerDead) return;
    this.hop(id, () => {
      endpoint.subscribed = !endpoint.process.isDead && !this.isServerDead;
      if (!endpoint.subscribed) return;
      this.hop(`>${id}`, () => endpoint.process.run(() => endpoint.listener?.connected(endpoint.subscribed)));
    });
  }

  isPlugged(id: string): boolean {
    return this.endpoints.get(id)?.subscribed === true;
  }

  /** Frames from one to the other vanish; the sender learns nothing. */
  cutOneWay(from: string, to: string): void {
    this.cuts.add(`${from}>${to}`);
  }

  heal(): void {
    this.cuts.clear();
  }

  mend(from: string, to: string): void {
    this.cuts.delete(`${from}>${to}`);
  }

  /** Frames on the link are kept until `unclog`. */
  clog(from: string, to: string): void {
    const link = `${from}>${to}`;
    if (!this.clogs.has(link)) this.clogs.set(link, []);
  }

  unclog(from: string, to: string): void {
    const link = `${from}>${to}`;
    const kept = this.clogs.get(link) ?? [];
    this.clogs.delete(link);
    for (const frame of kept) this.forward(frame, 0);
  }

  /** The server stops, with all that is under way in it. */
  freeze(): void {
    this.frozen ??= [];
  }

  thaw(): void {
    const held = this.frozen ?? [];
    this.frozen = undefined;
    for (const work of held) work();
  }

  /** The server is gone: every connection breaks, and what it held is lost. */
  die(): void {
    this.life++;
    this.isServerDead = true;
    if (this.frozen !== undefined) this.frozen = [];
    for (const id of this.endpoints.keys()) this.unplug(id);
  }

  /** It is back; pods reconnect one by one, within a few tenths of a second. */
  revive(reconnects: (id: string) => boolean): void {
    this.isServerDead = false;
    for (const [id, { process }] of this.endpoints) {
      this.time.after(100 + this.prng.next() * 300, () => {
        if (!process.isDead && reconnects(id)) this.plug(id);
      });
    }
  }

  /** So many frames of the past, whatever their age, to whoever has the receiver's place now. */
  replay(frames: number): number {
    const { archive } = this;
    for (let i = 0; i < frames && archive.length > 0; i++) {
      this.forward(must(archive[this.prng.u32() % archive.length], 'a frame of the archive'), 0);
    }
    return Math.min(frames, archive.length);
  }

  tap(match: Match, action: TapAction): Tap {
    const tap = new Tap(match, action, {
      forward: (frame, afterMs) => this.forward(frame, afterMs),
      stop: () => {
        this.taps = this.taps.filter((other) => other !== tap);
      },
    });
    this.taps.push(tap);
    return tap;
  }

  /** When the last frame from one pod arrived at the other, or will. */
  lastArrivalMs(from: string, to: string): number {
    const link = `${from}>${to}`;
    return Math.max(this.lastArrival.get(link) ?? 0, this.lastArrival.get(`late ${link}`) ?? 0);
  }

  private atServer(life: number, work: () => void): void {
    if (life !== this.life) return;
    if (this.frozen === undefined) work();
    else this.frozen.push(work);
  }

  private route(from: Endpoint, subject: string, bytes: Uint8Array, token: number): void {
    let heard = false;
    for (const to of this.listeners.get(subject) ?? []) {
      if (!to.subscribed) continue;
      heard = true;
      if (this.cuts.size > 0 && this.cuts.has(`${from.id}>${to.id}`)) continue;
      const frame = frameOf(from.id, to.id, bytes);
      if (this.taps.length === 0 || this.taps.every((tap) => tap.lets(frame))) this.carry(frame);
    }
    if (heard) return;
    this.hop(`>${from.id}`, () => from.process.run(() => from.listener?.undelivered(token)));
  }

  /** A frame meets the weather. */
  private carry(frame: Frame): void {
    if (this.keepsFrames) this.keep(frame);
    if (this.clogs.size > 0) {
      const kept = this.clogs.get(`${frame.from}>${frame.to}`);
      if (kept !== undefined) {
        kept.push(frame);
        return;
      }
    }
    const { loss, duplicate, delay, delayMs } = this.weather;
    const { prng } = this;
    if (loss > 0 && prng.next() < loss) return;
    if (duplicate > 0 && prng.next() < duplicate) this.forward(frame, prng.next() * delayMs);
    this.forward(frame, delay > 0 && prng.next() < delay ? prng.next() * delayMs : 0);
  }

  /** A sample of all frames so far, each as likely as any other (Vitter's algorithm R): half of them are from the first half of the run. */
  private keep(frame: Frame): void {
    if (this.framesSeen++ % ARCHIVE_EVERY !== 0) return;
    if (this.archive.length < ARCHIVE_FRAMES) {
      this.archive.push(frame);
      return;
    }
    const at = this.prng.u32() % Math.ceil(this.framesSeen / ARCHIVE_EVERY);
    if (at < ARCHIVE_FRAMES) this.archive[at] = frame;
  }

  /** The second hop, to whoever has the receiver's place when it begins. A frame that is delayed is overtaken. */
  forward(frame: Frame, delayMs: number): void {
    if (delayMs > 0) {
      this.time.after(delayMs, () => this.deliver(frame, `late ${frame.from}>${frame.to}`));
    } else {
      this.deliver(frame, `${frame.from}>${frame.to}`);
    }
  }

  private deliver(frame: Frame, link: string): void {
    const endpoint = this.endpoints.get(frame.to);
    if (endpoint === undefined) return;
    this.hop(link, () =>
      endpoint.process.run(() => {
        if (!endpoint.subscribed) return;
        this.onDelivery(frame);
        endpoint.listener?.frame(frame.bytes);
      }),
    );
  }

  private hop(link: string, arrive: () => void): void {
    const atMs = Math.max(this.time.nowMs + this.hopMs(), this.lastArrival.get(link) ?? 0);
    this.lastArrival.set(link, atMs);
    this.time.at(atMs, arrive);
  }
}
