import type { Address } from '@circlet/shared/machine.ts';
import type { Echoed } from '@circlet/shared/protocol/echo.ts';
import { CLOCK_ERROR_MS } from '@circlet/shared/protocol/limits.ts';
import { ClockOffset } from './clock-offset.ts';
import { Latencies } from './latency.ts';

/**
 * What this coordinator knows of one storage pod, from its own exchanges with it: reachability is judged by who must
 * reach it. Signals, fastest first: the bus finds no subscriber (milliseconds), a request goes unanswered, echoes stop.
 * None of them means "dead": each means "use another one now", until the pod is heard again.
 */
export class NodeView {
  readonly name: string;
  readonly reads = new Latencies();
  readonly writes = new Latencies();
  readonly clock = new ClockOffset();
  /** The process we talk to; undefined until it was heard, or after it was replaced. */
  boot: string | undefined;
  pulse: Echoed | undefined;
  heardMs = Number.NEGATIVE_INFINITY;
  echoSentMs = Number.NEGATIVE_INFINITY;
  /** The bus said that nobody listens there: true within milliseconds of a crash, wrong just after a start. */
  private missing = false;
  /** A request went unanswered, with nothing heard since. */
  private silent = false;
  /** When the first of the requests was sent that were given up since it was heard. */
  private unansweredMs = Number.POSITIVE_INFINITY;

  constructor(name: string) {
    this.name = name;
  }

  get address(): Address {
    return { role: 'storage', name: this.name, boot: this.boot };
  }

  /** Whether to send it work: known, in step with our clock, ready, heard lately, and not just found missing. */
  isUsable(nowMs: number): boolean {
    return this.isReachable(nowMs) && this.pulse?.ready === true;
  }

  isReachable(nowMs: number): boolean {
    return (
      !this.missing &&
      !this.silent &&
      this.boot !== undefined &&
      this.clock.best !== undefined &&
      nowMs - this.heardMs < SILENCE_MS
    );
  }

  isWritable(nowMs: number): boolean {
    return this.isUsable(nowMs) && this.pulse?.writable === true;
  }

  /** Whether a last resort may ask it: a pod that was only reported missing answers, or is missing again, at once. */
  isWorthAsking(nowMs: number): boolean {
    return (
      this.boot !== undefined && this.clock.best !== undefined && (this.missing || this.isReachable(nowMs))
    );
  }

  get isMissing(): boolean {
    return this.missing;
  }

  /** Skip it until an echo comes back. */
  undelivered(): void {
    this.missing = true;
  }

  /**
   * A request sent at `sentMs` was given up. That a client with a short timeout does not wait says nothing to the others: a
   * pod that is only slower than that must not look dead to them. One that has left requests unanswered for longer does,
   * however short each was waited for.
   */
  unanswered(sentMs: number, nowMs: number): void {
    if (this.heardMs >= sentMs) return;
    this.unansweredMs = Math.min(this.unansweredMs, sentMs);
    if (nowMs - this.unansweredMs >= UNANSWERED_MS) this.silent = true;
  }

  heard(boot: string, nowMs: number): void {
    this.heardMs = nowMs;
    this.silent = false;
    this.unansweredMs = Number.POSITIVE_INFINITY;
    if (boot === this.boot) return;
    // A new process has a new clock, and nothing that was sent to the old one will be done.
    this.boot = boot;
    this.clock.forget();
    this.pulse = undefined;
  }

  /** True when its clock jumped. */
  echoed(pulse: Echoed, nowMs: number): boolean {
    this.pulse = pulse;
    this.missing = false;
    this.silent = false;
    return this.clock.add(pulse.sentMs, pulse.monoMs, nowMs);
  }

  /** A moment of ours in its clock, late by the error rather than early: in doubt the work is done. */
  inItsClock(ms: number): number {
    const best = this.clock.best;
    if (best === undefined) return 0;
    return Math.max(0, Math.ceil(ms + best.offsetMs + best.errorMs));
  }

  /** Whether deadlines reach it late by less than what receivers allow for. */
  get isInStep(): boolean {
    const best = this.clock.best;
    return best !== undefined && 2 * best.errorMs < CLOCK_ERROR_MS;
  }

  echoDue(nowMs: number): boolean {
    const every = this.isReachable(nowMs) && this.pulse?.ready === true ? ECHO_MS : ECHO_RETRY_MS;
    return nowMs - this.echoSentMs >= every - 1;
  }
}

/** The pulse of the cluster: cheap enough to be idle, quick enough that a hung pod is noticed within three. */
const ECHO_MS = 1_000;
/** A pod that is missing is asked more often, so that it serves again soon after it is back. */
export const ECHO_RETRY_MS = 200;
const SILENCE_MS = 2_500;
/** A quarter of the shortest timeout that programs use; round trips in one region take a few milliseconds. */
const UNANSWERED_MS = 250;
