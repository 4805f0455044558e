import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { drawPlan } from './draw-plan.ts';
import { runPlan } from './run-plan.ts';

/**
 * Seeds of the swarm: clusters, clients and faults drawn from each, on real SQLite, with every invariant checked. One that
 * fails is run again, with all that happened in it, by `npm run sim -- --seed SEED --story`.
 */
const BATCH = 25;
const SEEDS = 200;
/** Of two noisy cores, and several times what it takes. */
const ALL_MS_MAX = 300_000;

describe('whatever happens, no acknowledged write is lost, none comes back, and siblings are exact', () => {
  const startMs = performance.now();
  for (let first = 1; first <= SEEDS; first += BATCH) {
    it(`with seeds ${first} to ${first + BATCH - 1}`, { timeout: 240_000 }, () => {
      for (let seed = first; seed < first + BATCH; seed++) {
        // A run in which nothing succeeded, or nothing went wrong, is a violation too.
        const { violations } = runPlan(drawPlan(seed));
        expect({ seed, violations }).toEqual({ seed, violations: [] });
      }
    });
  }

  it('and all of that within five minutes', () => {
    expect(performance.now() - startMs).toBeLessThan(ALL_MS_MAX);
  });

  it('and two processes do the same with a seed', async () => {
    const main = fileURLToPath(new URL('../campaign/main.ts', import.meta.url));
    const run = () => promisify(execFile)(process.execPath, [main, '--seed', '7']);
    const [one, other] = await Promise.all([run(), run()]);
    expect(one.stdout).toMatch(/\ntrace [0-9a-f]{16}\n$/);
    expect(other.stdout).toBe(one.stdout);
  });

  it('and the same seed makes the same things happen, others others', () => {
    for (const seed of [7, 8, 9]) expect(runPlan(drawPlan(seed))).toEqual(runPlan(drawPlan(seed)));
    expect(runPlan(drawPlan(7)).trace).not.toBe(runPlan(drawPlan(8)).trace);
  });

  it('and a story is told of it without changing it', () => {
    const lines: string[] = [];
    const told = runPlan(drawPlan(7), { story: (line) => lines.push(line) });
    expect(told).toEqual(runPlan(drawPlan(7)));
    expect(lines.length).toBeGreaterThan(20);
    expect(lines).toEqual(lines.toSorted((a, b) => Number.parseFloat(a) - Number.parseFloat(b)));
  });
});
