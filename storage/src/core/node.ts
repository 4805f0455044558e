import { assert } from '@circlet/shared/assert.ts';
import { DecodeError, equalBytes } from '@circlet/shared/codec/bytes.ts';
import { EVERY_STORAGE, type Machine, type Now } from '@circlet/shared/machine.ts';
import type { SwimEffect } from '@circlet/shared/membership/contract.ts';
import { Swim } from '@circlet/shared/membership/swim.ts';
import { Prng } from '@circlet/shared/prng.ts';
import { addressOf, type FrameHeader } from '@circlet/shared/protocol/frame.ts';
import type { EpochMessage } from '@circlet/shared/protocol/epoch.ts';
import { CLOCK_ERROR_MS, TIMEOUT_MS_MAX } from '@circlet/shared/protocol/limits.ts';
import {
  isReplicaRequest,
  type Message,
  type MessageOf,
  type ReplicaRequest,
} from '@circlet/shared/protocol/message.ts';
import type { RefusalReason } from '@circlet/shared/protocol/replica.ts';
import type { FoundingConfig } from '@circlet/shared/ring/founding.ts';
import {
  decodeTopology,
  encodeTopology,
  NO_TOPOLOGY,
  Ring,
  type Topology,
} from '@circlet/shared/ring/topology.ts';
import { AntiEntropy, type AntiEntropyOptions, isAntiEntropyMessage } from './anti-entropy/anti-entropy.ts';
import {
  after,
  notice,
  send,
  type StorageEffect,
  type StorageEvent,
  type StorageTimer,
  toPeer,
  type Turn,
} from './effects.ts';
import { Founding, FoundingRefused } from './founding.ts';
import { fromWire, toWire } from './gossip.ts';
import { HintExchange, isHintMessage } from './hint-exchange.ts';
import { HintLedger } from './hint-ledger.ts';
import { isEpochMessage, isSuccessionMessage, Succession } from './membership/succession.ts';
import { refuse, Replicas, type ReplicasOptions } from './replicas.ts';
import type { Store } from './store.ts';

/**
 * The storage pod's machine: replicas, hints, gossip and the way into a cluster.
 *
 *     empty store --all have signed, or somebody has a topology--> member --echo through the bus--> ready
 *
 * Only a ready node answers reads and writes. What must survive a crash is in the store before the effects of a turn
 * are performed; everything else here can be lost and is found again (protocol.md, rule 20).
 */
export interface NodeOptions extends ReplicasOptions, AntiEntropyOptions {
  readonly cluster: string;
  /** Seeds gossip's choices. */
  readonly seed: number;
  /** The configured initial members; undefined for a pod that can only join. */
  readonly founding: FoundingConfig | undefined;
  readonly version: string;
  /** Where this pod stands and how much it is to have, when it is to join. */
  readonly joins: { readonly zone: string; readonly weight: number };
}

const FOUNDING_RETRY_MS = 200;
const HINT_OFFER_MS = 1_000;
const ECHO_RETRY_MS = 100;
/** A survivor of a whole-cluster outage must not wait for peers that are gone. */
const PEER_ECHO_WAIT_MS = 2_000;

export class StorageNode implements Machine<StorageEvent, StorageEffect>, Turn {
  /** Of the event being handled; see `Turn`. */
  now: Now = { monoMs: 0, wallMs: 0 };
  effects: StorageEffect[] = [];
  private changes = 0;
  private readonly options: NodeOptions;
  private readonly store: Store;
  private readonly swim: Swim;
  private readonly replicas: Replicas;
  private readonly exchange: HintExchange;
  private readonly antiEntropy: AntiEntropy;
  private readonly succession: Succession;
  private ring: Ring | undefined;
  private hints: HintLedger | undefined;
  private founding: Founding | undefined;
  private busUp = false;
  /** When our own echo came back through the bus. */
  private echoedAtMs: number | undefined;
  private peerHeard = false;
  /** Two documents of one epoch: stop, whatever the cause (protocol.md, rule 11). */
  private conflicted = false;
  private wasReady = false;

  constructor(options: NodeOptions) {
    this.options = options;
    this.store = options.store;
    const prng = new Prng(options.seed);
    this.swim = new Swim({ self: options.name, random: prng.next });
    this.replicas = new Replicas(options);
    this.exchange = new HintExchange(this.store, this.replicas, Math.floor(prng.next() * 2 ** 40));
    this.antiEntropy = new AntiEntropy(options, this.replicas, prng.next);
    this.succession = new Succession(options, this.replicas);
  }

