import type { Acceptance, Ballot } from '@circlet/shared/protocol/epoch.ts';
import { compareBallots } from './ballot.ts';

/**
 * One ballot as its proposer sees it. It is lost in a crash and may be: the ballot is never used again.
 *
 *     promises  --a majority-->  a document to accept  --accepted by a majority-->  chosen
 */
export interface Attempt {
  readonly ballot: Ballot;
  /** Who promised, and what each had accepted before. */
  readonly promises: ReadonlyMap<string, Acceptance | undefined>;
  /** What all are asked to accept, once a majority has promised. It never changes within the ballot. */
  readonly document: Uint8Array | undefined;
  readonly acceptors: ReadonlySet<string>;
}

export function attemptIn(ballot: Ballot): Attempt {
  return { ballot, promises: new Map(), document: undefined, acceptors: new Set() };
}

export function promisedBy(of: Attempt, acceptor: string, accepted: Acceptance | undefined): Attempt {
  return { ...of, promises: new Map([...of.promises, [acceptor, accepted]]) };
}

export function acceptedBy(of: Attempt, acceptor: string): Attempt {
  return { ...of, acceptors: new Set([...of.acceptors, acceptor]) };
}

/**
 * The document that may have been chosen already: the one accepted in the highest ballot (Paxos Made Simple,
 * 2.2, P2c). Only that may be proposed; undefined leaves the proposer free.
 */
export function boundTo({ promises }: Attempt): Uint8Array | undefined {
  let last: Acceptance | undefined;
  for (const accepted of promises.values()) {
    if (accepted !== undefined && (last === undefined || compareBallots(accepted.ballot, last.ballot) > 0))
      last = accepted;
  }
  return last?.document;
}
