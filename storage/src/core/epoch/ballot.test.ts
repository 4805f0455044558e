import { type Ballot, ROUND_MAX } from '@circlet/shared/protocol/epoch.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBallots, higher, outbid, sameBallot } from './ballot.ts';

const ballots: fc.Arbitrary<Ballot> = fc.record({
  round: fc.integer({ min: 1, max: 4 }),
  node: fc.constantFrom('a', 'b', 'b-0', 'b-1', 'b-10'),
});

describe('ballots', () => {
  it('are in one order, in which two that differ are never equal', () => {
    fc.assert(
      fc.property(ballots, ballots, ballots, (a, b, c) => {
        const [ab, ba, bc, ac] = [
          compareBallots(a, b),
          compareBallots(b, a),
          compareBallots(b, c),
          compareBallots(a, c),
        ];
        expect(Math.sign(ab) + Math.sign(ba)).toBe(0);
        expect(ab === 0).toBe(a.round === b.round && a.node === b.node);
        expect(sameBallot(a, b)).toBe(ab === 0);
        if (ab <= 0 && bc <= 0) expect(ac).toBeLessThanOrEqual(0);
      }),
    );
  });

  it('go by round first, and then by name', () => {
    const order = [
      { round: 1, node: 'a' },
      { round: 1, node: 'b' },
      { round: 2, node: 'a' },
      { round: 10, node: 'a' },
    ];
    expect(order.toReversed().toSorted(compareBallots)).toEqual(order);
  });

  it('of any node can be outbid by any other, until there are no rounds left', () => {
    fc.assert(
      fc.property(fc.option(ballots, { nil: undefined }), fc.constantFrom('a', 'z'), (highest, node) => {
        const above = outbid(highest, node);
        expect(above?.node).toBe(node);
        expect(higher(highest, above)).toEqual(above);
        expect(higher(above, highest)).toEqual(above);
      }),
    );
    expect(outbid({ round: ROUND_MAX - 1, node: 'z' }, 'a')).toEqual({ round: ROUND_MAX, node: 'a' });
    expect(outbid({ round: ROUND_MAX, node: 'a' }, 'z')).toBeUndefined();
  });
});
