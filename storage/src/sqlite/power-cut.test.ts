import { join } from 'node:path';
import { Prng } from '@circlet/shared/prng.ts';
import { describe, expect, it } from 'vitest';
import { present } from './committer.case.ts';
import { afterCut, type Call, restore, traced } from './power-cut.case.ts';
import { scratch, works } from './scratch.case.ts';
import { SqliteStore } from './sqlite-store.ts';

const WRITES = 120;
/** Checkpoints every now and then, so that cuts fall into them too. */
const CHECKPOINTS = 'wal_autocheckpoint=40';

const directory = scratch();

interface Found {
  readonly images: number;
  /** Images in which an acknowledged write was missing. */
  readonly withLoss: number;
  /** Images that did not open although a write had been acknowledged. */
  readonly unusable: readonly string[];
}

function cutOften(calls: readonly Call[], images: number, seed: number): Found {
  const prng = new Prng(seed);
  const first = calls.findIndex((call) => call.kind === 'ack');
  const unusable: string[] = [];
  let withLoss = 0;
  for (let i = 0; i < images; i++) {
    const cut = first + 1 + Math.floor(prng.next() * (calls.length - first));
    const data = join(directory, 'image');
    restore(data, afterCut(calls, cut, prng));
    const acked = calls.slice(0, cut).flatMap((call) => (call.kind === 'ack' ? [call.write] : []));
    try {
      const store = new SqliteStore({ path: join(data, 's.sqlite'), cacheKiB: 1024 });
      const there = present(store, WRITES);
      store.close();
      if (acked.some((write) => !there.has(write))) withLoss++;
    } catch (error) {
      unusable.push(`cut ${cut}: ${String(error)}`);
    }
  }
  return { images, withLoss, unusable };
}

describe.skipIf(!works('power cuts are not simulated', 'strace', '-V'))('a power cut', () => {
  it('loses no acknowledged write and damages none, wherever it falls', () => {
    const calls = traced(directory, WRITES, [CHECKPOINTS]);
    expect(calls.filter((call) => call.kind === 'ack')).toHaveLength(WRITES);
    expect(cutOften(calls, 600, 1)).toEqual({ images: 600, withLoss: 0, unusable: [] });
  });

  it('would lose acknowledged writes without synchronous=FULL: this test can fail', () => {
    const calls = traced(directory, WRITES, [CHECKPOINTS, 'synchronous=NORMAL']);
    expect(cutOften(calls, 60, 2).withLoss).toBeGreaterThan(20);
  });
});
