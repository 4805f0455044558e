import { expect, it } from 'vitest';
import { runCities } from './run.ts';

it('5,000 records survive a killed pod, a frozen pod and a restarted NATS server, byte for byte', async () => {
  const report = await runCities({
    records: 5_000,
    feedMs: 14_000,
    frozenMs: 10_000,
    say: (line) => process.stdout.write(`${line}\n`),
  });
  expect(report.import.stored).toBe(5_000);
  expect(report.import.failed).toBe(0);
  expect(report.hintsAtPeak).toBeGreaterThan(0);
  expect(report.hintsLeft).toBe(0);
  expect(report.reads).toBe(10_000);
  expect(report.different).toEqual([]);
});
