/** What a member is thought to be. The roster says who exists; liveness never adds or removes anybody. */
export type Liveness = 'alive' | 'suspect' | 'down';

/** A claim about one member. `incarnation` is that member's own number: only it may raise it, to refute. */
export interface MemberUpdate {
  readonly name: string;
  readonly status: Liveness;
  readonly incarnation: number;
}

type Claim = Pick<MemberUpdate, 'status' | 'incarnation'>;

/**
 * How far ahead of a member's own word a claim may be. Honest news is a handful ahead; without a limit one lie of
 * 2^53 - 1 would leave the member no number to refute with. At 1,000 per message that takes 9 x 10^12 messages.
 */
export const INCARNATION_JUMP_MAX = 1_000;

const RANK: Record<Liveness, number> = { alive: 0, suspect: 1, down: 2 };

/**
 * Whether `claim` replaces `known`: the higher incarnation wins, and within one the worse status (SWIM 4.2). Unlike
 * the paper `down` is not final, because the roster, not gossip, decides who left. A total order, so taking the
 * maximum is a join: any order, grouping or repetition of the same claims ends in the same place.
 */
export function overrides(claim: Claim, known: Claim): boolean {
  if (claim.incarnation !== known.incarnation) return claim.incarnation > known.incarnation;
  return RANK[claim.status] > RANK[known.status];
}

/** What a claim is worth at second hand: nobody dies of hearsay, so `down` weighs as much as `suspect`. */
export function asHearsay(update: MemberUpdate): MemberUpdate {
  return update.status === 'down' ? { ...update, status: 'suspect' } : update;
}

/**
 * The incarnation a member must take after hearing `claim` about itself: the least that is not behind it, and strictly
 * ahead of an accusation. A claim beyond the jump limit is met halfway, so that a member restarted at 0 climbs back to
 * its old number in a few exchanges and a liar gains 1,000 a message.
 */
export function refutation(own: number, claim: Claim): number {
  const credible = Math.min(claim.incarnation, own + INCARNATION_JUMP_MAX);
  return Math.max(own, claim.status === 'alive' ? credible : credible + 1);
}

export function isIncarnation(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
