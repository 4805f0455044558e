import { unreachable } from '@circlet/shared/assert.ts';
import { DecodeError } from '@circlet/shared/codec/bytes.ts';
import type { Liveness } from '@circlet/shared/membership/member.ts';
import { Prng } from '@circlet/shared/prng.ts';
import type { EpochMessage } from '@circlet/shared/protocol/epoch.ts';
import type { Message, MessageOf } from '@circlet/shared/protocol/message.ts';
import type { Member, Ring, Topology } from '@circlet/shared/ring/topology.ts';
import { notice, send, toPeer, type Turn } from '../effects.ts';
import { EpochChoice } from '../epoch/choice.ts';
import type { Outcome } from '../epoch/contract.ts';
import type { Replicas } from '../replicas.ts';
import type { Store } from '../store.ts';
import { Refill, shareVnode, tellForRefill } from './refill.ts';

export type SuccessionMessage = MessageOf<'replace'> | MessageOf<'refillAsk'> | MessageOf<'refillTold'>;

export function isEpochMessage(message: Message): message is EpochMessage {
  return message.kind.startsWith('epoch');
}

export function isSuccessionMessage(message: Message): message is SuccessionMessage {
  const { kind } = message;
  return kind === 'replace' || kind === 'refillAsk' || kind === 'refillTold';
}

export interface SuccessionOptions {
  readonly name: string;
  readonly store: Store;
  readonly seed: number;
  readonly repair: { readonly bytesPerSecond: number } | undefined;
}

/**
 * This node's part in what comes after its topology: it votes (`epoch/`), has a member whose disk was lost replaced, and is
 * refilled when that member is itself. What a member of an empty disk goes through:
 *
 *     calls until it is named --epoch--> refilling --everything is here, epoch--> active
 */
export class Succession {
  private readonly options: SuccessionOptions;
  private readonly replicas: Replicas;
  private readonly choice: EpochChoice;
  private readonly prng: Prng;
  private ring: Ring | undefined;
  private refill: Refill | undefined;
  private called = 0;

  constructor(options: SuccessionOptions, replicas: Replicas) {
    this.options = options;
    this.replicas = replicas;
    // Draws of its own: what others draw does not depend on what is voted on.
    this.prng = new Prng(options.seed ^ 0x5ccede);
    this.choice = new EpochChoice({ store: options.store, self: options.name, random: this.prng.next });
  }

  adopt(ring: Ring, { now }: Turn): void {
    this.ring = ring;
    this.choice.adopt(ring, now.monoMs);
    this.refill = this.self?.state === 'refilling' && this.isMember ? this.newRefill(ring) : undefined;
  }

  /** Once a second. What it returns was chosen and is to be adopted. */
  tick(turn: Turn, status: (name: string) => Liveness | undefined): Topology | undefined {
    const { ring, refill, choice } = this;
    if (ring === undefined) return undefined;
    if (!this.isMember) {
      this.callForReplacement(turn, ring);
      return undefined;
    }
    if (refill?.isDone === true && choice.proposal !== 'running') {
      turn.effects.push(notice('info', 'refilled'));
      return this.propose(turn, ring, (member) => ({ ...member, state: 'active' }), this.options.name);
    }
    refill?.tick(turn, (name) => status(name) === 'alive');
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
      default:
        return unreachable(message);
    }
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
    return this.propose(turn, ring, (of) => ({ ...of, disk, state: 'refilling' }), name);
  }

  private propose(
    turn: Turn,
    ring: Ring,
    change: (member: Member) => Member,
    name: string,
  ): Topology | undefined {
    const { topology } = ring;
    const members = topology.members.map((member) => (member.name === name ? change(member) : member));
    const next = { ...topology, epoch: topology.epoch + 1, members };
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

const REFILL_BYTES_PER_SECOND = 8 * 1024 * 1024;
