import { nodeName } from '../causality/dot.ts';
import { DecodeError } from '../codec/bytes.ts';
import { bytes, type Infer, optional, type Schema, struct, varint } from '../codec/schema.ts';
import { topologyDigest } from '../ring/topology.ts';

/**
 * How the members of one epoch choose the document of the next (rule 11), by Paxos for a single decree:
 *
 *     proposer -> acceptor   prepare    will you vote in this ballot, and what did you accept before?
 *     acceptor -> proposer   promise    I vote in no lower ballot; the last document that I accepted is this
 *     proposer -> acceptor   accept     vote for this document
 *     acceptor -> proposer   accepted   I did
 *     acceptor -> proposer   refused    to either question: I have promised a higher ballot
 *     proposer -> member     chosen     a majority accepted this document: it is the next epoch
 *
 * Every message says which choice it is about, so one that comes hours late means nothing to a later choice.
 */

/** Rounds are counted one by one: what claims to be past this is damaged, and could hardly be outbid. */
export const ROUND_MAX = 2 ** 32;

const round: Schema<number> = {
  write: (writer, value) => varint.write(writer, value),
  read: (reader) => {
    const value = varint.read(reader);
    if (value < 1 || value > ROUND_MAX) throw new DecodeError('round out of range');
    return value;
  },
  layout: `varint<=${ROUND_MAX}`,
};

/** The largest topology has 110 KB: 255 members, and 4096 vnodes of seven owners and seven seconds each. */
export const DOCUMENT_BYTES_MAX = 128 * 1024;

/** The choice that follows this topology. */
export const successionOf = struct({ epoch: varint, topology: topologyDigest });

/** Ordered by round, then by name; only the node of that name ever begins it, and once. */
export const ballot = struct({ round, node: nodeName });

/** A document, and the last ballot in which an acceptor voted for it. */
export const acceptance = struct({ ballot, document: bytes(DOCUMENT_BYTES_MAX) });

export const epochPrepare = struct({ of: successionOf, ballot });
export const epochPromise = struct({ of: successionOf, ballot, accepted: optional(acceptance) });
export const epochAccept = struct({ of: successionOf, ballot, document: bytes(DOCUMENT_BYTES_MAX) });
export const epochAccepted = struct({ of: successionOf, ballot });
export const epochRefused = struct({ of: successionOf, ballot, promised: ballot });
export const epochChosen = struct({ of: successionOf, document: bytes(DOCUMENT_BYTES_MAX) });

export type SuccessionOf = Infer<typeof successionOf>;
export type Ballot = Infer<typeof ballot>;
export type Acceptance = Infer<typeof acceptance>;

export type EpochPrepare = { readonly kind: 'epochPrepare' } & Infer<typeof epochPrepare>;
export type EpochPromise = { readonly kind: 'epochPromise' } & Infer<typeof epochPromise>;
export type EpochAccept = { readonly kind: 'epochAccept' } & Infer<typeof epochAccept>;
export type EpochAccepted = { readonly kind: 'epochAccepted' } & Infer<typeof epochAccepted>;
export type EpochRefused = { readonly kind: 'epochRefused' } & Infer<typeof epochRefused>;
export type EpochChosen = { readonly kind: 'epochChosen' } & Infer<typeof epochChosen>;

export type EpochMessage =
  | EpochPrepare
  | EpochPromise
  | EpochAccept
  | EpochAccepted
  | EpochRefused
  | EpochChosen;
