import { describe, expect, it } from 'vitest';
import { Latencies } from './latency.ts';

const after = (...samples: readonly number[]) => {
  const latencies = new Latencies();
  for (const ms of samples) latencies.add(ms);
  return latencies;
};
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe('the latencies of a node', () => {
  it('are unknown until there are enough of them', () => {
    expect(after(...upTo(15)).quantile(0.5, 99)).toBe(99);
    expect(after(...upTo(16)).quantile(0.5, 99)).toBe(9);
  });

  it('have the quantiles of what was seen, in whatever order it came', () => {
    const latencies = after(...upTo(100).toReversed());
    expect(latencies.quantile(0, 0)).toBe(1);
    expect(latencies.quantile(0.5, 0)).toBe(51);
    expect(latencies.quantile(0.95, 0)).toBe(96);
    expect(latencies.quantile(0.999, 0)).toBe(100);
  });

  it('forget all but the last 256', () => {
    const latencies = after(
      ...Array.from({ length: 256 }, () => 1_000),
      ...Array.from({ length: 256 }, () => 1),
    );
    expect(latencies.quantile(0.999, 0)).toBe(1);
  });

  it('follow a change after 64 more at the latest', () => {
    const latencies = after(...Array.from({ length: 100 }, () => 1));
    expect(latencies.quantile(0.5, 0)).toBe(1);
    for (let i = 0; i < 200; i++) latencies.add(50);
    expect(latencies.quantile(0.5, 0)).toBe(50);
  });
});