  handle(event: StorageEvent, now: Now): readonly StorageEffect[] {
    this.now = now;
    this.effects = [];
    switch (event.kind) {
      case 'start':
        this.start();
        break;
      case 'message':
        this.receive(event.from, event.message);
        break;
      case 'timer':
        this.timer(event.timer);
        break;
      case 'undelivered':
        this.changes++;
        if (event.to.role === 'storage') {
          this.gossip(this.swim.unreachable(event.to.name, now.monoMs));
          this.antiEntropy.unreachable(event.to.name);
        }
        break;
      case 'bus':
        this.bus(event.up);
        break;
      case 'stop':
        this.changes++;
        this.antiEntropy.save();
        break;
    }
    return this.effects;
  }

  get mutations(): number {
    return this.changes + this.replicas.mutations;
  }

  /** For the health endpoint and `echoed`. */
  get readiness(): { readonly ready: boolean; readonly checks: Readonly<Record<string, boolean>> } {
    const checks = {
      topology: this.ring !== undefined,
      member: this.isMember,
      bus: this.busUp,
      echo: this.hasEcho,
      consistent: !this.conflicted,
    };
    const { topology, member, bus, echo, consistent } = checks;
    return { ready: topology && member && bus && echo && consistent, checks };
  }

  private get isMember(): boolean {
    return this.ring?.member(this.options.name)?.disk === this.store.disk;
  }

  private get hasEcho(): boolean {
    if (this.echoedAtMs === undefined) return false;
    const alone = this.ring !== undefined && this.ring.topology.members.length === 1;
    return alone || this.peerHeard || this.now.monoMs - this.echoedAtMs >= PEER_ECHO_WAIT_MS;
  }

  // ---- coming up ----

  private start(): void {
    this.changes++;
    const stored = this.store.readMeta('topology');
    if (stored === undefined) {
      this.effects.push({ kind: 'epoch', epoch: 0, topology: NO_TOPOLOGY });
      this.found();
    } else {
      this.actOn(decodeTopology(stored));
    }
    this.effects.push(after(HINT_OFFER_MS, { kind: 'hints' }));
  }

  private found(): void {
    const { founding, clusterKey, name } = this.options;
    if (founding !== undefined && this.founding === undefined) {
      try {
        this.founding = new Founding(this.store, clusterKey, founding, name);
      } catch (error) {
        if (!(error instanceof FoundingRefused)) throw error;
        this.effects.push(notice('alarm', 'founding_refused', { reason: error.message }));
      }
    }
    this.effects.push(after(FOUNDING_RETRY_MS, { kind: 'founding' }));
    this.callForTopology();
  }

  private callForTopology(): void {
    if (!this.busUp) return;
    this.effects.push(send(EVERY_STORAGE, { kind: 'topologyAsk' }));
    if (this.founding === undefined) return;
    for (const other of this.founding.others) {
      this.effects.push(toPeer(other, { kind: 'foundingCall', presence: this.founding.presence }));
    }
    this.concludeFounding();
  }

  private concludeFounding(): void {
    const topology = this.founding?.topology();
    if (topology !== undefined && this.ring === undefined) this.adopt(topology);
  }

  /** Takes a topology for good: in the store with this turn's commit, in frames from then on. */
  private adopt(topology: Topology): void {
    this.store.writeMeta('topology', encodeTopology(topology));
    this.actOn(topology);
  }

  /** Writes nothing: a pod whose disk has no room at all is rebuilt from it and goes on being read (rule 20). */
  private actOn(topology: Topology): void {
    this.changes++;
    const ring = new Ring(topology, this.options.clusterKey);
    this.ring = ring;
    this.founding = undefined;
    this.hints = new HintLedger(this.store, ring);
    const trees = this.antiEntropy.adopt(ring);
    this.replicas.adopt(ring, this.hints, {
      changed: (at, was, is) => trees.changed(at, was, is),
      replaced: (at) => {
        trees.replaced(at);
        this.antiEntropy.replaced(at.prefix);
      },
      suspect: (at, { monoMs }) => this.antiEntropy.found(at.prefix, monoMs),
    });
    this.exchange.adopt(this.hints);
    this.succession.adopt(ring, this);
    this.effects.push({ kind: 'epoch', epoch: topology.epoch, topology: ring.digest });
    const { name } = this.options;
    this.effects.push(
      notice('info', 'topology_adopted', { epoch: topology.epoch, members: topology.members.length }),
    );
    if (!this.isMember) {
      // Another disk has our name; or we wait until somebody has us join, or have left.
      const isKnown = ring.member(name) !== undefined;
      const event = isKnown ? 'disk_not_in_topology' : 'not_a_member';
      this.effects.push(notice(isKnown ? 'alarm' : 'warn', event, { epoch: topology.epoch }));
    }
    // Another disk under our name is not us: whoever had it must be seen to be gone.
    const names = topology.members.map((member) => member.name).filter((of) => of !== name || this.isMember);
    this.swim.setRoster(names);
    this.gossip(this.swim.start(this.now.monoMs));
    this.proveReach();
  }

