import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SWIM_DEFAULTS } from './config.ts';
import { suspicionTimeoutMs } from './suspicion.ts';

describe('suspicion timeout', () => {
  it.each<[members: number, confirmations: number, ms: number]>([
    // Nobody could confirm.
    [1, 0, 4_000],
    [2, 0, 4_000],
    // One could.
    [3, 0, 12_000],
    [3, 1, 4_000],
    // Two could: the first takes off log 2 / log 3 of the span.
    [4, 0, 12_000],
    [4, 1, 6_953],
    [4, 2, 4_000],
    // From five members on, three confirmations are wanted.
    [5, 1, 8_000],
    [5, 2, 5_660],
    [5, 3, 4_000],
    [5, 9, 4_000],
    [9, 3, 4_000],
    [99, 0, 24_000],
    [99, 3, 8_000],
    [999, 3, 12_000],
  ])('%i members, %i confirmations: %i ms', (members, confirmations, ms) => {
    expect(suspicionTimeoutMs(members, confirmations, SWIM_DEFAULTS)).toBe(ms);
  });

  it('never grows with a confirmation and stays between its ends', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.nat(20), (members, confirmations) => {
        const now = suspicionTimeoutMs(members, confirmations, SWIM_DEFAULTS);
        expect(suspicionTimeoutMs(members, confirmations + 1, SWIM_DEFAULTS)).toBeLessThanOrEqual(now);
        const min = suspicionTimeoutMs(members, 1_000, SWIM_DEFAULTS);
        expect(now).toBeGreaterThanOrEqual(min);
        expect(now).toBeLessThanOrEqual(min * SWIM_DEFAULTS.suspicionMaxMultiplier + 2);
      }),
    );
  });

  it('scales with the probe interval', () => {
    const slow = { ...SWIM_DEFAULTS, probeIntervalMs: 5_000 };
    expect(suspicionTimeoutMs(3, 1, slow)).toBe(20_000);
  });
});
