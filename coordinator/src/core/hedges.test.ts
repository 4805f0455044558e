import { describe, expect, it } from 'vitest';
import { Hedges } from './hedges.ts';

const spendAll = (hedges: Hedges) => {
  let n = 0;
  while (hedges.spend()) n++;
  return n;
};

describe('the budget for hedged reads', () => {
  it('allows a burst, and then one for every ten reads', () => {
    const hedges = new Hedges();
    expect(spendAll(hedges)).toBe(16);
    for (let i = 0; i < 101; i++) hedges.earn();
    expect(spendAll(hedges)).toBe(10);
  });

  it('saves no more than the burst', () => {
    const hedges = new Hedges();
    for (let i = 0; i < 10_000; i++) hedges.earn();
    expect(spendAll(hedges)).toBe(16);
  });
});
