import { unreachable } from '@circlet/shared/assert.ts';
import { DecodeError } from '@circlet/shared/codec/bytes.ts';
import type { Liveness } from '@circlet/shared/membership/member.ts';
import type { SipKey } from '@circlet/shared/hash/siphash.ts';
import { Prng } from '@circlet/shared/prng.ts';
import type { Filling } from '@circlet/shared/protocol/change.ts';
import { addressOf, type FrameHeader } from '@circlet/shared/protocol/frame.ts';
import type { EpochMessage } from '@circlet/shared/protocol/epoch.ts';
import type { Message, MessageOf } from '@circlet/shared/protocol/message.ts';
import { refilled, withDisk } from '@circlet/shared/ring/change.ts';
import type { Member, Ring, Topology } from '@circlet/shared/ring/topology.ts';
import { notice, send, toPeer, type Turn } from '../effects.ts';
import { EpochChoice } from '../epoch/choice.ts';
import type { Outcome } from '../epoch/contract.ts';
import type { Replicas } from '../replicas.ts';
import type { Store } from '../store.ts';
import { Changes } from './changes.ts';
import { Leftovers } from './leftovers.ts';
import { Moves } from './moves.ts';
import { RefillRecord } from './refill-record.ts';
import { Refill, shareVnode, tellForRefill } from './refill.ts';

export type SuccessionMessage =
  | MessageOf<'replace'>
  | MessageOf<'refillAsk'>
  | MessageOf<'refillTold'>
  | MessageOf<'candidate'>
  | MessageOf<'moved'>;

export function isEpochMessage(message: Message): message is EpochMessage {
  return message.kind.startsWith('epoch');
}

const KINDS: readonly Message['kind'][] = ['replace', 'refillAsk', 'refillTold', 'candidate', 'moved'];

export function isSuccessionMessage(message: Message): message is SuccessionMessage {
  return KINDS.includes(message.kind);
}

export interface SuccessionOptions {
  readonly name: string;
  readonly store: Store;
  readonly seed: number;
  readonly clusterKey: SipKey;
  /** Where this pod stands and how much it is to have, when it is to join. */
  readonly joins: { readonly zone: string; readonly weight: number };
  readonly repair: { readonly bytesPerSecond: number } | undefined;
}

/** Of the hints held here, what a move has to wait for. */
export interface HintsHeld {
  readonly held: number;
  readonly owesSeconds: boolean;
}

/**
 * This node's part in what comes after its topology: it votes (`epoch/`), has a member whose disk was lost replaced, plans what
 * operators want and takes it from step to step, and fetches what it is to have. What a pod with an empty disk goes through:
 *
 *     its name is known    calls until it is named --epoch--> refilling --everything is here, epoch--> active
 *     its name is not      calls until somebody has it join --epoch--> joining --everything is here, epoch--> active
 */
export class Succession {
  private readonly options: SuccessionOptions;
  private readonly replicas: Replicas;
  private readonly choice: EpochChoice;
  private readonly prng: Prng;
  private ring: Ring | undefined;
  private refill: Refill | undefined;
  private moves: Moves | undefined;
  private leftovers: Leftovers | undefined;
  private readonly changes: Changes;
  private called = 0;

  constructor(options: SuccessionOptions, replicas: Replicas) {
    this.options = options;
    this.replicas = replicas;
    // Draws of its own: what others draw does not depend on what is voted on.
    this.prng = new Prng(options.seed ^ 0x5ccede);
    this.changes = new Changes(options.clusterKey);
    this.choice = new EpochChoice({ store: options.store, self: options.name, random: this.prng.next });
  }

  adopt(ring: Ring, { now }: Turn): void {
    this.ring = ring;
    this.choice.adopt(ring, now.monoMs);
    this.changes.adopt(ring);
    const { name, store } = this.options;
    const fetches = this.isMember && (this.self?.state === 'refilling' || ring.isMoving);
    if (!fetches) RefillRecord.clear(store);
    this.refill = fetches ? this.newRefill(ring) : undefined;
    this.moves = this.isMember && ring.isMoving ? new Moves(name, ring) : undefined;
    // A disk that is no member's keeps what it has: nobody has proved that it is wanted no more.
    this.leftovers = this.isMember ? new Leftovers(name, store, this.replicas, ring) : undefined;
  }

  /** For operators. */
  get progress(): Filling {
    return this.refill?.progress ?? { left: 0, of: 0, bytes: 0 };
  }

  /** Once a second. What it returns was chosen and is to be adopted. */
  tick(turn: Turn, hints: HintsHeld, status: (name: string) => Liveness | undefined): Topology | undefined {
    const { ring, refill, choice } = this;
    if (ring === undefined) return undefined;
    if (!this.isMember) {
      if (this.self === undefined) this.callToJoin(turn, ring);
      else this.callForReplacement(turn, ring);
      return undefined;
    }
    this.leftovers?.tick();
    refill?.tick(turn, (name) => status(name) === 'alive');
    const isFilled = refill?.isDone !== false;
    const isFree = choice.proposal !== 'running';
    if (this.self?.state === 'refilling' && isFilled && isFree) {
      turn.effects.push(notice('info', 'refilled'));
      return this.put(turn, refilled(ring.topology, this.options.name));
    }
    const isFreeOfHints = !hints.owesSeconds && (this.self?.state !== 'leaving' || hints.held === 0);
    const next = this.moves?.tick(turn, isFilled && isFreeOfHints, status);
    if (next !== undefined && isFree) return this.put(turn, next);
    return this.came(turn, choice.tick(turn.now.monoMs));
  }

