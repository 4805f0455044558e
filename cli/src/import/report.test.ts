import { expect, test } from 'vitest';
import { formatReport, reportOf } from './report.ts';
import { Tally } from './tally.ts';

function report(tally: Tally, ifAbsent = false) {
  return reportOf({
    bucket: 'b',
    source: 'f.csv',
    ending: 'finished',
    ifAbsent,
    tally,
    unsettled: 0,
    settledUpTo: tally.read,
    elapsedMs: 2_000,
  });
}

test('numbers, rates and codes, and no claim about what was there before', () => {
  const tally = new Tally();
  tally.read = 1_203;
  tally.stored = 1_200;
  tally.bytes = 4_096;
  for (const ms of [1, 2, 3, 4, 100]) tally.acknowledged(ms);
  for (const code of ['overloaded', 'overloaded', 'value_too_large']) tally.error(code);
  for (let i = 0; i < 3; i++) tally.failure(i === 0 ? 'value_too_large' : 'malformed');
  const document = report(tally);
  expect(document).toMatchObject({
    stored: 1_200,
    alreadyThere: null,
    failed: 3,
    recordsPerSecond: 600,
    seconds: 2,
  });
  expect(document.latencyMs.p50).toBeCloseTo(3, 1);
  expect(document.latencyMs.p99).toBeCloseTo(100, 0);
  const text = formatReport(document);
  expect(text).toContain('records        1,203 read from f.csv\n');
  expect(text).toContain('stored         1,200 acknowledged, 4.0 KiB\n');
  expect(text).toContain('already there  not looked for');
  expect(text).toContain('failed         3 (malformed 2, value_too_large 1)\n');
  expect(text).toContain('errors         3 (overloaded 2, value_too_large 1)\n');
});

test('with --if-absent, what was there is a number', () => {
  const tally = new Tally();
  tally.read = 2;
  tally.stored = 1;
  tally.present = 1;
  expect(formatReport(report(tally, true))).toContain(
    'already there  1 with another value, left as they were\n',
  );
});

test('an import of nothing divides by nothing', () => {
  const document = reportOf({
    bucket: 'b',
    source: '-',
    ending: 'finished',
    ifAbsent: false,
    tally: new Tally(),
    unsettled: 0,
    settledUpTo: 0,
    elapsedMs: 0,
  });
  expect(document).toMatchObject({ recordsPerSecond: 0, latencyMs: { p50: null, p99: null, max: null } });
  expect(formatReport(document)).toContain('latency        -\n');
});
