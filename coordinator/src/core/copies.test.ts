import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Copy, tallyOf } from './copies.ts';
import type { Tally } from './quorum.ts';

const OWNERS = ['a', 'b', 'c'];
const STILL = { owners: OWNERS, seconds: [] };
const MOVING = { owners: OWNERS, seconds: [undefined, 'f', undefined, 'g'] };

/** `b acked` is the copy of the owner b, `f open` that of the second f, `d for f failed` a hint. */
function copies(...texts: readonly string[]): readonly Copy[] {
  return texts.map((text) => {
    const words = text.split(' ');
    const of = words.at(-2) ?? '';
    const half = OWNERS.includes(of) ? 'owner' : 'second';
    const slot = half === 'owner' ? OWNERS.indexOf(of) : MOVING.seconds.indexOf(of);
    return { slot, half, isHint: words.length > 2, status: words.at(-1) as Copy['status'] };
  });
}

const counts = ({ owners, others, ownersOpen, othersOpen }: Tally) =>
  `${owners} ${others} ${ownersOpen} ${othersOpen}`;

describe('the copies of a slot that stays', () => {
  it.each([
    [[], '0 0 0 0'],
    [['a acked', 'b open', 'c failed'], '1 0 1 0'],
    [['a idle', 'b idle', 'c idle'], '0 0 3 0'],
    // An owner and those who stand in for it are one.
    [['b failed', 'd for b open'], '0 0 0 1'],
    [['b failed', 'd for b acked'], '0 1 0 0'],
    [['b acked', 'd for b acked'], '1 0 0 0'],
    [['b failed', 'd for b failed', 'e for b acked'], '0 1 0 0'],
  ])('%j count %s', (texts, expected) => {
    expect(counts(tallyOf(copies(...texts), STILL))).toBe(expected);
  });
});

describe('the copies of a slot that moves', () => {
  it.each([
    [['b acked', 'f acked'], '1 0 0 0'],
    // One of its nodes alone is nothing, and while the other may follow it is open.
    [['b acked'], '0 0 0 0'],
    [['f acked'], '0 0 0 0'],
    [['b acked', 'f failed'], '0 0 0 0'],
    [['b failed', 'f acked'], '0 0 0 0'],
    [['b acked', 'f open'], '0 0 1 0'],
    [['b idle', 'f acked'], '0 0 1 0'],
    // Hints complete it, as what they are.
    [['b acked', 'f failed', 'd for f acked'], '0 1 0 0'],
    [['b failed', 'd for b acked', 'f acked'], '0 1 0 0'],
    [['b failed', 'd for b acked', 'f failed', 'e for f acked'], '0 1 0 0'],
    [['b acked', 'f failed', 'd for f open'], '0 0 0 1'],
    [['b open', 'f failed', 'd for f acked'], '0 0 0 1'],
    [['b failed', 'd for b acked', 'f failed'], '0 0 0 0'],
    [['b failed', 'd for b acked', 'f failed', 'e for f open'], '0 0 0 1'],
    // One that was only late is as good as if it had not been.
    [['b acked', 'f acked', 'd for f acked'], '1 0 0 0'],
  ])('%j count %s', (texts, expected) => {
    expect(counts(tallyOf(copies(...texts), MOVING))).toBe(expected);
  });
});

it('the copy of a slot that is being added counts for nothing', () => {
  expect(counts(tallyOf(copies('a acked', 'g acked'), MOVING))).toBe('1 0 0 0');
  expect(counts(tallyOf(copies('a acked', 'g open'), MOVING))).toBe('1 0 0 0');
});

describe('whatever has become of the copies', () => {
  const status = fc.constantFrom<Copy['status']>('idle', 'open', 'acked', 'failed');
  /** That of the node itself, if it could be reached, and those of its hints. */
  const forOne = fc.record({ own: fc.option(status), hints: fc.array(status, { maxLength: 2 }) });
  const slots = fc.array(fc.record({ owner: forOne, second: fc.option(forOne) }), { maxLength: 4 });
  type Slots = typeof slots extends fc.Arbitrary<infer S> ? S : never;

  function copiesOf(of: Slots): readonly Copy[] {
    return of.flatMap(({ owner, second }, slot) =>
      (['owner', 'second'] as const).flatMap((half) => {
        const node = half === 'owner' ? owner : second;
        if (node === null) return [];
        const hints = node.hints.map((each) => ({ slot, half, isHint: true, status: each }));
        return node.own === null ? hints : [{ slot, half, isHint: false, status: node.own }, ...hints];
      }),
    );
  }

  const isWaited = (of: Copy['status'] | null) => of === 'idle' || of === 'open';

  function naive(of: Slots): Tally {
    const nodes = of.map(({ owner, second }) => (second === null ? [owner] : [owner, second]));
    const have = nodes.filter((its) => its.every(({ own }) => own === 'acked'));
    const covered = nodes.filter((its) => its.every(({ own, hints }) => [own, ...hints].includes('acked')));
    const possible = nodes.filter((its) =>
      its.every(({ own, hints }) => [own, ...hints].some((each) => each === 'acked' || isWaited(each))),
    );
    const open = possible.filter((its) => !covered.includes(its));
    const ofOwners = open.filter((its) =>
      its.every(({ own, hints }) => own === 'acked' || (isWaited(own) && !hints.includes('acked'))),
    );
    return {
      owners: have.length,
      others: covered.length - have.length,
      ownersOpen: ofOwners.length,
      othersOpen: open.length - ofOwners.length,
    };
  }

  it('they count as they do when each slot is looked at by itself', () => {
    fc.assert(
      fc.property(slots, fc.infiniteStream(fc.nat()), (of, order) => {
        const shuffled = copiesOf(of)
          .map((copy) => ({ copy, rank: order.next().value as number }))
          .toSorted((a, b) => a.rank - b.rank)
          .map(({ copy }) => copy);
        const nodes = {
          owners: of.map((_, slot) => `owner ${slot}`),
          seconds: of.map(({ second }, slot) => (second === null ? undefined : `second ${slot}`)),
        };
        expect(tallyOf(shuffled, nodes)).toEqual(naive(of));
      }),
      { numRuns: 2_000 },
    );
  });
});
