import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClockOffset } from './clock-offset.ts';

describe('the offset of another clock', () => {
  it('is unknown before anything was heard, and after it was forgotten', () => {
    const clock = new ClockOffset();
    expect(clock.best).toBeUndefined();
    clock.add(0, 5_000, 2);
    expect(clock.best).toBeDefined();
    clock.forget();
    expect(clock.best).toBeUndefined();
  });

  it('is always right to within the error that it states', () => {
    const hop = fc.double({ min: 0, max: 400, noNaN: true });
    const trips = fc.array(fc.tuple(hop, hop), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e12 }), trips, (offset, hops) => {
        const clock = new ClockOffset();
        let nowMs = 0;
        for (const [there, back] of hops) {
          const sentMs = Math.floor(nowMs);
          clock.add(sentMs, Math.floor(nowMs + there + offset), nowMs + there + back);
          nowMs += there + back + 1_000;
        }
        const { offsetMs, errorMs } = clock.best ?? { offsetMs: Number.NaN, errorMs: 0 };
        expect(Math.abs(offsetMs - offset)).toBeLessThanOrEqual(errorMs + 1);
      }),
      { numRuns: 500 },
    );
  });

  it('is taken from the shortest of the last ten round trips', () => {
    const clock = new ClockOffset();
    clock.add(0, 1_000, 2);
    for (let i = 1; i <= 9; i++) clock.add(i * 1_000, i * 1_000 + 1_100, i * 1_000 + 200);
    expect(clock.best?.errorMs).toBe(1.5);
    clock.add(10_000, 11_100, 10_200);
    expect(clock.best?.errorMs).toBe(100.5);
  });

  it('has jumped when it disagrees by more than a second beyond the errors, and then the past is forgotten', () => {
    const clock = new ClockOffset();
    expect(clock.add(0, 1_000, 2)).toBe(false);
    expect(clock.add(1_000, 2_900, 1_002)).toBe(false);
    expect(clock.add(2_000, 63_000, 2_002)).toBe(true);
    expect(clock.best?.offsetMs).toBeCloseTo(61_000, -1);
    expect(clock.add(3_000, 64_000, 3_002)).toBe(false);
  });

  it('has not jumped when the answer was only late', () => {
    const clock = new ClockOffset();
    clock.add(0, 1_000, 2);
    expect(clock.add(1_000, 2_000, 9_000)).toBe(false);
    expect(clock.best?.errorMs).toBe(1.5);
  });
});
