import { actorId } from '../causality/dot.ts';
import { contextSchema } from '../causality/context.ts';
import { WRITE_ID_BYTES } from '../causality/key-state.ts';
import { bool, bytes, type Infer, id, list, struct, u8, u32, varint, word } from '../codec/schema.ts';
import { nodeName } from '../causality/dot.ts';
import {
  BODY_BYTES_MAX,
  DOTS_PER_WRITE_MAX,
  FRAME_BYTES_MAX,
  FULL_KEY_BYTES_MAX,
  NODES_MAX,
} from './limits.ts';

/**
 * A coordinator and a storage pod about one key. Requests carry an id, which the answer repeats, and a deadline in
 * milliseconds of the *receiver's* monotonic clock (rule 15): work that arrives late is refused, not done.
 *
 *     lead    mint a dot for this write, merge it, commit     -> led     | refused
 *     merge   merge this state, commit                        -> merged  | refused
 *     read    what do you have, as digest or in full          -> found   | refused
 */
export const writeId = id(WRITE_ID_BYTES);
export const digest = id(16);
const key = bytes(FULL_KEY_BYTES_MAX);
const state = bytes(FRAME_BYTES_MAX);
export const dot = struct({ actor: actorId, counter: varint });
/** Bit s set: the receiver stands in for the owner of slot s and owes it the write as a hint. 0 for an owner. */
const owedSlots = u8;

export const lead = struct({
  id: varint,
  deadlineMs: varint,
  key,
  owedSlots,
  writeId,
  /** The write-id came from a client's Idempotency-Key: its first 8 bytes name the key, the others the content. */
  keyed: bool,
  context: contextSchema,
  deleted: bool,
  writtenAtMs: varint,
  check: u32,
  body: bytes(BODY_BYTES_MAX),
  /** A put after which the lead would hold more siblings than before and than this is refused (rule 19). */
  siblingsMax: varint,
});

export const led = struct({
  id: varint,
  /** `held`: a twin attempt got here first, nothing was minted. `closed`: the write is already superseded. */
  outcome: word('minted', 'held', 'closed'),
  /** The dots of the write; none when it is closed. */
  dots: list(dot, DOTS_PER_WRITE_MAX),
  writtenAtMs: varint,
  /** Only when closed: the lead's whole state in parts, so that W copies of it can still be proven (rule 22). */
  part: varint,
  parts: varint,
  state,
});

export const merge = struct({
  id: varint,
  deadlineMs: varint,
  key,
  owedSlots,
  /** Writes known to have no twin: they need not be closed when they die, and the flag is kept while they live. */
  sole: list(writeId, FRAME_BYTES_MAX / WRITE_ID_BYTES),
  /**
   * The state has all that every other owner had when a read asked them, whose deadline this is: it can make a suspect
   * row whole.
   */
  heals: bool,
  /** Dots of earlier parts of a state that came in several (`causality/parts.ts`). */
  requires: list(dot, FRAME_BYTES_MAX / 16),
  state,
});

export const merged = struct({ id: varint });

export const read = struct({
  id: varint,
  deadlineMs: varint,
  key,
  want: word('digest', 'state'),
});

export const found = struct({
  id: varint,
  /** `holder`: a fallback that holds the key as a hint. `stranger`: not an owner and holds nothing: counts for nothing. */
  as: word('owner', 'holder', 'stranger'),
  /**
   * `suspect`: the row failed its checksum or is not whole: counts for nothing, and wants repair. What replaced it is shown
   * with it, digest or state as was asked, for others to be repaired from.
   */
  what: word('absent', 'digest', 'state', 'suspect'),
  digest,
  /** Bit i: the i-th sibling is known to be sole. Siblings from the 33rd on are not marked. */
  sole: u32,
  part: varint,
  parts: varint,
  state,
  /** Storage pods that hold hints for the answering node which it has not pulled yet (rule 7). */
  owedBy: list(nodeName, NODES_MAX),
});

/** Nothing was done. The clock and boot of the answer's frame let the sender correct its own view (rule 15). */
export const refused = struct({
  id: varint,
  reason: word(
    'busy',
    'expired',
    'wrong_boot',
    'wrong_epoch',
    'not_ready',
    'not_owner',
    'too_many_siblings',
    /** The key has been overwritten too often under Idempotency-Keys since the last reap round. */
    'history_full',
    'idempotency_mismatch',
    /** A part of a state came without the ones before it. */
    'incomplete',
    'read_only',
    'internal',
  ),
  monoMs: varint,
});

export type Lead = Infer<typeof lead>;
export type Led = Infer<typeof led>;
export type Merge = Infer<typeof merge>;
export type Merged = Infer<typeof merged>;
export type Read = Infer<typeof read>;
export type Found = Infer<typeof found>;
export type Refused = Infer<typeof refused>;
export type RefusalReason = Refused['reason'];

/** No digest: the row is absent, or cannot be read at all. */
export const NO_DIGEST = '\0'.repeat(16);
export const NO_STATE = new Uint8Array(0);
