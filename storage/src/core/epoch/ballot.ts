import { type Ballot, ROUND_MAX } from '@circlet/shared/protocol/epoch.ts';

/**
 * What Lamport calls proposal numbers. A node begins each of its own once (Paxos Made Simple, 2.5): it is
 * above all that its acceptor has promised, which is in the store, and is promised by it before anybody hears
 * of it.
 */
export function compareBallots(a: Ballot, b: Ballot): number {
  if (a.round !== b.round) return a.round - b.round;
  return a.node < b.node ? -1 : a.node > b.node ? 1 : 0;
}

export function sameBallot(a: Ballot | undefined, b: Ballot): boolean {
  return a !== undefined && compareBallots(a, b) === 0;
}

/** The higher of two, where none is lower than any. */
export function higher(a: Ballot | undefined, b: Ballot | undefined): Ballot | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareBallots(a, b) < 0 ? b : a;
}

/** A ballot of this node above that one; undefined when there is no room above it. */
export function outbid(highest: Ballot | undefined, node: string): Ballot | undefined {
  const round = (highest?.round ?? 0) + 1;
  return round > ROUND_MAX ? undefined : { round, node };
}
