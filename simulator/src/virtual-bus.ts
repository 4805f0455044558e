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

/**
 * A bus with a server in the middle, as NATS has: a frame takes one hop to the server, which looks who listens at that
 * moment, and one hop on. Frames of one sender to one receiver stay in order unless a tap says otherwise; what is under
 * way to a pod that dies is lost without a word; what finds nobody comes back as `undelivered`.
 */
export class VirtualBus {
  /** Milliseconds of one hop. */
  hopMs: () => number;
  /** Told of everything that reaches a pod, before the pod. */
  onDelivery: (frame: Frame) => void = () => undefined;
  private readonly time: VirtualTime;
  private readonly cluster: string;
  private readonly endpoints = new Map<string, Endpoint>();
  private readonly cuts = new Set<string>();
  private taps: Tap[] = [];
  /** When the last frame on each hop arrives: the next one cannot overtake it. */
  private readonly lastArrival = new Map<string, number>();
  private frozen: (() => void)[] | undefined;

  constructor(time: VirtualTime, prng: Prng, cluster: string) {
    this.time = time;
    this.cluster = cluster;
    this.hopMs = () => 0.1 + prng.next() * 0.4;
  }

  connect(id: string, role: Role, name: string, process: Process): Transport {
    const subjects = listenSubjects(this.cluster, role, name);
    const endpoint: Endpoint = { id, process, subjects, listener: undefined, subscribed: false };
    this.endpoints.set(id, endpoint);
    return {
      payloadBytesMax: PAYLOAD_BYTES_MAX,
      listen: (listener) => {
        endpoint.listener = listener;
        this.plug(id);
      },
      send: (subject, bytes, token) => {
        if (!endpoint.subscribed || process.isDead) return;
        this.hop(id, () => this.atServer(() => this.route(endpoint, subject, bytes, token)));
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
    this.hop(id, () => {
      endpoint.subscribed = !endpoint.process.isDead;
      this.hop(`>${id}`, () => endpoint.process.run(() => endpoint.listener?.connected(true)));
    });
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

  /** The server stops, with all that is under way in it. */
  freeze(): void {
    this.frozen ??= [];
  }

  thaw(): void {
    const held = this.frozen ?? [];
    this.frozen = undefined;
    for (const work of held) work();
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

  private atServer(work: () => void): void {
    if (this.frozen === undefined) work();
    else this.frozen.push(work);
  }

  private route(from: Endpoint, subject: string, bytes: Uint8Array, token: number): void {
    const receivers = [...this.endpoints.values()].filter(
      (to) => to.subscribed && to.subjects.includes(subject),
    );
    if (receivers.length === 0) {
      this.hop(`>${from.id}`, () => from.process.run(() => from.listener?.undelivered(token)));
    }
    for (const { id } of receivers) {
      if (this.cuts.has(`${from.id}>${id}`)) continue;
      const frame = frameOf(from.id, id, bytes);
      if (this.taps.every((tap) => tap.lets(frame))) this.forward(frame, 0);
    }
  }

  /** The second hop, to whoever has the receiver's place when it begins. A frame that is delayed is overtaken. */
  private forward(frame: Frame, delayMs: number): void {
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
