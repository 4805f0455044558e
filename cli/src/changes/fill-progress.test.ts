import { expect, test } from 'vitest';
import type { Move } from '../client/admin.ts';
import { FillProgress, fillTable } from './fill-progress.ts';

const MIB = 1024 * 1024;
const move = (left: number, bytes: number): Move => ({
  epoch: 8,
  phase: 'filling',
  transfers: [],
  nodes: [{ name: 'n4', status: 'alive', left, of: 1_000, bytes }],
});

test('rate and time left are those of the last 20 seconds', () => {
  const progress = new FillProgress();
  // One piece and one MiB a second; from second 30 on ten and four; from second 40 on the same number, but twelve.
  const bytesAt = (s: number) =>
    (Math.min(s, 30) + Math.max(0, Math.min(s, 40) - 30) * 4 + Math.max(0, s - 40) * 12) * MIB;
  const leftAt = (s: number) => 1_000 - Math.min(s, 30) - Math.max(0, s - 30) * 10;
  for (let s = 0; s < 50; s++) progress.at(s * 1_000, move(leftAt(s), bytesAt(s)));
  expect(progress.at(50_000, move(leftAt(50), bytesAt(50)))).toMatchObject([
    { left: 770, bytesPerSecond: 8 * MIB, etaMs: 77_000 },
  ]);
});

test('a pod that began anew begins anew here', () => {
  const progress = new FillProgress();
  progress.at(0, move(1_000, 5 * MIB));
  progress.at(1_000, move(900, 6 * MIB));
  expect(progress.at(2_000, move(900, 0))).toMatchObject([{ bytesPerSecond: undefined, etaMs: undefined }]);
  expect(progress.at(3_000, move(800, MIB))).toMatchObject([{ bytesPerSecond: MIB, etaMs: 8_000 }]);
});

test('one that comes no further has no end in sight', () => {
  const progress = new FillProgress();
  progress.at(0, move(500, MIB));
  expect(progress.at(1_000, move(500, MIB))).toMatchObject([{ bytesPerSecond: 0, etaMs: undefined }]);
});

test('on a terminal it is a table', () => {
  const progress = new FillProgress();
  progress.at(0, move(1_000, 0));
  const reading = move(250, 30 * MIB);
  expect(fillTable(reading, progress.at(10_000, reading))).toBe(
    [
      'epoch 8  filling',
      'NAME  STATUS    DONE/OF    %     BYTES       RATE  ETA',
      'n4    alive   750/1,000  75%  30.0 MiB  3.0 MiB/s   3s',
      '',
    ].join('\n'),
  );
});
