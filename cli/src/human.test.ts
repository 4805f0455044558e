import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';
import { formatBytes, formatCount, plural, printable } from './human.ts';

test.each([
  ['500ms', 500],
  ['2s', 2_000],
  ['1.5m', 90_000],
  ['1h', 3_600_000],
  ['0s', 0],
  ['120', undefined],
  ['', undefined],
  ['-1s', undefined],
  ['1d', undefined],
  ['1s ', undefined],
])('the duration %j is %j', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  [0, '0ms'],
  [999, '999ms'],
  [12_400, '12s'],
  [59_600, '1m00s'],
  [200_000, '3m20s'],
  [7_500_000, '2h05m'],
  [4 * 86_400_000 + 3 * 3_600_000, '4d03h'],
])('%i ms reads %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test.each([
  [0, '0 B'],
  [1_023, '1023 B'],
  [1_024, '1.0 KiB'],
  [1_048_575, '1.0 MiB'],
  [13_841_203, '13.2 MiB'],
  [5 * 1024 ** 5, '5.0 PiB'],
  [5_000 * 1024 ** 5, '5000.0 PiB'],
])('%i bytes read %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test('counts and their words', () => {
  expect(formatCount(1_234_567.8)).toBe('1,234,568');
  expect([plural(1, 'record'), plural(0, 'record'), plural(2, 'copy', 'copies')]).toEqual([
    '1 record',
    '0 records',
    '2 copies',
  ]);
});

test('what could fool a terminal is shown, the rest is left alone', () => {
  expect(printable('Zürich 東京\n\u001b[31m\u200b\ud800')).toBe(
    'Zürich 東京\\u{a}\\u{1b}[31m\\u{200b}\ufffd',
  );
});
