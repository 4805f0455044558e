import { must } from '@circlet/shared/assert.ts';
import type { Acceptance, Ballot, EpochMessage, SuccessionOf } from '@circlet/shared/protocol/epoch.ts';
import { encodeTopology, Ring, type Topology } from '@circlet/shared/ring/topology.ts';
import { MemoryStore } from '../memory-store.ts';
import { DIGEST_KEY } from '../one-key.case.ts';
import { diskOf, topologyOf } from '../ring.case.ts';
import { readVote, type Vote } from './acceptor.ts';
import { EpochChoice } from './choice.ts';
import type { Outcome } from './contract.ts';

export const NAMES = ['a', 'b', 'c'];
export const BASE = topologyOf(NAMES);
export const ringOf = (topology: Topology) => new Ring(topology, DIGEST_KEY);
export const aboutOf = (topology: Topology): SuccessionOf => ({
  epoch: topology.epoch,
  topology: ringOf(topology).digest,
});
export const OF = aboutOf(BASE);
/** What may follow the base: one for each name. */
export const next = (by: string): Topology => topologyOf([...NAMES, `by-${by}`], 2);
export const documentOf = (by: string): Uint8Array => encodeTopology(next(by));
export const ballot = (round: number, node: string): Ballot => ({ round, node });

export const prepare = (of: Ballot): EpochMessage => ({ kind: 'epochPrepare', of: OF, ballot: of });
export const promise = (of: Ballot, accepted?: Acceptance): EpochMessage => ({
  kind: 'epochPromise',
  of: OF,
  ballot: of,
  accepted,
});
export const accept = (of: Ballot, document: Uint8Array): EpochMessage => ({
  kind: 'epochAccept',
  of: OF,
  ballot: of,
  document,
});
export const accepted = (of: Ballot): EpochMessage => ({ kind: 'epochAccepted', of: OF, ballot: of });
export const refused = (of: Ballot, promised: Ballot): EpochMessage => ({
  kind: 'epochRefused',
  of: OF,
  ballot: of,
  promised,
});

/** A machine with its store, of which it is counted how often it is written to. */
export class Node {
  readonly store: CountingStore;
  choice: EpochChoice;
  readonly name: string;

  constructor(name: string, topology: Topology = BASE, disk = diskOf(name)) {
    this.name = name;
    this.store = new CountingStore(disk);
    this.choice = this.started(topology);
  }

  restart(topology: Topology = BASE): void {
    this.choice = this.started(topology);
  }

  hears(from: string, message: EpochMessage, nowMs = 0): ReturnType<EpochChoice['receive']> {
    return this.choice.receive(from, message, nowMs);
  }

  vote(topology: Topology = BASE): Vote {
    return readVote(this.store, aboutOf(topology));
  }

  private started(topology: Topology): EpochChoice {
    const choice = new EpochChoice({ store: this.store, self: this.name, random: () => 0 });
    choice.adopt(ringOf(topology), 0);
    return choice;
  }
}

class CountingStore extends MemoryStore {
  writes = 0;

  override writeMeta(name: string, value: Uint8Array): void {
    this.writes++;
    super.writeMeta(name, value);
  }
}

export const said = ({ letters }: Outcome) => letters.map(({ to, message }) => ({ to, ...message }));
export const kinds = ({ letters }: Outcome) => letters.map(({ to, message }) => `${message.kind} to ${to}`);
export const ballotIn = ({ letters }: Outcome): Ballot => {
  const message = must(letters[0], 'something was said').message;
  return must('ballot' in message ? message.ballot : undefined, 'it names a ballot');
};
