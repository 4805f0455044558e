import { ownCpuUs } from './owner.ts';
import type { Pair } from './pair.ts';
import { locate, rowOf } from './states.ts';

const ROWS_PER_COMMIT = 50_000;

/**
 * Gives both the same rows, in ring order, as the file lies: in any other each row would write another page.
 */
export function fill(pair: Pair, keys: number): void {
  const prefixes = Float64Array.from({ length: keys }, (_, n) => locate(n).prefix);
  const numbers = Uint32Array.from({ length: keys }, (_, n) => n);
  numbers.sort((a, b) => (prefixes[a] as number) - (prefixes[b] as number));
  for (let from = 0; from < keys; from += ROWS_PER_COMMIT) {
    const rows = Array.from(
      numbers.subarray(from, from + ROWS_PER_COMMIT),
      (n) => [locate(n), rowOf(n, 1)] as const,
    );
    for (const { store } of pair.owners) {
      store.begin();
      for (const [at, row] of rows) store.put('rows', at, row);
      store.commit();
    }
    process.stderr.write(`filling both stores: ${Math.min(keys, from + ROWS_PER_COMMIT)} of ${keys} keys\n`);
  }
}

export interface Built {
  readonly rows: number;
  readonly virtualMs: number;
  /** Of both owners. */
  readonly cpuMs: number;
}

/** Starts the machines and lets them sum their trees from the rows; until then they compare nothing. */
export function buildTrees(pair: Pair, keys: number): Built {
  const built = new Set<string>();
  pair.onNotice = ({ name }, { event, level }) => {
    if (event === 'trees_built') built.add(name);
    if (level === 'alarm') throw new Error(`${name} says ${event}`);
  };
  const beganUs = ownCpuUs();
  const beganMs = pair.nowMs;
  pair.begin();
  // 10,000 rows a second, and a while to come up.
  pair.runUntil(() => built.size === pair.owners.length, keys + 60_000, 'all trees built');
  return { rows: keys, virtualMs: pair.nowMs - beganMs, cpuMs: (ownCpuUs() - beganUs) / 1000 };
}
