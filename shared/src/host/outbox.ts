import type { Address, Role } from '../machine.ts';
import { FrameBuilder } from '../protocol/frame.ts';
import type { Message } from '../protocol/message.ts';
import { subjectOf } from '../protocol/subjects.ts';
import { NO_TOPOLOGY } from '../ring/topology.ts';
import type { Transport } from './ports.ts';

/** Of everything a frame says about its sender, what changes while it runs. */
export interface Identity {
  readonly cluster: string;
  readonly clusterMark: string;
  readonly role: Role;
  readonly name: string;
  readonly boot: string;
}

/**
 * Messages to one pod made in one turn share a frame: under load the cost of the bus, the codec and the transaction is
 * spread over the batch, and an idle pod waits for nobody.
 */
export class Outbox {
  private readonly identity: Identity;
  private readonly transport: Transport;
  private readonly open = new Map<string, Pending>();
  private readonly spare: FrameBuilder[] = [];
  /** What was in the last frames, for when the bus says that one of them found nobody. */
  private readonly recent = Array.from<Sent | undefined>({ length: RECENT_FRAMES });
  private epoch = 0;
  private topology = NO_TOPOLOGY;

  /**
   * The number of the next frame. The outbox of the next life goes on with it: "nobody was there" comes back with nothing but
   * a number, and one of a life that is over must not mean a frame of this one.
   */
  next: number;

  constructor(identity: Identity, transport: Transport, first = 0) {
    this.identity = identity;
    this.transport = transport;
    this.next = first;
  }

  /** Frames name the epoch of the sender as it was when they were begun. */
  at(epoch: number, topology: string): void {
    if (epoch === this.epoch && topology === this.topology) return;
    this.flush();
    this.epoch = epoch;
    this.topology = topology;
  }

  add(to: Address, message: Message): void {
    const slot = `${to.role}/${to.name}/${to.boot ?? ''}`;
    let pending = this.open.get(slot);
    if (pending === undefined) {
      pending = this.begin(to, this.spare.pop() ?? new FrameBuilder());
      this.open.set(slot, pending);
    }
    if (!pending.builder.add(message)) {
      this.dispatch(pending);
      pending = this.begin(to, pending.builder);
      this.open.set(slot, pending);
      pending.builder.add(message);
    }
    if ('id' in message) pending.ids.push(message.id);
  }

  flush(): void {
    for (const pending of this.open.values()) {
      this.dispatch(pending);
      this.spare.push(pending.builder);
    }
    this.open.clear();
  }

  /** Drops what has not been dispatched: the turn that made it failed. */
  discard(): void {
    for (const { builder } of this.open.values()) this.spare.push(builder);
    this.open.clear();
  }

  /** What the undelivered frame was about, if it is recent enough to be remembered. */
  sent(number: number): Sent | undefined {
    const entry = this.recent[number % RECENT_FRAMES];
    return entry?.number === number ? entry : undefined;
  }

  private begin(to: Address, builder: FrameBuilder): Pending {
    const number = this.next++;
    builder.begin({
      cluster: this.identity.clusterMark,
      role: this.identity.role,
      name: this.identity.name,
      boot: this.identity.boot,
      toBoot: to.boot,
      number,
      epoch: this.epoch,
      topology: this.topology,
    });
    return { number, to, builder, ids: [] };
  }

  private dispatch({ number, to, builder, ids }: Pending): void {
    if (builder.isEmpty) return;
    this.recent[number % RECENT_FRAMES] = { number, to, ids };
    this.transport.send(subjectOf(this.identity.cluster, this.identity.role, to), builder.finish(), number);
  }
}

interface Pending {
  readonly number: number;
  readonly to: Address;
  readonly builder: FrameBuilder;
  readonly ids: number[];
}

export interface Sent {
  readonly number: number;
  readonly to: Address;
  /** Request ids of the messages in the frame. */
  readonly ids: readonly number[];
}

/** "No responders" comes back within milliseconds; at 10,000 frames a second this remembers 400 of them. */
const RECENT_FRAMES = 4096;
