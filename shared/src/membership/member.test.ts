import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../assert.ts';
import {
  asHearsay,
  INCARNATION_JUMP_MAX,
  isIncarnation,
  type Liveness,
  overrides,
  refutation,
} from './member.ts';

const STATUSES: readonly Liveness[] = ['alive', 'suspect', 'down'];
const claim = fc.record({ status: fc.constantFrom(...STATUSES), incarnation: fc.nat(5) });

describe('precedence', () => {
  it.each<[string, boolean, string]>([
    ['alive@1', true, 'alive@0'],
    ['alive@1', true, 'suspect@0'],
    ['alive@1', true, 'down@0'],
    ['alive@1', false, 'alive@1'],
    ['alive@1', false, 'suspect@1'],
    ['alive@1', false, 'down@1'],
    ['suspect@1', true, 'alive@1'],
    ['suspect@1', false, 'suspect@1'],
    ['suspect@1', false, 'down@1'],
    ['suspect@1', true, 'down@0'],
    ['suspect@0', false, 'alive@1'],
    ['down@1', true, 'alive@1'],
    ['down@1', true, 'suspect@1'],
    ['down@1', false, 'down@1'],
    ['down@0', false, 'alive@1'],
  ])('%s overrides: %s, over %s', (newer, expected, older) => {
    expect(overrides(parse(newer), parse(older))).toBe(expected);
  });

  it('is a strict total order', () => {
    fc.assert(
      fc.property(claim, claim, claim, (a, b, c) => {
        const isEqual = a.status === b.status && a.incarnation === b.incarnation;
        expect(Number(overrides(a, b)) + Number(overrides(b, a))).toBe(isEqual ? 0 : 1);
        expect(overrides(a, c) || !(overrides(a, b) && overrides(b, c))).toBe(true);
      }),
    );
  });
});

describe('hearsay', () => {
  it('never weighs more than suspicion', () => {
    expect(asHearsay({ name: 'a', status: 'down', incarnation: 7 })).toEqual({
      name: 'a',
      status: 'suspect',
      incarnation: 7,
    });
    expect(asHearsay({ name: 'a', status: 'alive', incarnation: 7 }).status).toBe('alive');
  });
});

describe('refutation', () => {
  it.each<[number, string, number]>([
    [0, 'suspect@0', 1],
    [0, 'down@0', 1],
    [4, 'down@9', 10],
    [4, 'suspect@3', 4],
    [4, 'alive@4', 4],
    [0, 'alive@9', 9],
    [3, `down@${3 + INCARNATION_JUMP_MAX}`, 4 + INCARNATION_JUMP_MAX],
    [3, `down@${Number.MAX_SAFE_INTEGER}`, 4 + INCARNATION_JUMP_MAX],
    [3, `alive@${Number.MAX_SAFE_INTEGER}`, 3 + INCARNATION_JUMP_MAX],
  ])('own %i, told %s, becomes %i', (own, told, expected) => {
    expect(refutation(own, parse(told))).toBe(expected);
  });

  it('overrides every accusation within the limit', () => {
    fc.assert(
      fc.property(fc.nat(3_000), claim, (own, accusation) => {
        const refuted = { status: 'alive', incarnation: refutation(own, accusation) } as const;
        expect(accusation.status === 'alive' || overrides(refuted, accusation)).toBe(true);
        expect(refuted.incarnation).toBeGreaterThanOrEqual(own);
      }),
    );
  });
});

it('takes only safe non-negative integers for incarnations', () => {
  expect([0, 1, Number.MAX_SAFE_INTEGER].every(isIncarnation)).toBe(true);
  expect([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53].some(isIncarnation)).toBe(false);
});

function parse(text: string): { status: Liveness; incarnation: number } {
  const [word, incarnation] = text.split('@');
  const found = STATUSES.find((each) => each === word);
  return { status: must(found, `no status in ${text}`), incarnation: Number(incarnation) };
}
