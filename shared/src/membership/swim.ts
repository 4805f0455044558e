import { unreachable } from '../assert.ts';
import { Awareness } from './awareness.ts';
import { type SwimConfig, swimConfig } from './config.ts';
import type { SwimEffect, SwimMessage, SwimNotice, SwimTimer } from './contract.ts';
import { Dissemination, transmitLimit } from './dissemination.ts';
import {
  INCARNATION_JUMP_MAX,
  isIncarnation,
  type Liveness,
  type MemberUpdate,
  refutation,
} from './member.ts';
import { Peer } from './peer.ts';
import { Probe } from './probe.ts';
import { type Relay, Relays } from './relays.ts';
import { drawn, Rotation } from './rotation.ts';
import { suspicionTimeoutMs } from './suspicion.ts';

export interface SwimOptions {
  readonly self: string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly config?: Partial<SwimConfig>;
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** A message before the envelope that every one gets. */
type Body = DistributiveOmit<SwimMessage, 'incarnation' | 'updates'>;

/**
 * SWIM with suspicion (Das, Gupta, Motivala 2002, 4.2) and Lifeguard (Dadgar et al. 2018) for a roster that is given.
 *
 *                     own probe failed, or hearsay of suspect | down
 *           alive  --------------------------------------------------->  suspect
 *             ^  ^______________ higher incarnation ____________________/   |
 *             |                                                             | own probe failed, and no sign
 *             |                                                             v of life for the timeout
 *             +----------------- higher incarnation ---------------------  down
 *
 * Three rules keep liars and sick nodes harmless:
 * - nobody is `down` here unless our own probe of it failed, directly and through helpers, and then neither a later probe
 *   nor a refutation reached us for the suspicion timeout;
 * - an accusation is never relayed: a node accuses only whom its own probe missed, so accusers are independent;
 * - who is accused learns it from everyone who believes it, in each message to it, and refutes.
 *
 * Dead members stay in the rotation, so two halves of a healed partition find each other. Every pair of members talks
 * directly once in a while and each says what it thinks of the other: lost gossip delays agreement, never prevents it.
 * `nowMs` is monotonic. Methods return effects in the order they are to be performed, and never throw.
 */
export class Swim {
  private readonly self: string;
  private readonly random: () => number;
  private readonly config: SwimConfig;
  private readonly awareness: Awareness;
  private readonly rotation: Rotation;
  private readonly news = new Dissemination();
  private readonly relays = new Relays();
  /** The roster without ourselves, sorted by name. */
  private peers: ReadonlyMap<string, Peer> = new Map();
  private isMember = false;
  private incarnation = 0;
  /** Names probes, relays and timers; starts at random so that acks to an earlier life of this node match nothing. */
  private lastNumber: number;
  /** The probe that was neither answered nor given up. */
  private probe: Probe | undefined;
  private period: number | undefined;
  private periodIsEarly = false;
  private effects: SwimEffect[] = [];

  constructor(options: SwimOptions) {
    this.self = options.self;
    this.random = options.random;
    this.config = swimConfig(options.config);
    this.awareness = new Awareness(this.config.awarenessMax);
    this.rotation = new Rotation(options.random);
    this.lastNumber = Math.floor(options.random() * 2 ** 32);
  }

  /**
   * Replaces the roster. New names count as alive until a probe says otherwise; those that left are forgotten, their
   * incarnation too. A node outside its own roster neither probes nor is probed.
   */
  setRoster(names: readonly string[]): void {
    const sorted = [...new Set(names)].toSorted();
    const others = sorted.filter((name) => name !== this.self);
    this.isMember = others.length < sorted.length;
    for (const name of this.peers.keys()) if (!others.includes(name)) this.forget(name);
    this.peers = new Map(others.map((name) => [name, this.peers.get(name) ?? this.newPeer(name)]));
    this.rotation.reset(this.isMember ? others : []);
  }

