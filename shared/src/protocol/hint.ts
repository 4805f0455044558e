import { bool, bytes, type Infer, list, struct, varint } from '../codec/schema.ts';
import { FRAME_MESSAGES_MAX, FULL_KEY_BYTES_MAX } from './limits.ts';
import { digest } from './replica.ts';
import { statePart } from './state-part.ts';

/**
 * Hinted handoff between storage pods, at the pace of the one that recovered (rule 5):
 *
 *     holder -> target   offer   I hold n keys for you           (every second while it is alive)
 *     target -> holder   pull    send me those after this key
 *     holder -> target   page    states, in ring order
 *     target -> holder   ack     I durably cover exactly these states
 *
 * A holder discharges the target only if the digest in the ack is still its row's: a write merged into the hint
 * meanwhile is owed anew.
 */
const key = bytes(FULL_KEY_BYTES_MAX);

export const hintOffer = struct({ keys: varint });

export const hintPull = struct({
  id: varint,
  /** The last key of the page before, empty at first. */
  after: bytes(FULL_KEY_BYTES_MAX),
});

export const hintPage = struct({
  id: varint,
  entries: list(statePart, FRAME_MESSAGES_MAX),
  /** Another page answers the same pull: a state too large for one frame comes in several. */
  more: bool,
  /** Where to go on: pages may be empty when much is owed to others. Empty at the end. */
  next: bytes(FULL_KEY_BYTES_MAX),
});

export const hintAck = struct({ entries: list(struct({ key, digest }), FRAME_MESSAGES_MAX) });

export type HintOffer = Infer<typeof hintOffer>;
export type HintPull = Infer<typeof hintPull>;
export type HintPage = Infer<typeof hintPage>;
export type HintAck = Infer<typeof hintAck>;
