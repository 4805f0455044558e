import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Quorum } from './client.ts';
import { readVerdict, type Tally, writeVerdict } from './quorum.ts';

const quorum = (fields: Partial<Quorum>): Quorum => ({
  r: 2,
  rIsFirm: false,
  w: 2,
  pr: 0,
  pw: 0,
  sloppy: true,
  timeoutMs: 5_000,
  ...fields,
});

/** `owners others owners-open others-open`. */
function tally(text: string): Tally {
  const [owners = 0, others = 0, ownersOpen = 0, othersOpen = 0] = text.split(' ').map(Number);
  return { owners, others, ownersOpen, othersOpen };
}

describe('a write quorum', () => {
  it.each([
    // Only owners.
    [{ w: 2 }, '0 0 3 0', 'pending'],
    [{ w: 2 }, '1 0 2 0', 'pending'],
    [{ w: 2 }, '2 0 1 0', 'met'],
    [{ w: 3 }, '2 0 1 0', 'pending'],
    [{ w: 3 }, '2 0 0 0', 'impossible'],
    [{ w: 1 }, '0 0 0 0', 'impossible'],
    // A fallback counts for W in sloppy mode, and only there.
    [{ w: 2 }, '1 1 0 0', 'met'],
    [{ w: 2, sloppy: false }, '1 1 0 0', 'impossible'],
    [{ w: 2, sloppy: false }, '1 2 1 0', 'pending'],
    [{ w: 2, sloppy: false }, '1 0 0 2', 'impossible'],
    [{ w: 3 }, '0 1 0 2', 'pending'],
    // Never for PW.
    [{ w: 2, pw: 2 }, '1 1 1 0', 'pending'],
    [{ w: 2, pw: 2 }, '1 2 0 0', 'impossible'],
    [{ w: 2, pw: 1 }, '0 2 0 0', 'impossible'],
    [{ w: 2, pw: 1 }, '1 1 0 0', 'met'],
    [{ w: 1, pw: 2 }, '1 0 1 0', 'pending'],
    [{ w: 1, pw: 2 }, '2 0 0 0', 'met'],
  ] as const)('%j with %s is %s', (fields, counts, expected) => {
    expect(writeVerdict(quorum(fields), tally(counts)).kind).toBe(expected);
  });

  it('says what is missing, and from whom', () => {
    expect(writeVerdict(quorum({ w: 3 }), tally('1 1 0 0'))).toEqual({
      kind: 'impossible',
      need: 3,
      got: 2,
      from: 'any',
    });
    expect(writeVerdict(quorum({ w: 2, pw: 2 }), tally('1 1 0 0'))).toEqual({
      kind: 'impossible',
      need: 2,
      got: 1,
      from: 'owners',
    });
    expect(writeVerdict(quorum({ w: 2, sloppy: false }), tally('1 1 0 0'))).toMatchObject({
      got: 1,
      from: 'owners',
    });
  });
});

describe('a read quorum', () => {
  it('goes by R and PR, and not by W and PW', () => {
    expect(readVerdict(quorum({ r: 1, w: 3, pw: 3 }), tally('1 0 0 0')).kind).toBe('met');
    expect(readVerdict(quorum({ r: 1, pr: 2 }), tally('1 2 0 0')).kind).toBe('impossible');
    expect(writeVerdict(quorum({ r: 3, pr: 3, w: 1 }), tally('1 0 0 0')).kind).toBe('met');
  });
});

const kind = (q: Quorum, t: Tally) => writeVerdict(q, t).kind;

const ownersOnly = (t: Tally): Tally => ({ ...t, others: 0, othersOpen: 0 });
/** As if everybody that is open had come. */
const withAll = (t: Tally): Tally => ({
  owners: t.owners + t.ownersOpen,
  others: t.others + t.othersOpen,
  ownersOpen: 0,
  othersOpen: 0,
});

/** Whether it holds for any quorum and any counts. */
function always(holds: (q: Quorum, t: Tally) => boolean): boolean {
  const few = fc.nat({ max: 4 });
  const asked = fc.record({ w: fc.integer({ min: 1, max: 4 }), pw: few, sloppy: fc.boolean() });
  const counted = fc.record({ owners: few, others: few, ownersOpen: few, othersOpen: few });
  const property = fc.property(asked, counted, (fields, t) => holds(quorum(fields), t));
  fc.assert(property, { numRuns: 1_000 });
  return true;
}

describe('whatever has been counted', () => {
  it('one more copy never takes a met quorum back, nor makes a possible one impossible', () => {
    const rank = { impossible: 0, pending: 1, met: 2 };
    const isNoWorse = (q: Quorum, t: Tally, more: Tally) => rank[kind(q, more)] >= rank[kind(q, t)];
    expect(
      always(
        (q, t) =>
          isNoWorse(q, t, { ...t, owners: t.owners + 1 }) && isNoWorse(q, t, { ...t, others: t.others + 1 }),
      ),
    ).toBe(true);
  });

  it('the end is impossible exactly when it is not met with everybody that is open', () => {
    expect(always((q, t) => (kind(q, t) === 'impossible') === (kind(q, withAll(t)) !== 'met'))).toBe(true);
  });

  it('with nobody open it is decided', () => {
    expect(always((q, t) => kind(q, { ...t, ownersOpen: 0, othersOpen: 0 }) !== 'pending')).toBe(true);
  });

  it('fallbacks change nothing where only owners count', () => {
    expect(
      always((q, t) => kind({ ...q, sloppy: false }, t) === kind({ ...q, sloppy: false }, ownersOnly(t))),
    ).toBe(true);
  });
});
