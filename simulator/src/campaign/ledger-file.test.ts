import { appendFileSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { countsOf, totals } from './counts.ts';
import { fakeOutcome, fakePlan } from './fakes.case.ts';
import { append, type Entry, read, remaining } from './ledger-file.ts';
import { runSeed } from './seed-result.ts';

function entry(from: number, to: number, commit = 'c0ffee'): Entry {
  const results = Array.from({ length: to - from + 1 }, (_, i) =>
    runSeed(from + i, fakePlan, ({ seed }) =>
      fakeOutcome(seed, seed === 7 ? [{ invariant: 'I3', atMs: 1, what: 'lost' }] : []),
    ),
  );
  return { commit, from, to, ...totals(results.map(countsOf)) };
}

describe('the ledger', () => {
  let folder = '';
  let path = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'circlet-ledger-'));
    path = join(folder, 'deeper', 'c0ffee.jsonl');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is empty before its first entry, and then has what was appended', () => {
    expect(read(path)).toEqual([]);
    append(path, entry(1, 10));
    append(path, entry(11, 12));
    expect(read(path)).toEqual(
      [entry(1, 10), entry(11, 12)].map((whole) => ({ ...whole, cpuMs: expect.any(Number) })),
    );
  });

  it('runs the seeds of a torn last line again, and leaves the next line whole', () => {
    append(path, entry(1, 10));
    append(path, entry(11, 20));
    truncateSync(path, sizeWithout(5));
    expect(bounds(read(path))).toEqual([[1, 10]]);
    append(path, entry(11, 20));
    expect(bounds(read(path))).toEqual([
      [1, 10],
      [11, 20],
    ]);
  });

  it('does not take other lines for entries', () => {
    append(path, entry(1, 10));
    appendFileSync(path, 'null\n42\n{}\n[]\n"x"\n\n');
    expect(bounds(read(path))).toEqual([[1, 10]]);
  });

  it('says which seeds this commit has not run', () => {
    const done = [entry(1, 10), entry(31, 40), entry(15, 20), entry(21, 30, 'decade')];
    expect(remaining(done, 'c0ffee', { from: 1, to: 50 })).toEqual([
      { from: 11, to: 14 },
      { from: 21, to: 30 },
      { from: 41, to: 50 },
    ]);
    expect(remaining(done, 'c0ffee', { from: 3, to: 9 })).toEqual([]);
    expect(remaining(done, 'decade', { from: 1, to: 50 })).toEqual([
      { from: 1, to: 20 },
      { from: 31, to: 50 },
    ]);
  });

  it('adds up', () => {
    expect(totals([entry(1, 2), entry(7, 7)])).toEqual({
      seeds: 3,
      virtualMs: 180_000,
      cpuMs: expect.any(Number),
      operations: 300,
      succeeded: 270,
      faults: { crash: 6, freeze: 3 },
      answered: { written: 180, found: 120 },
      convergedMs: [10, 20, 70],
      excusedByUnknown: 3,
      violations: [{ seed: 7, invariant: 'I3', what: 'lost' }],
    });
  });

  it('says in a sentence why it cannot be used', () => {
    const why = `(EISDIR): name another with --ledger, or use --no-ledger.`;
    expect(() => read(folder)).toThrow(`The ledger ${folder} cannot be read ${why}`);
    expect(() => append(folder, entry(1, 1))).toThrow(`The ledger ${folder} cannot be written ${why}`);
  });

  function sizeWithout(bytes: number): number {
    return read(path).reduce((size, whole) => size + JSON.stringify(whole).length + 1, 0) - bytes;
  }
});

function bounds(entries: readonly Entry[]) {
  return entries.map(({ from, to }) => [from, to]);
}
