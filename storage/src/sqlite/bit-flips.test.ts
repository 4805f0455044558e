import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Prng } from '@circlet/shared/prng.ts';
import { describe, expect, it } from 'vitest';
import { locatorOf, valueOf } from './committer.case.ts';
import { scratch } from './scratch.case.ts';
import { isFatalStoreError, SqliteStore } from './sqlite-store.ts';

const WRITES = 40;
const path = join(scratch(), 'store.sqlite');

/** A closed store: everything is in the one file. */
function wholeFile(): Buffer {
  const store = new SqliteStore({ path, cacheKiB: 1024 });
  store.begin();
  for (let i = 0; i < WRITES; i++) store.put('rows', locatorOf(i), valueOf(i));
  store.commit();
  store.close();
  return readFileSync(path);
}

const good = wholeFile();

type Verdict = 'right' | 'corrupt' | 'absent' | 'wrong' | 'refused';

/** What each write has become in a file with one bit flipped, or with none. */
function verdicts(bit?: number): readonly Verdict[] {
  const bad = Buffer.from(good);
  if (bit !== undefined) bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  writeFileSync(path, bad);
  let store: SqliteStore | undefined;
  try {
    const opened = new SqliteStore({ path, cacheKiB: 1024 });
    store = opened;
    const found = Array.from({ length: WRITES }, (_, i) => verdictOn(opened, i));
    opened.scan('rows', undefined, 2 * WRITES);
    return found;
  } catch (error) {
    // The process ends, and says why; nothing false was said.
    if (isFatalStoreError(error)) return ['refused'];
    throw error;
  } finally {
    store?.close();
  }
}

function verdictOn(store: SqliteStore, i: number): Verdict {
  const found = store.get('rows', locatorOf(i));
  if (found.kind !== 'found') return found.kind;
  return Buffer.compare(found.value, valueOf(i)) === 0 ? 'right' : 'wrong';
}

function count(all: readonly Verdict[]): Partial<Record<Verdict, number>> {
  const counts: Partial<Record<Verdict, number>> = {};
  for (const verdict of all) counts[verdict] = (counts[verdict] ?? 0) + 1;
  return counts;
}

/** Where the entry of write `i` is kept: checksum, two lengths, key, value. Pages that were split hold stale copies. */
function entryRange(i: number): readonly [number, number] {
  const { key } = locatorOf(i);
  const value = valueOf(i);
  let valueAt = good.indexOf(value);
  while (count(verdicts(valueAt * 8)).corrupt !== 1) valueAt = good.indexOf(value, valueAt + 1);
  return [valueAt - key.length - 10, valueAt + value.length];
}

describe('a file of which one bit was flipped while it was closed', () => {
  it('is whole before', () => {
    expect(count(verdicts())).toEqual({ right: WRITES });
  });

  it('gives up an entry as corrupt whatever bit of it was hit, and no other entry', () => {
    const [start, end] = entryRange(3);
    const bits = Array.from({ length: (end - start) * 8 }, (_, i) => start * 8 + i);
    // Every bit of the head and the key, and one in seven of the value's.
    const tried = bits.filter((_, i) => i < 32 * 8 || i % 7 === 0);
    expect(tried.length).toBeGreaterThan(500);
    for (const bit of tried) {
      expect(count(verdicts(bit)), `bit ${bit}`).toEqual({ right: WRITES - 1, corrupt: 1 });
    }
  });

  /**
   * A bit of SQLite's own structures can hide a row: about one flip in a hundred makes a get say "absent". Only a
   * comparison with other replicas finds that.
   */
  it('never gives a value that was not put, wherever the bit was', () => {
    const prng = new Prng(7);
    const all: Verdict[] = [];
    for (let i = 0; i < 1500; i++) all.push(...verdicts(Math.floor(prng.next() * good.length * 8)));
    const counts = count(all);
    expect(counts.wrong).toBeUndefined();
    expect(counts.corrupt).toBeGreaterThan(200);
    expect(counts.absent ?? 0).toBeLessThan(200);
  });
});
