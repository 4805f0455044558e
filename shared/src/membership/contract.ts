import type { Liveness, MemberUpdate } from './member.ts';

interface Envelope {
  readonly seq: number;
  /** The sender's own incarnation: the one claim that nobody else can make for it. */
  readonly incarnation: number;
  /** Piggybacked claims about others, and about the receiver when the sender thinks ill of it. At most 16. */
  readonly updates: readonly MemberUpdate[];
}

/** The codec vouches for the types of the fields; their ranges are checked by the machine. */
export type SwimMessage =
  | ({ readonly kind: 'ping' } & Envelope)
  | ({ readonly kind: 'ack' } & Envelope)
  | ({ readonly kind: 'pingRequest'; readonly target: string } & Envelope)
  /** A helper's answer. `reached: false` says that the helper is well and the target silent. */
  | ({ readonly kind: 'pingReport'; readonly reached: boolean } & Envelope);

/** Handed back to `Swim.timer` by the host, never cancelled: one whose generation has passed is ignored. */
export type SwimTimer = { readonly generation: number; readonly dueMs: number } & (
  | { readonly kind: 'period' | 'ackTimeout' }
  | { readonly kind: 'suspicion'; readonly name: string }
  | { readonly kind: 'relayTimeout'; readonly origin: string }
);

/**
 * What a peer did wrong, for the host to count. The offending part of the message had no effect; only a member's word
 * about itself, and words about us, are believed up to the jump limit when they exceed it.
 */
export type SwimNotice = 'outside roster' | 'version jump refused' | 'malformed' | 'too many updates';

export type SwimEffect =
  | { readonly kind: 'send'; readonly to: string; readonly message: SwimMessage }
  | { readonly kind: 'schedule'; readonly timer: SwimTimer; readonly afterMs: number }
  /** A member's status changed in our view. */
  | { readonly kind: 'changed'; readonly name: string; readonly status: Liveness }
  /** `about` is the member in question; the same as `from` when the sender itself is. */
  | { readonly kind: 'notice'; readonly notice: SwimNotice; readonly from: string; readonly about: string };