  /** Starts the probe loop, at a random point of the first period so that nodes do not probe in step. */
  start(nowMs: number): SwimEffect[] {
    this.probe = undefined;
    this.period = this.nextNumber();
    const afterMs = this.random() * this.config.probeIntervalMs;
    this.schedule({ kind: 'period', generation: this.period, dueMs: nowMs + afterMs }, nowMs);
    return this.flush();
  }

  receive(from: string, message: SwimMessage, nowMs: number): SwimEffect[] {
    const peer = this.peers.get(from);
    if (peer === undefined) this.notice('outside roster', from, from);
    else if (!isIncarnation(message.incarnation) || !Number.isSafeInteger(message.seq))
      this.notice('malformed', from, from);
    else {
      this.hearItself(peer, message.incarnation);
      this.hearUpdates(from, message.updates, nowMs);
      this.handle(from, message, nowMs);
      this.lookEarly(nowMs);
    }
    return this.flush();
  }

  timer(timer: SwimTimer, nowMs: number): SwimEffect[] {
    if (!this.isCurrent(timer)) return [];
    // A timer this late means that we slept. What we failed to hear meanwhile says nothing about others.
    if (nowMs - timer.dueMs > this.config.probeIntervalMs) this.wakeUp();
    switch (timer.kind) {
      case 'period':
        if (this.probe !== undefined) this.failed(this.probe, nowMs);
        this.beginPeriod(nowMs, false);
        break;
      case 'ackTimeout':
        if (this.probe !== undefined) this.askHelpers(this.probe);
        break;
      case 'relayTimeout':
        this.report(this.relays.expired(timer.origin, timer.generation), false);
        break;
      case 'suspicion':
        this.convict(timer.name);
        break;
    }
    return this.flush();
  }

  /**
   * The bus had nobody listening at `name`. A hint to look now, never a verdict: a subscription made a moment ago
   * looks the same. Names outside the roster and members that are down are ignored.
   */
  unreachable(name: string, nowMs: number): SwimEffect[] {
    const peer = this.peers.get(name);
    if (peer === undefined || peer.status === 'down') return [];
    if (this.probe?.target === name) this.askHelpers(this.probe);
    else this.rotation.hasten(name);
    this.lookEarly(nowMs);
    return this.flush();
  }

  /** Undefined for a name outside the roster. */
  status(name: string): Liveness | undefined {
    if (name === this.self) return this.isMember ? 'alive' : undefined;
    return this.peers.get(name)?.status;
  }

