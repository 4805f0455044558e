import { expect, test } from 'vitest';
import { type Reading, Speed, progressLine } from './progress.ts';

const reading: Reading = { settled: 84_210, failed: 0, position: 610, totalBytes: 1_000, trouble: undefined };

test('with a known end: a bar, percent, rate and the time left', () => {
  expect(progressLine(reading, { records: 4_120.4, bytes: 39 }, 5_000, 10)).toBe(
    '[######----]  61%  84,210 records  4,120/s  ETA 10s',
  );
});

test('in a log there is no bar', () => {
  expect(progressLine(reading, { records: 0, bytes: 0 }, 5_000, 0)).toBe('61%  84,210 records  0/s  ETA -');
});

test('of a pipe only what has come by is known', () => {
  expect(progressLine({ ...reading, totalBytes: undefined }, { records: 10, bytes: 1 }, 65_000, 10)).toBe(
    '610 B  84,210 records  10/s  for 1m05s',
  );
});

test('failures and the reason of a standstill are told', () => {
  const troubled = { ...reading, failed: 3, trouble: 'overloaded' };
  expect(progressLine(troubled, { records: 1, bytes: 1 }, 0, 0)).toMatch(
    / {2}3 failed {2}retrying: overloaded$/,
  );
});

test('the rate is that of the last ten seconds', () => {
  const speed = new Speed(0);
  for (let s = 1; s <= 20; s++) speed.at(s * 1_000, { ...reading, settled: s * 100, position: s * 10 });
  // From second 20 on, twice as fast.
  for (let s = 21; s < 30; s++)
    speed.at(s * 1_000, { ...reading, settled: 2_000 + (s - 20) * 200, position: 0 });
  expect(speed.at(30_000, { ...reading, settled: 4_000, position: 400 })).toEqual({
    records: 200,
    bytes: 20,
  });
});

test('at the first moment there is no rate, and no division by zero', () => {
  expect(new Speed(5).at(5, reading)).toEqual({ records: 0, bytes: 0 });
});
