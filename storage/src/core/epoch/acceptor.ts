import { DecodeError, equalBytes, Reader, Writer } from '@circlet/shared/codec/bytes.ts';
import { optional, struct } from '@circlet/shared/codec/schema.ts';
import {
  type Acceptance,
  acceptance,
  type Ballot,
  ballot,
  type SuccessionOf,
  successionOf,
} from '@circlet/shared/protocol/epoch.ts';
import { compareBallots, sameBallot } from './ballot.ts';

/**
 * What an acceptor must never forget within one choice (Lamport, Paxos Made Simple, 2.5): the highest ballot
 * that it promised, and the last document that it accepted. The rules are functions from what it holds to
 * what comes.
 */
export interface Vote {
  readonly promised: Ballot | undefined;
  readonly accepted: Acceptance | undefined;
}

/** The part of a store that a vote needs. */
export interface VoteStore {
  readonly disk: string;
  readonly readOnly: boolean;
  readMeta(name: string): Uint8Array | undefined;
  writeMeta(name: string, value: Uint8Array): void;
}

export const NO_VOTE: Vote = { promised: undefined, accepted: undefined };

/** 2.2, phase 1b: undefined when a higher ballot was promised. Promising the same again changes nothing. */
export function promise(vote: Vote, to: Ballot): Vote | undefined {
  if (isAbove(vote.promised, to)) return undefined;
  return sameBallot(vote.promised, to) ? vote : { promised: to, accepted: vote.accepted };
}

/** 2.2, phase 2b: undefined when a higher ballot was promised. It need not have promised this one. */
export function accept(vote: Vote, within: Ballot, document: Uint8Array): Vote | undefined {
  if (isAbove(vote.promised, within)) return undefined;
  const { accepted } = vote;
  if (accepted !== undefined && sameBallot(accepted.ballot, within)) {
    if (!equalBytes(accepted.document, document)) throw new DecodeError('two documents in one ballot');
    return vote;
  }
  // The document outlives the frame it came in.
  return { promised: within, accepted: { ballot: within, document: document.slice() } };
}

/** What this disk holds of this choice. What it holds of another one is over: its document was adopted. */
export function readVote(store: VoteStore, of: SuccessionOf): Vote {
  const stored = store.readMeta(RECORD);
  if (stored === undefined) return NO_VOTE;
  const { of: about, promised, accepted } = record.read(new Reader(stored));
  return about.epoch === of.epoch && about.topology === of.topology ? { promised, accepted } : NO_VOTE;
}

export function writeVote(store: VoteStore, of: SuccessionOf, vote: Vote): void {
  const writer = new Writer();
  record.write(writer, { of, ...vote });
  store.writeMeta(RECORD, writer.finish());
}

function isAbove(promised: Ballot | undefined, other: Ballot): boolean {
  return promised !== undefined && compareBallots(promised, other) > 0;
}

const RECORD = 'epoch_vote';
const record = struct({ of: successionOf, promised: optional(ballot), accepted: optional(acceptance) });