  /** The whole roster sorted by name; ourselves, if we are in it, as alive. */
  members(): readonly MemberUpdate[] {
    const all = [...this.peers.values()].map((peer) => peer.claim);
    if (this.isMember) all.push({ name: this.self, status: 'alive', incarnation: this.incarnation });
    return all.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  // Probing.

  private beginPeriod(nowMs: number, isEarly: boolean): void {
    this.periodIsEarly = isEarly;
    this.probe = undefined;
    this.period = this.nextNumber();
    const periodMs = this.awareness.scale(this.config.probeIntervalMs);
    this.schedule({ kind: 'period', generation: this.period, dueMs: nowMs + periodMs }, nowMs);
    const target = this.rotation.next();
    if (target === undefined) return;
    const seq = this.nextNumber();
    const timeoutMs = this.awareness.scale(this.config.probeTimeoutMs);
    this.probe = new Probe(target, seq);
    this.send(target, { kind: 'ping', seq });
    this.schedule({ kind: 'ackTimeout', generation: seq, dueMs: nowMs + timeoutMs }, nowMs);
  }

  /**
   * Looks at whoever became urgent, if this period's question is settled. Of two periods at most one begins early, so
   * alarms, true or false, no more than double the probing.
   */
  private lookEarly(nowMs: number): void {
    const isIdle = this.period !== undefined && this.probe === undefined && !this.periodIsEarly;
    if (isIdle && this.rotation.hasUrgent) this.beginPeriod(nowMs, true);
  }

  private askHelpers(probe: Probe): void {
    // The dead need no second opinion; a ping per round is enough to see one rise.
    if (probe.isIndirect || this.peers.get(probe.target)?.status === 'down') return;
    const able = [...this.peers.values()].filter(
      ({ name, status }) => status !== 'down' && name !== probe.target,
    );
    const helpers = drawn(able, this.random, this.config.indirectProbes);
    probe.askedHelpers(helpers.map(({ name }) => name));
    const request = { kind: 'pingRequest', seq: probe.seq, target: probe.target } as const;
    for (const helper of helpers) this.send(helper.name, request, probe.target);
  }

  private answered(probe: Probe): void {
    this.probe = undefined;
    this.awareness.add(-1);
    const peer = this.peers.get(probe.target);
    if (peer?.suspicion !== undefined) this.withdraw(peer);
  }

  /** It stays suspect until it refutes, but we accuse it no longer. */
  private withdraw(peer: Peer): void {
    peer.reopenCase();
    this.news.forget(peer.name);
  }

  private failed(probe: Probe, nowMs: number): void {
    const peer = this.peers.get(probe.target);
    if (peer === undefined || peer.status === 'down') return;
    if (probe.isUnheard) this.awareness.add(1);
    if (peer.status === 'alive') peer.adopt('suspect', peer.incarnation);
    if (peer.suspicion === undefined || peer.suspicion.failedAtMs !== undefined) return;
    peer.suspicion.failedAtMs = nowMs;
    this.news.enqueue(peer.claim);
    this.armSuspicion(peer, nowMs);
  }

  /** Starts the clock on a suspect, or shortens it after a confirmation; without a failure of our own there is none. */
  private armSuspicion(peer: Peer, nowMs: number): void {
    const { suspicion } = peer;
    if (suspicion?.failedAtMs === undefined) return;
    const timeoutMs = suspicionTimeoutMs(this.peers.size + 1, suspicion.accusers.size, this.config);
    const generation = this.nextNumber();
    const dueMs = Math.max(nowMs, suspicion.failedAtMs + timeoutMs);
    suspicion.generation = generation;
    this.schedule({ kind: 'suspicion', name: peer.name, generation, dueMs }, nowMs);
  }

  private convict(name: string): void {
    const peer = this.peers.get(name);
    if (peer?.suspicion?.failedAtMs === undefined) return;
    peer.adopt('down', peer.incarnation);
    this.news.enqueue(peer.claim);
  }

  private wakeUp(): void {
    this.awareness.add(1);
    this.probe = undefined;
    for (const peer of this.peers.values()) {
      if (peer.suspicion === undefined) continue;
      this.withdraw(peer);
      this.rotation.hasten(peer.name);
    }
  }

  // Hearing.

  private hearItself(peer: Peer, incarnation: number): void {
    const before = peer.incarnation;
    if (!peer.hearItself(incarnation)) this.notice('version jump refused', peer.name, peer.name);
    if (peer.incarnation > before) this.news.enqueue(peer.claim);
    // It talks, yet we hold it for dead or dying: our ping will tell it so, and its ack will refute.
    else if (peer.status !== 'alive') this.rotation.hasten(peer.name);
  }

  private hearUpdates(from: string, updates: readonly MemberUpdate[], nowMs: number): void {
    const max = this.config.updatesPerMessageMax;
    if (updates.length > max) this.notice('too many updates', from, from);
    for (const update of updates.slice(0, max)) {
      const peer = this.peers.get(update.name);
      if (update.name === this.self) this.hearAboutSelf(from, update);
      else if (peer === undefined) this.notice('outside roster', from, update.name);
      else this.hearAbout(peer, from, update, nowMs);
    }
  }

  private hearAbout(peer: Peer, from: string, update: MemberUpdate, nowMs: number): void {
    const before = peer.status;
    const hearing = peer.hear(from, update);
    switch (hearing) {
      case 'adopted':
        if (peer.status === 'alive') this.news.enqueue(peer.claim);
        // Believe, but look: whatever hearsay changed is looked at next.
        if (peer.status !== before) this.rotation.hasten(peer.name);
        break;
      case 'confirmed':
        this.armSuspicion(peer, nowMs);
        break;
      case 'outdated':
        // The sender missed the refutation. It goes first in what we send next.
        this.news.enqueue(peer.claim);
        break;
      case 'known':
        break;
      default:
        this.notice(hearing, from, peer.name);
    }
  }

  private hearAboutSelf(from: string, update: MemberUpdate): void {
    if (!isIncarnation(update.incarnation)) {
      this.notice('malformed', from, this.self);
      return;
    }
    if (update.incarnation > this.incarnation + INCARNATION_JUMP_MAX)
      this.notice('version jump refused', from, this.self);
    // Needs no gossip of its own: every message we send carries the number, and whoever learns it from us relays it.
    this.incarnation = refutation(this.incarnation, update);
  }

  // Answering.

  private handle(from: string, message: SwimMessage, nowMs: number): void {
    switch (message.kind) {
      case 'ping':
        this.send(from, { kind: 'ack', seq: message.seq });
        break;
      case 'ack':
        if (this.probe?.target === from && this.probe.seq === message.seq) this.answered(this.probe);
        else this.report(this.relays.answered(from, message.seq), true);
        break;
      case 'pingRequest':
        this.relay(from, message.seq, message.target, nowMs);
        break;
      case 'pingReport':
        if (this.probe?.reportedBy(from, message.seq) && message.reached) this.answered(this.probe);
        break;
    }
  }

  private relay(origin: string, originSeq: number, target: string, nowMs: number): void {
    if (!this.peers.has(target)) {
      this.notice('outside roster', origin, target);
      return;
    }
    const seq = this.nextNumber();
    this.relays.open({ origin, originSeq, target, seq });
    this.send(target, { kind: 'ping', seq });
    const dueMs = nowMs + this.config.probeTimeoutMs;
    this.schedule({ kind: 'relayTimeout', origin, generation: seq, dueMs }, nowMs);
  }

  private report(relay: Relay | undefined, reached: boolean): void {
    if (relay !== undefined) this.send(relay.origin, { kind: 'pingReport', seq: relay.originSeq, reached });
  }

  /** Sends with piggybacked news; what we think ill of the receiver, and of `subject`, always rides along (buddy system). */
  private send(to: string, body: Body, subject: string = to): void {
    const accused: MemberUpdate[] = [];
    for (const name of new Set([to, subject])) {
      const peer = this.peers.get(name);
      if (peer !== undefined && peer.status !== 'alive') accused.push(peer.claim);
    }
    const room = this.config.updatesPerMessageMax - accused.length;
    const limit = transmitLimit(this.peers.size + 1, this.config.transmitMultiplier);
    const told = accused.map(({ name }) => name);
    const updates = [...accused, ...this.news.take(room, limit, told)];
    const message = { ...body, incarnation: this.incarnation, updates };
    this.effects.push({ kind: 'send', to, message });
  }

  // Bookkeeping.

  private newPeer(name: string): Peer {
    return new Peer(name, (changed, status) => this.effects.push({ kind: 'changed', name: changed, status }));
  }

  private forget(name: string): void {
    this.news.forget(name);
    this.relays.forget(name);
    if (this.probe?.target === name) this.probe = undefined;
  }

  private isCurrent(timer: SwimTimer): boolean {
    switch (timer.kind) {
      case 'period':
        return timer.generation === this.period;
      case 'ackTimeout':
        return timer.generation === this.probe?.seq;
      case 'relayTimeout':
        return this.relays.has(timer.origin, timer.generation);
      case 'suspicion':
        return timer.generation === this.peers.get(timer.name)?.suspicion?.generation;
      default:
        return unreachable(timer);
    }
  }

  private schedule(timer: SwimTimer, nowMs: number): void {
    this.effects.push({ kind: 'schedule', timer, afterMs: timer.dueMs - nowMs });
  }

  private notice(notice: SwimNotice, from: string, about: string): void {
    this.effects.push({ kind: 'notice', notice, from, about });
  }

  private nextNumber(): number {
    this.lastNumber += 1;
    return this.lastNumber;
  }

  private flush(): SwimEffect[] {
    const { effects } = this;
    this.effects = [];
    return effects;
  }
}
