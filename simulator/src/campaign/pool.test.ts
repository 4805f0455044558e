import { describe, expect, it } from 'vitest';
import { type PoolOptions, runChunks } from './pool.ts';
import type { SeedRange } from './seed-range.ts';
import type { SeedResult } from './seed-result.ts';

const FAKE = new URL('fake-worker.case.ts', import.meta.url);
const never = new AbortController().signal;

/** What ran, by seed, and which seeds each finished chunk had. */
async function ran(chunks: readonly SeedRange[], options: Partial<PoolOptions> = {}) {
  const results = new Map<number, SeedResult>();
  const finished: (readonly number[])[] = [];
  await runChunks({
    worker: FAKE,
    jobs: 2,
    chunks,
    seedMaxMs: 60_000,
    stop: never,
    kill: never,
    onChunk: (all) => finished.push(all.map(({ seed }) => seed)),
    ...options,
    onResult: (result) => {
      results.set(result.seed, result);
      options.onResult?.(result);
    },
  });
  return { results, finished: finished.toSorted((a, b) => (a[0] ?? 0) - (b[0] ?? 0)) };
}

describe('a pool of workers', () => {
  it('runs every seed of every chunk once', async () => {
    const { results, finished } = await ran([
      { from: 1, to: 10 },
      { from: 11, to: 13 },
      { from: 20, to: 20 },
    ]);
    expect([...results.keys()].toSorted((a, b) => a - b)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 20,
    ]);
    expect(finished).toEqual([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [11, 12, 13], [20]]);
    expect(results.get(12)).toMatchObject({ operations: 100, convergedMs: 120, violations: [] });
  });

  it('tells the first violation of each invariant, and what a seed threw', async () => {
    const { results } = await ran([{ from: 1003, to: 1005 }]);
    const what = 'key-1 lost what seed 1003 wrote';
    expect(results.get(1003)?.violations).toEqual([
      { invariant: 'I3', what },
      { invariant: 'I5', what },
    ]);
    expect(results.get(1004)?.violations).toEqual([]);
    expect(results.get(1005)?.violations).toEqual([
      { invariant: 'sound', what: 'a machine met its own bug' },
    ]);
  });

  it('condemns the seed at which a process dies, and goes on behind it with another', async () => {
    const { results, finished } = await ran([{ from: 1006, to: 1008 }], { jobs: 1 });
    expect(finished).toEqual([[1006, 1007], [1008]]);
    expect(results.get(1007)?.violations).toEqual([
      { invariant: 'sound', what: 'the process that ran this seed died: SIGABRT' },
    ]);
    expect(results.get(1008)?.violations).toEqual([]);
  });

  it('gives up a seed that never ends', async () => {
    const { results } = await ran([{ from: 1008, to: 1010 }], { seedMaxMs: 2000 });
    expect(results.get(1009)?.violations[0]?.what).toBe(
      'the process that ran this seed died: it did not end within 2 s',
    );
    expect(results.get(1010)?.violations).toEqual([]);
  });

  it('finishes the seeds under way and begins no others when it is told to stop', async () => {
    const stop = new AbortController();
    const options = { jobs: 1, stop: stop.signal, onResult: () => stop.abort() };
    const { results, finished } = await ran([{ from: 2001, to: 2100 }], options);
    expect(results.size).toBeLessThan(5);
    expect(finished).toEqual([[...results.keys()]]);
    expect([...results.values()].every(({ violations }) => violations.length === 0)).toBe(true);
  });

  it('keeps what is finished and condemns nothing when it is killed', async () => {
    const kill = new AbortController();
    const options = { jobs: 1, kill: kill.signal, onResult: () => kill.abort() };
    const { results, finished } = await ran([{ from: 2001, to: 2100 }], options);
    expect(results.size).toBeLessThan(5);
    expect(finished).toEqual([[...results.keys()]]);
    expect([...results.values()].every(({ violations }) => violations.length === 0)).toBe(true);
  });

  it('says why a worker cannot start', async () => {
    const worker = new URL('stillborn-worker.case.ts', import.meta.url);
    await expect(ran([{ from: 1, to: 10 }], { worker })).rejects.toThrow(
      'A worker cannot start (exit code 1, TypeError: nothing works here): mend that, and run again.',
    );
  });
});