  /** The pause of the refill is over. */
  goOn(turn: Turn, id: number): void {
    this.refill?.goOn(turn, id);
  }

  /** About a topology that need not be ours: the message says which. Throws {@link DecodeError} before any change. */
  vote(
    turn: Turn,
    from: string,
    message: EpochMessage,
  ): { chosen: Topology | undefined; isBehind: boolean; isAhead: boolean } {
    const { verdict, ...outcome } = this.choice.receive(from, message, turn.now.monoMs);
    const chosen = this.came(turn, outcome);
    return {
      chosen,
      isBehind: verdict === 'behind',
      isAhead: verdict === 'ahead' || verdict === 'other_topology',
    };
  }

  /** In our topology. Throws {@link DecodeError} before anything is changed. */
  receive(
    turn: Turn,
    from: string,
    message: SuccessionMessage,
    status: (name: string) => Liveness | undefined,
  ): Topology | undefined {
    const { ring } = this;
    if (ring === undefined || !this.isMember) return undefined;
    switch (message.kind) {
      case 'replace':
        return this.replace(turn, ring, from, message.disk, status);
      case 'refillAsk':
        if (!shareVnode(ring, message.vnode, this.options.name, from))
          throw new DecodeError('a vnode that is not shared');
        for (const told of tellForRefill(this.options.store, ring.vnodes, message, this.bytesPerSecond))
          turn.effects.push(toPeer(from, told));
        return undefined;
      case 'refillTold':
        this.refill?.told(turn, from, message);
        return undefined;
      case 'candidate':
        this.changes.called(from, message, turn.now.monoMs);
        return undefined;
      case 'moved':
        this.moves?.heard(from, message.isDone, turn.now.monoMs);
        return undefined;
      default:
        return unreachable(message);
    }
  }

  /** An operator asks, through a coordinator. */
  asked(
    turn: Turn,
    from: FrameHeader,
    ask: MessageOf<'changeAsk'>,
    status: (name: string) => Liveness | undefined,
  ): Topology | undefined {
    if (!this.isMember) return undefined;
    const isRunning = this.choice.proposal === 'running';
    const { answer, proposes } = this.changes.asked(ask, turn.now.monoMs, status, isRunning);
    turn.effects.push(send(addressOf(from), { kind: 'changeTold', id: ask.id, ...answer }));
    return proposes === undefined ? undefined : this.put(turn, proposes);
  }

  private get self(): Member | undefined {
    return this.ring?.member(this.options.name);
  }

  private get isMember(): boolean {
    return this.self?.disk === this.options.store.disk;
  }

  private get bytesPerSecond(): number {
    return this.options.repair?.bytesPerSecond ?? REFILL_BYTES_PER_SECOND;
  }

  private newRefill(ring: Ring): Refill {
    const { name, store } = this.options;
    return new Refill(
      { name, store, bytesPerSecond: this.bytesPerSecond },
      this.replicas,
      ring,
      Math.floor(this.prng.next() * 2 ** 40),
    );
  }

  // ---- a lost disk ----

  /** Our name is known with another disk. Only a pod that has nothing may take its place: what an old disk has is not wanted. */
  private callForReplacement(turn: Turn, ring: Ring): void {
    const { store, name } = this.options;
    if (this.self === undefined || store.readOnly || store.count('rows') + store.count('hints') > 0) return;
    const others = ring.topology.members.filter((member) => member.name !== name);
    const other = others[this.called++ % others.length];
    if (other !== undefined) turn.effects.push(toPeer(other.name, { kind: 'replace', disk: store.disk }));
  }

  /** Whoever may be asked to have us join learns of us, some each second. */
  private callToJoin(turn: Turn, ring: Ring): void {
    const { store, joins } = this.options;
    if (store.readOnly || store.count('rows') + store.count('hints') > 0) return;
    const { members } = ring.topology;
    for (let i = 0; i < Math.min(members.length, CALLS_PER_TICK); i++) {
      const member = members[this.called++ % members.length];
      if (member !== undefined)
        turn.effects.push(toPeer(member.name, { kind: 'candidate', disk: store.disk, ...joins }));
    }
  }

  /** The pod that had the name must have been silent for long: then whatever it holds is fenced by the epoch. */
  private replace(
    turn: Turn,
    ring: Ring,
    name: string,
    disk: string,
    status: (name: string) => Liveness | undefined,
  ): Topology | undefined {
    const member = ring.member(name);
    if (member === undefined || member.disk === disk || this.choice.proposal === 'running') return undefined;
    if (status(name) !== 'down') return undefined;
    turn.effects.push(notice('warn', 'disk_replaced', { member: name }));
    return this.put(turn, withDisk(ring.topology, name, disk));
  }

  private put(turn: Turn, next: Topology): Topology | undefined {
    const { refused, ...outcome } = this.choice.propose(next, turn.now.monoMs);
    if (refused !== undefined)
      turn.effects.push(
        notice('warn', 'proposal_refused', {
          reason: typeof refused === 'string' ? refused : refused.unsound,
        }),
      );
    return this.came(turn, outcome);
  }

  private came(turn: Turn, { letters, chosen }: Outcome): Topology | undefined {
    for (const { to, message } of letters) turn.effects.push(send({ role: 'storage', name: to }, message));
    // It is told again when there is room.
    return this.options.store.readOnly ? undefined : chosen;
  }
}

const CALLS_PER_TICK = 8;
const REFILL_BYTES_PER_SECOND = 8 * 1024 * 1024;
