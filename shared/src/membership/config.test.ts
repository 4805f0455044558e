import { expect, it } from 'vitest';
import { SWIM_DEFAULTS, swimConfig } from './config.ts';

it('overlays the defaults', () => {
  expect(swimConfig()).toEqual(SWIM_DEFAULTS);
  expect(swimConfig({ probeIntervalMs: 2_000 })).toEqual({ ...SWIM_DEFAULTS, probeIntervalMs: 2_000 });
});

it.each([
  { probeTimeoutMs: 500 },
  { probeTimeoutMs: 0 },
  { probeIntervalMs: Number.NaN },
  { suspicionMultiplier: 0 },
  { suspicionMaxMultiplier: 0.5 },
  { updatesPerMessageMax: 2 },
])('refuses %j', (config) => {
  expect(() => swimConfig(config)).toThrow(RangeError);
});
