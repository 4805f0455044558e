import { type Counts, countsOf, failingSeeds, type Found, totals } from './counts.ts';
import { append, type Entry, read, remaining } from './ledger-file.ts';
import { runChunks } from './pool.ts';
import { Progress, type ProgressOptions } from './progress.ts';
import { chunksOf, includes, type SeedRange, sizeOf } from './seed-range.ts';
import type { SeedResult } from './seed-result.ts';
import { table } from './table.ts';

export interface CampaignOptions {
  readonly from: number;
  /** Undefined: as many as `seconds` allow. */
  readonly seeds: number | undefined;
  readonly seconds: number | undefined;
  readonly jobs: number;
  /** Undefined: nothing is skipped, and nothing written down. */
  readonly ledger: { readonly path: string; readonly commit: string } | undefined;
  readonly again: boolean;
  readonly worker: URL;
  readonly say: (line: string) => void;
  readonly progress: ProgressOptions['stream'];
  /** Ends the campaign at once; what was finished stays in the ledger. */
  readonly interrupt: AbortSignal;
}

/** A worker process starts in half a second, so chunks are small: an interrupted one costs at most ten seeds. */
const CHUNK_SEEDS = 10;
/** Seeds take seconds. One that takes this long never ends, also on a machine that is busy with other things. */
const SEED_MAX_MS = 600_000;

/** Runs the seeds that the ledger does not have, and says what came of them; whether all of them ended well. */
export async function campaign(options: CampaignOptions): Promise<boolean> {
  const wanted = { from: options.from, to: lastSeed(options) };
  const ledger = entriesOf(options);
  const missing = options.again ? [wanted] : remaining(ledger, options.ledger?.commit ?? '', wanted);
  const known = options.again ? [] : totals(ledger).violations.filter(({ seed }) => includes(wanted, seed));
  sayKnown(options, wanted, missing, known);
  const ran = sizeOf(missing) === 0 ? totals([]) : await run(options, missing);
  for (const line of endTable(ledger, ran)) options.say(line);
  if (options.interrupt.aborted) options.say(howToGoOn(options));
  return known.length === 0 && ran.violations.length === 0;
}

function lastSeed({ from, seeds }: CampaignOptions): number {
  return seeds === undefined ? Number.MAX_SAFE_INTEGER : from + seeds - 1;
}

function entriesOf({ ledger }: CampaignOptions): readonly Entry[] {
  return ledger === undefined ? [] : read(ledger.path).filter(({ commit }) => commit === ledger.commit);
}

async function run(options: CampaignOptions, missing: readonly SeedRange[]): Promise<Counts> {
  const { seeds, seconds, jobs, ledger, worker, interrupt } = options;
  const maxMs = seconds === undefined ? undefined : seconds * 1000;
  const total = seeds === undefined ? undefined : sizeOf(missing);
  const progress = new Progress({ total, maxMs, stream: options.progress });
  const ran: Counts[] = [];
  const stop = new AbortController();
  const timer = maxMs === undefined ? undefined : setTimeout(() => stop.abort(), maxMs);
  try {
    await runChunks({
      worker,
      jobs: Math.min(jobs, total ?? jobs),
      chunks: chunksOf(missing, Math.min(CHUNK_SEEDS, Math.ceil(sizeOf(missing) / jobs))),
      seedMaxMs: SEED_MAX_MS,
      stop: stop.signal,
      kill: interrupt,
      onResult: (result) => {
        progress.add(result);
        if (result.violations.length === 0) return;
        progress.clear();
        sayFailure(options, countsOf(result).violations);
      },
      onChunk: (results) => {
        const counts = totals(results.map(countsOf));
        ran.push(counts);
        if (ledger !== undefined)
          append(ledger.path, { ...boundsOf(results), commit: ledger.commit, ...counts });
      },
    });
  } finally {
    clearTimeout(timer);
    progress.end();
  }
  return totals(ran);
}

function boundsOf(results: readonly SeedResult[]): SeedRange {
  return { from: results[0]?.seed ?? 0, to: results.at(-1)?.seed ?? 0 };
}

function sayKnown(
  { say, ledger, seeds }: CampaignOptions,
  wanted: SeedRange,
  missing: readonly SeedRange[],
  known: readonly Found[],
): void {
  const done = sizeOf([wanted]) - sizeOf(missing);
  if (done > 0 && ledger !== undefined) {
    const of = seeds === undefined ? `${done} seeds` : `${done} of ${seeds} seeds`;
    say(
      `${of} are in ${ledger.path}${missing.length === 0 ? ': nothing to run' : ''} (--again runs them once more)`,
    );
  }
  for (const seed of failingSeeds({ violations: known })) {
    sayFailure(
      { say },
      known.filter((found) => found.seed === seed),
    );
  }
}

function sayFailure({ say }: Pick<CampaignOptions, 'say'>, [first, ...others]: readonly Found[]): void {
  if (first === undefined) return;
  const also = others.length === 0 ? '' : ` (and ${others.map(({ invariant }) => invariant).join(', ')})`;
  say(
    `seed ${first.seed} violates ${first.invariant}${also}: ${first.what}\n  npm run sim -- --seed ${first.seed}`,
  );
}

function endTable(ledger: readonly Entry[], ran: Counts): readonly string[] {
  const columns = [
    { title: 'this run', counts: ran },
    { title: 'whole ledger', counts: totals([...ledger, ran]) },
  ].filter(({ counts }) => counts.seeds > 0);
  if (columns.length === 0) return ['No seed was run.'];
  return table(ledger.length === 0 ? columns.slice(0, 1) : columns);
}

function howToGoOn({ ledger }: CampaignOptions): string {
  return ledger === undefined
    ? 'Interrupted. Nothing was written down (--no-ledger), so the same command begins anew.'
    : `Interrupted. Finished seeds are in ${ledger.path}: the same command goes on from there.`;
}
