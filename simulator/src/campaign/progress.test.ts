import { expect, it } from 'vitest';
import { type Pace, paceLine } from './progress.ts';

const pace: Pace = {
  seeds: 50,
  total: 200,
  maxMs: undefined,
  elapsedMs: 100_000,
  virtualMs: 9 * 3_600_000,
  cpuMs: 180_000,
  operations: 123_456,
  faults: 789,
  failing: 1,
};

it('tells how far it is, how fast, and how long it still takes', () => {
  expect(paceLine(pace)).toBe(
    '50/200 seeds · 5 min 0 s left · 1 failing · 9.00 h simulated · 123 456 operations · 789 faults · ' +
      '0.50 seeds/s · 3.00 h/CPU-min',
  );
});

it('goes by the clock when time is what ends it', () => {
  expect(paceLine({ ...pace, total: undefined, maxMs: 130_000 })).toMatch(/^50 seeds · 30 s left · /);
  expect(paceLine({ ...pace, maxMs: 130_000 })).toMatch(/^50\/200 seeds · 30 s left · /);
});

it('promises nothing before the first seed', () => {
  expect(paceLine({ ...pace, seeds: 0, cpuMs: 0, virtualMs: 0 })).toMatch(/^0\/200 seeds · 1 failing · 0 h/);
});
