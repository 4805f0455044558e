import { must } from '@circlet/shared/assert.ts';
import type { Acceptance, EpochMessage } from '@circlet/shared/protocol/epoch.ts';
import { decodeTopology, encodeTopology, Ring, type Topology } from '@circlet/shared/ring/topology.ts';
import { DIGEST_KEY } from '../one-key.case.ts';
import { diskOf } from '../ring.case.ts';
import { readVote, type Vote, type VoteStore } from './acceptor.ts';
import { sameBallot } from './ballot.ts';
import { EpochChoice } from './choice.ts';
import type { Outcome, Refusal, Verdict } from './contract.ts';

/** What a pod keeps of topologies. It is copied to see what else could have come of the same state. */
export class Disk implements VoteStore {
  readonly disk: string;
  readOnly = false;
  protected meta: ReadonlyMap<string, Uint8Array>;

  constructor(disk: string, meta: ReadonlyMap<string, Uint8Array>) {
    this.disk = disk;
    this.meta = meta;
  }

  get content(): ReadonlyMap<string, Uint8Array> {
    return this.meta;
  }

  readMeta(name: string): Uint8Array | undefined {
    return this.meta.get(name);
  }

  writeMeta(name: string, value: Uint8Array): void {
    this.meta = new Map([...this.meta, [name, value]]);
  }

  copy(): Disk {
    const copy = new Disk(this.disk, this.meta);
    copy.readOnly = this.readOnly;
    return copy;
  }

  /** What the next process finds. */
  afterCrash(): Disk {
    return this.copy();
  }
}

export function diskWith(topology: Topology, disk: string): Disk {
  return new Disk(disk, new Map([['topology', encodeTopology(topology)]]));
}

/** What pods say to each other: of the choice, and the document to those who are behind. */
export type Said =
  | EpochMessage
  | { readonly kind: 'ask' }
  | { readonly kind: 'told'; readonly document: Uint8Array };

export type PodEvent =
  | { readonly kind: 'propose'; readonly document: Topology }
  | { readonly kind: 'tick' }
  | { readonly kind: 'message'; readonly from: string; readonly message: Said };

export interface Turn {
  readonly said: readonly { readonly to: string; readonly message: Said }[];
  /** The vote that was cast, if one was. */
  readonly voted: Acceptance | undefined;
  readonly verdict: Verdict | undefined;
  readonly refused: Refusal | undefined;
}

/** The choice, with what `node.ts` does around it and nothing else of a pod. */
export class EpochPod {
  readonly name: string;
  readonly store: Disk;
  readonly machine: EpochChoice;
  ring: Ring;

  constructor(name: string, store: Disk, random: () => number = () => 0, nowMs = 0) {
    this.name = name;
    this.store = store;
    this.ring = ringOf(must(store.readMeta('topology'), 'a pod begins with a topology'));
    this.machine = new EpochChoice({ store, self: name, random });
    this.machine.adopt(this.ring, nowMs);
  }

  get epoch(): number {
    return this.ring.topology.epoch;
  }

  get vote(): Vote {
    return readVote(this.store, { epoch: this.epoch, topology: this.ring.digest });
  }

  handle(event: PodEvent, nowMs = 0): Turn {
    const { vote, ring } = this;
    const { letters, chosen, verdict, refused } = this.step(event, nowMs);
    const said: { to: string; message: Said }[] = [...letters];
    if (event.kind === 'message') {
      const { from: to, message } = event;
      const isOwed = verdict === 'behind' || message.kind === 'ask';
      if (isOwed) said.push({ to, message: { kind: 'told', document: ring.bytes } });
      if (verdict === 'ahead') said.push({ to, message: { kind: 'ask' } });
    }
    const { accepted } = this.vote;
    const isNew = accepted !== undefined && !sameBallot(vote.accepted?.ballot, accepted.ballot);
    if (chosen !== undefined && chosen.epoch > this.epoch) this.adopt(encodeTopology(chosen), nowMs);
    return { said, voted: isNew ? accepted : undefined, verdict, refused };
  }

  /** The same pod in the same state: what happens to one does not touch the other. */
  copy(): EpochPod {
    const store = this.store.copy();
    // What a machine holds is replaced and never changed, so that only its store has to be copied.
    const machine = Object.assign(Object.create(EpochChoice.prototype) as EpochChoice, this.machine, {
      store,
    });
    return Object.assign(Object.create(EpochPod.prototype) as EpochPod, this, { store, machine });
  }

  private step(event: PodEvent, nowMs: number): Outcome & Partial<Pick<Turn, 'verdict' | 'refused'>> {
    if (event.kind === 'propose') return this.machine.propose(event.document, nowMs);
    if (event.kind === 'tick') return this.machine.tick(nowMs);
    const { from, message } = event;
    if (message.kind === 'ask') return { letters: [], chosen: undefined };
    if (message.kind === 'told') return { letters: [], chosen: decodeTopology(message.document) };
    return this.machine.receive(from, message, nowMs);
  }

  private adopt(document: Uint8Array, nowMs: number): void {
    this.store.writeMeta('topology', document);
    this.ring = ringOf(document);
    this.machine.adopt(this.ring, nowMs);
  }
}

/** A pod that has voted for nothing, on the disk that belongs to its name. */
export function podOf(name: string, topology: Topology, random?: () => number): EpochPod {
  return new EpochPod(name, diskWith(topology, diskOf(name)), random);
}

export function ringOf(document: Uint8Array): Ring {
  return new Ring(decodeTopology(document), DIGEST_KEY);
}