  private bus(up: boolean): void {
    this.changes++;
    this.busUp = up;
    this.echoedAtMs = undefined;
    this.peerHeard = false;
    this.observeReadiness();
    if (!up) return;
    if (this.ring === undefined) this.callForTopology();
    this.proveReach();
  }

  /** An echo to ourselves: what we subscribed to is reachable through the bus, not only connected to it. */
  private proveReach(): void {
    if (!this.busUp || this.ring === undefined) return;
    const self = { role: 'storage' as const, name: this.options.name };
    this.effects.push(send(self, { kind: 'echo', id: 0, sentMs: Math.floor(this.now.monoMs) }));
    this.effects.push(after(ECHO_RETRY_MS, { kind: 'readiness' }));
  }

  private observeReadiness(): void {
    const { ready } = this.readiness;
    if (ready === this.wasReady) return;
    this.wasReady = ready;
    this.effects.push(notice('info', ready ? 'ready' : 'not_ready'));
  }

  private timer(timer: StorageTimer): void {
    this.changes++;
    switch (timer.kind) {
      case 'swim':
        this.gossip(this.swim.timer(timer.timer, this.now.monoMs));
        break;
      case 'founding':
        if (this.ring !== undefined) break;
        this.callForTopology();
        this.effects.push(after(FOUNDING_RETRY_MS, { kind: 'founding' }));
        break;
      case 'readiness':
        if (this.echoedAtMs === undefined) this.proveReach();
        else if (!this.hasEcho) this.effects.push(after(ECHO_RETRY_MS, { kind: 'readiness' }));
        this.observeReadiness();
        break;
      case 'hints':
        if (this.readiness.ready) {
          this.exchange.settleOwn(this, this.options.name);
          const isAlive = (name: string) => this.swim.status(name) === 'alive';
          this.exchange.offerAll(this, isAlive);
          this.antiEntropy.tick(this, isAlive);
        }
        if (!this.conflicted) this.followSuccession();
        this.effects.push(after(HINT_OFFER_MS, { kind: 'hints' }));
        break;
      case 'refill':
        this.succession.goOn(this, timer.id);
        break;
      case 'repair':
        this.antiEntropy.step(this, timer.dueMs);
        break;
    }
  }

  private followSuccession(): void {
    const { hints } = this;
    // What cannot be read any more cannot be handed over either.
    const readable = hints === undefined ? 0 : hints.held - hints.corrupt;
    const held = { held: readable, owesSeconds: hints?.owesSeconds ?? false };
    this.follow(this.succession.tick(this, held, this.status));
  }

  private readonly status = (name: string) => this.swim.status(name);

