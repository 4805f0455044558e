import type { Quorum } from './client.ts';

/**
 * "Is it enough?", apart from "what do we answer?". Pure counting over distinct nodes.
 */
export type Verdict =
  | { readonly kind: 'met' }
  | { readonly kind: 'pending' }
  | {
      readonly kind: 'impossible';
      readonly need: number;
      readonly got: number;
      readonly from: 'any' | 'owners';
    };

/** Distinct nodes so far, and how many more could still count. */
export interface Tally {
  readonly owners: number;
  readonly others: number;
  readonly ownersOpen: number;
  readonly othersOpen: number;
}

const MET: Verdict = { kind: 'met' };
const PENDING: Verdict = { kind: 'pending' };

export function writeVerdict({ w, pw, sloppy }: Quorum, tally: Tally): Verdict {
  return verdict(w, pw, sloppy, tally);
}

export function readVerdict({ r, pr, sloppy }: Quorum, tally: Tally): Verdict {
  return verdict(r, pr, sloppy, tally);
}

function verdict(any: number, owners: number, sloppy: boolean, tally: Tally): Verdict {
  const got = tally.owners + (sloppy ? tally.others : 0);
  const open = tally.ownersOpen + (sloppy ? tally.othersOpen : 0);
  if (tally.owners + tally.ownersOpen < owners) {
    return { kind: 'impossible', need: owners, got: tally.owners, from: 'owners' };
  }
  if (got + open < any) {
    return { kind: 'impossible', need: any, got, from: sloppy ? 'any' : 'owners' };
  }
  return got >= any && tally.owners >= owners ? MET : PENDING;
}
