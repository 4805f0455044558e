import { must } from '../assert.ts';
import { TimerQueue } from '../host/timer-queue.ts';
import { Prng } from '../prng.ts';
import type { SwimConfig } from './config.ts';
import type { SwimEffect, SwimMessage, SwimNotice, SwimTimer } from './contract.ts';
import type { Liveness } from './member.ts';
import { Swim } from './swim.ts';

export interface VirtualClusterOptions {
  readonly size: number;
  readonly seed: number;
  readonly config?: Partial<SwimConfig>;
  /** The bus tells a sender at once that nobody listens. */
  readonly busHints?: boolean;
}

interface Node {
  readonly name: string;
  /** Clocks are monotonic but not comparable. */
  readonly clockOffsetMs: number;
  swim: Swim;
  boot: number;
  state: 'running' | 'paused' | 'crashed';
  backlog: Event[];
}

type Event = { readonly to: string } & (
  | { readonly kind: 'message'; readonly from: string; readonly message: SwimMessage }
  | { readonly kind: 'timer'; readonly timer: SwimTimer; readonly boot: number }
  | { readonly kind: 'unreachable'; readonly name: string }
);

/** Real machines on a simulated bus: delays 1-20 ms, loss, cuts, crashes, pauses; everything follows from the seed. */
export class VirtualCluster {
  readonly names: readonly string[];
  /** Probability that a message vanishes. */
  loss = 0;
  /** One-way cuts, as `from>to`. */
  readonly cuts = new Set<string>();
  readonly changes: { atMs: number; observer: string; name: string; status: Liveness }[] = [];
  readonly notices: { observer: string; notice: SwimNotice; from: string; about: string }[] = [];
  readonly sent = new Map<string, number>();
  largestMessage = 0;
  nowMs = 0;
  private readonly nodes = new Map<string, Node>();
  private readonly queue = new TimerQueue<Event>();
  private readonly prng: Prng;
  private readonly options: VirtualClusterOptions;

  constructor(options: VirtualClusterOptions) {
    this.options = options;
    this.prng = new Prng(options.seed);
    this.names = Array.from({ length: options.size }, (_, i) => `node-${String(i).padStart(2, '0')}`);
    for (const name of this.names) {
      const clockOffsetMs = Math.floor(this.prng.next() * 1e6);
      this.nodes.set(name, {
        name,
        clockOffsetMs,
        swim: this.build(name),
        boot: 0,
        state: 'running',
        backlog: [],
      });
      this.start(name);
    }
  }

  get size(): number {
    return this.names.length;
  }

  swim(name: string): Swim {
    return this.node(name).swim;
  }

  name(index: number): string {
    return must(this.names[index], `no node ${index}`);
  }

  runFor(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (let due = this.queue.nextMs; due !== undefined && due <= untilMs; due = this.queue.nextMs) {
      this.nowMs = due;
      const event = this.queue.pop(due);
      if (event !== undefined) this.deliver(event);
    }
    this.nowMs = untilMs;
  }

  /** Runs until `done`, looking every 10 ms; the milliseconds it took, or undefined if `limitMs` was not enough. */
  runUntil(done: () => boolean, limitMs: number): number | undefined {
    for (const startMs = this.nowMs; this.nowMs - startMs <= limitMs; this.runFor(10))
      if (done()) return this.nowMs - startMs;
    return undefined;
  }

  crash(name: string): void {
    Object.assign(this.node(name), { state: 'crashed', backlog: [] });
  }

  /** A new process under the old name: it remembers nothing. */
  restart(name: string): void {
    const node = this.node(name);
    Object.assign(node, { swim: this.build(name), boot: node.boot + 1, state: 'running', backlog: [] });
    this.start(name);
  }

  pause(name: string): void {
    this.node(name).state = 'paused';
  }

  /** Everything that came meanwhile is handled now, late timers included; or only those, if the bus gave up on it. */
  resume(name: string, mail: 'kept' | 'lost'): void {
    const node = this.node(name);
    const { backlog } = node;
    Object.assign(node, { state: 'running', backlog: [] });
    for (const event of backlog) if (mail === 'kept' || event.kind === 'timer') this.deliver(event);
  }

  cutBothWays(a: string, b: string): void {
    this.cuts.add(`${a}>${b}`).add(`${b}>${a}`);
  }

  /** Hands over a message that no machine wrote. */
  forge(from: string, to: string, message: SwimMessage): void {
    this.deliver({ kind: 'message', from, to, message });
  }

  /** Whether every running node sees all of `names` as `status`. */
  agree(names: readonly string[], status: Liveness): boolean {
    return [...this.nodes.values()].every(
      (node) => node.state !== 'running' || names.every((name) => node.swim.status(name) === status),
    );
  }

  statuses(observer: string): (Liveness | undefined)[] {
    return this.names.map((name) => this.swim(observer).status(name));
  }

  totalSent(): number {
    return [...this.sent.values()].reduce((sum, count) => sum + count, 0);
  }

  private node(name: string): Node {
    return must(this.nodes.get(name), `no node ${name}`);
  }

  private build(name: string): Swim {
    const random = new Prng(this.prng.u32()).next;
    const swim = new Swim({ self: name, random, config: this.options.config ?? {} });
    swim.setRoster(this.names);
    return swim;
  }

  private start(name: string): void {
    const node = this.node(name);
    this.perform(node, node.swim.start(this.nowMs + node.clockOffsetMs));
  }

  private deliver(event: Event): void {
    const node = this.node(event.to);
    if (node.state === 'paused') node.backlog.push(event);
    if (node.state !== 'running' || (event.kind === 'timer' && event.boot !== node.boot)) return;
    const localMs = this.nowMs + node.clockOffsetMs;
    const { swim } = node;
    if (event.kind === 'message') this.perform(node, swim.receive(event.from, event.message, localMs));
    else if (event.kind === 'timer') this.perform(node, swim.timer(event.timer, localMs));
    else this.perform(node, swim.unreachable(event.name, localMs));
  }

  private perform(node: Node, effects: readonly SwimEffect[]): void {
    const { name, boot } = node;
    for (const effect of effects) {
      if (effect.kind === 'send') this.transmit(name, effect.to, effect.message);
      else if (effect.kind === 'schedule')
        this.queue.push(this.nowMs + effect.afterMs, { kind: 'timer', to: name, timer: effect.timer, boot });
      else if (effect.kind === 'changed')
        this.changes.push({ atMs: this.nowMs, observer: name, name: effect.name, status: effect.status });
      else
        this.notices.push({ observer: name, notice: effect.notice, from: effect.from, about: effect.about });
    }
  }

  private transmit(from: string, to: string, message: SwimMessage): void {
    this.sent.set(from, (this.sent.get(from) ?? 0) + 1);
    this.largestMessage = Math.max(this.largestMessage, message.updates.length);
    const delayMs = 1 + this.prng.next() * 19;
    if (this.options.busHints === true && this.node(to).state === 'crashed')
      this.queue.push(this.nowMs + 2, { kind: 'unreachable', to: from, name: to });
    if (this.cuts.has(`${from}>${to}`) || this.prng.next() < this.loss) return;
    this.queue.push(this.nowMs + delayMs, { kind: 'message', from, to, message });
  }
}