  private gossip(effects: readonly SwimEffect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'send':
          this.effects.push(toPeer(effect.to, toWire(effect.message)));
          break;
        case 'schedule':
          this.effects.push(after(effect.afterMs, { kind: 'swim', timer: effect.timer }));
          break;
        case 'changed':
          this.effects.push(notice('info', 'member_changed', { member: effect.name, status: effect.status }));
          if (effect.status === 'alive') this.exchange.offer(this, effect.name);
          break;
        case 'notice':
          this.effects.push(notice('warn', 'bad_gossip', { from: effect.from, reason: effect.notice }));
          break;
      }
    }
  }

  // ---- messages ----

  private receive(from: FrameHeader, message: Message): void {
    if (isReplicaRequest(message)) {
      this.replicaRequest(from, message);
      return;
    }
    if (message.kind === 'echo') {
      this.echo(from, message);
      return;
    }
    if (message.kind === 'topologyAsk') {
      this.tellTopology(from);
      return;
    }
    if (message.kind === 'topologyTold' && from.role === 'coordinator') {
      this.changes++;
      this.decoding(from, message.kind, () => this.toldTopology(from, message.document));
      return;
    }
    if (message.kind === 'changeAsk' && from.role === 'coordinator') {
      this.changes++;
      if (this.sameEpoch(from) && !this.conflicted)
        this.follow(this.succession.asked(this, from, message, this.status));
      return;
    }
    // Everything else is between storage pods.
    if (from.role !== 'storage') {
      this.effects.push(notice('warn', 'unexpected_message', { kind: message.kind, from: from.name }));
      return;
    }
    this.changes++;
    if (from.name === this.options.name) {
      // Somebody else answered what this life asked; an answer to an earlier life only comes late.
      const isClone = from.boot !== this.options.boot && from.toBoot === this.options.boot;
      if (isClone) this.effects.push(notice('alarm', 'identity_clone', { name: from.name }));
      if (message.kind !== 'echoed') return;
    }
    this.decoding(from, message.kind, () => this.peerMessage(from, message));
  }

  /** Every handler decodes before it changes anything. */
  private decoding(from: FrameHeader, kind: Message['kind'], handle: () => void): void {
    try {
      handle();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.effects.push(notice('warn', 'bad_message', { kind, from: from.name, reason: error.message }));
    }
  }

  private peerMessage(from: FrameHeader, message: Message): void {
    switch (message.kind) {
      case 'echoed':
        if (from.name !== this.options.name || from.boot !== this.options.boot) return;
        this.echoedAtMs ??= this.now.monoMs;
        this.observeReadiness();
        return;
      case 'foundingCall':
      case 'foundingAnswer':
        this.foundingMessage(from, message);
        return;
      case 'topologyTold':
        this.toldTopology(from, message.document);
        return;
    }
    if (isEpochMessage(message)) {
      this.vote(from, message);
      return;
    }
    if (!this.sameEpoch(from)) return;
    this.peerHeard = true;
    this.observeReadiness();
    if (message.kind === 'swim') {
      if (!this.isMember) return;
      const inner = fromWire(message);
      if (inner !== undefined) this.gossip(this.swim.receive(from.name, inner, this.now.monoMs));
    } else if (isHintMessage(message)) {
      // What a disk outside the topology covers is worth nothing to the slot (rules 6 and 11).
      if (message.kind === 'hintOffer' && !(this.isMember && this.ring?.member(from.name) !== undefined))
        return;
      this.exchange.receive(this, from.name, message);
    } else if (isSuccessionMessage(message)) {
      if (!this.conflicted) this.follow(this.succession.receive(this, from.name, message, this.status));
    } else if (isAntiEntropyMessage(message)) {
      // What a disk outside the topology has is not what its owner has, nor does it count as told.
      if (this.isMember && this.ring?.member(from.name) !== undefined)
        this.antiEntropy.receive(this, from.name, message);
    } else {
      this.effects.push(notice('warn', 'unexpected_message', { kind: message.kind, from: from.name }));
    }
  }

  /** Which topology it is about is in the message: its sender may have gone on since. */
  private vote(from: FrameHeader, message: EpochMessage): void {
    if (this.conflicted) return;
    const { chosen, isBehind, isAhead } = this.succession.vote(this, from.name, message);
    if (isBehind) this.tellTopology(from);
    else if (isAhead) this.effects.push(send(addressOf(from), { kind: 'topologyAsk' }));
    this.follow(chosen);
  }

  /** Adopts what was chosen to come next. */
  private follow(chosen: Topology | undefined): void {
    if (chosen !== undefined && chosen.epoch > (this.ring?.topology.epoch ?? 0)) this.adopt(chosen);
  }

  private foundingMessage(
    from: FrameHeader,
    message: MessageOf<'foundingCall'> | MessageOf<'foundingAnswer'>,
  ): void {
    if (this.ring !== undefined) {
      if (message.kind === 'foundingCall') this.tellTopology(from);
      return;
    }
    if (this.founding === undefined) return;
    const verdict = this.founding.hear(from.name, message.presence);
    if (verdict !== 'taken') {
      this.effects.push(notice('warn', 'founding_mismatch', { from: from.name, reason: verdict }));
    }
    if (verdict !== 'forged' && message.kind === 'foundingCall') {
      this.effects.push(send(addressOf(from), { kind: 'foundingAnswer', presence: this.founding.presence }));
    }
    this.concludeFounding();
  }

  private tellTopology(to: FrameHeader): void {
    if (this.ring === undefined) return;
    this.effects.push(send(addressOf(to), { kind: 'topologyTold', document: this.ring.bytes }));
  }

  private toldTopology(from: FrameHeader, document: Uint8Array): void {
    const topology = decodeTopology(document);
    // What an earlier life was told may come from a cluster that is gone.
    if (topology.cluster !== this.options.cluster || from.toBoot !== this.options.boot) return;
    if (this.ring === undefined || topology.epoch > this.ring.topology.epoch) this.adopt(topology);
    else if (topology.epoch === this.ring.topology.epoch && from.role === 'storage')
      this.compare(from, topology);
  }

  /**
   * Another document of our epoch stops us when a disk acts on it that ours names too: then two majorities may be at
   * work. From anybody else it is what is left of a cluster that was wiped and founded anew: requests under it are
   * refused, which is all there is to do. It is believed only in an answer to this life, as a frame can come again.
   */
  private compare(from: FrameHeader, topology: Topology): void {
    assert(this.ring !== undefined, 'a pod that compares has a topology');
    if (this.conflicted || equalBytes(encodeTopology(topology), this.ring.bytes)) return;
    const disk = topology.members.find(({ name }) => name === from.name)?.disk;
    if (disk === undefined || this.ring.member(from.name)?.disk !== disk) {
      this.effects.push(notice('warn', 'topology_of_another_cluster', { from: from.name }));
      return;
    }
    this.conflicted = true;
    const { epoch } = this.ring.topology;
    this.effects.push(notice('alarm', 'topology_conflict', { epoch, with: from.name }));
    this.observeReadiness();
  }

  /**
   * Whether the sender acts on our topology; if not, the one who is behind gets the document. With two documents of one
   * epoch a coordinator is behind, for it can only have learnt one, and a storage pod has to show its own.
   */
  private sameEpoch(from: FrameHeader): boolean {
    const epoch = this.ring?.topology.epoch ?? 0;
    if (from.epoch === epoch && from.topology === (this.ring?.digest ?? NO_TOPOLOGY)) return true;
    const isBehind = from.epoch < epoch || (from.epoch === epoch && from.role === 'coordinator');
    if (isBehind) this.tellTopology(from);
    else this.effects.push(send(addressOf(from), { kind: 'topologyAsk' }));
    return false;
  }

  private echo(from: FrameHeader, { id, sentMs }: MessageOf<'echo'>): void {
    const owed = this.hints?.owed() ?? [];
    const oldest = this.hints?.oldestAtMs;
    this.effects.push(
      send(addressOf(from), {
        kind: 'echoed',
        id,
        sentMs,
        monoMs: Math.floor(this.now.monoMs),
        wallMs: Math.max(0, Math.floor(this.now.wallMs)),
        ready: this.readiness.ready,
        writable: !this.store.readOnly,
        version: this.options.version,
        keys: this.store.count('rows'),
        bytes: this.store.bytes(),
        hintsHeld: owed,
        oldestHintAgeMs: oldest === undefined ? 0 : Math.max(1, Math.floor(this.now.wallMs - oldest)),
        members: this.swim.members(),
        filling: this.succession.progress,
      }),
    );
  }

  // ---- replicas ----

  private replicaRequest(from: FrameHeader, message: ReplicaRequest): void {
    const reason = this.reasonToRefuse(from, message);
    if (reason === undefined) this.replicas.serve(this, from, message, this.exchange.owedBy(this));
    else refuse(this, from, message, reason);
  }

  private reasonToRefuse(from: FrameHeader, message: ReplicaRequest): RefusalReason | undefined {
    if (from.toBoot !== this.options.boot) return 'wrong_boot';
    // A deadline further away than any that is given comes from a sender that has our clock wrong.
    const leftMs = message.deadlineMs - this.now.monoMs;
    if (leftMs < 0 || leftMs > TIMEOUT_MS_MAX + CLOCK_ERROR_MS) return 'expired';
    if (!this.sameEpoch(from)) return 'wrong_epoch';
    if (!this.readiness.ready) return 'not_ready';
    if (message.kind === 'read') return undefined;
    if (this.store.readOnly) return 'read_only';
    return undefined;
  }
}
