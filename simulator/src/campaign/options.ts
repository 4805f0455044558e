import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';

/** What `npm run sim` was asked to do. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'bench' }
  | ({ readonly kind: 'one' } & OneOptions)
  | ({ readonly kind: 'campaign' } & CampaignChoice);

export interface OneOptions {
  /** A seed to draw a plan from, or the file of a plan. */
  readonly of: { readonly seed: number } | { readonly file: string };
  readonly story: boolean;
  /** How many runs shrinking may take; undefined when nothing is shrunk. */
  readonly minimiseRuns: number | undefined;
}

export interface CampaignChoice {
  readonly from: number;
  /** Undefined: as many as `seconds` allow. */
  readonly seeds: number | undefined;
  readonly seconds: number | undefined;
  readonly jobs: number;
  /** A file, or the commit's own, or none. */
  readonly ledger: { readonly file: string } | 'default' | 'none';
  readonly again: boolean;
}

export class UsageError extends Error {
  override name = 'UsageError';
}

const SEEDS_DEFAULT = 200;
/** A run takes about a second, and nobody waits longer than this for a smaller one. */
const MINIMISE_RUNS_DEFAULT = 1000;

export const HELP = `npm run sim -- [options]

Runs whole clusters in virtual time, each drawn from a seed with its clients and faults, and checks what they promise.
The same seed and the same commit do the same, to the last frame.

a campaign (when neither --seed, --plan nor --bench is given)
  --seeds N       how many seeds (${SEEDS_DEFAULT}; with --seconds, as many as fit)
  --from S        the first (1)
  --seconds T     begin no more seeds after so many seconds
  --jobs J        processes (one for each CPU: ${availableParallelism()})
  --ledger FILE   where finished seeds are written down (simulator/ledger/<commit>.jsonl); those in it are skipped
  --no-ledger     skip nothing and write nothing down
  --again         run seeds that are in the ledger too

one run
  --seed S        what came of a seed
  --plan FILE     what comes of a plan that --minimise wrote
  --story         with either: everything that happens, in its order
  --minimise      with either: the smallest plan that fails like this one, its story, and its file in simulator/failures
  --runs N        how many runs --minimise may take (${MINIMISE_RUNS_DEFAULT})

  --bench         simulated hours per CPU-minute, at 10 operations a second
  --help

Exit code 0: all is well; 1: a violation was found; 2: it could not run; 130: interrupted.
`;

const OPTIONS = {
  seed: { type: 'string' },
  plan: { type: 'string' },
  story: { type: 'boolean' },
  minimise: { type: 'boolean' },
  runs: { type: 'string' },
  seeds: { type: 'string' },
  from: { type: 'string' },
  jobs: { type: 'string' },
  seconds: { type: 'string' },
  ledger: { type: 'string' },
  'no-ledger': { type: 'boolean' },
  again: { type: 'boolean' },
  bench: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Name = keyof typeof OPTIONS;
type Values = ReturnType<typeof parse>;

const ONE: readonly Name[] = ['seed', 'plan', 'story', 'minimise', 'runs'];
const CAMPAIGN: readonly Name[] = ['seeds', 'from', 'jobs', 'seconds', 'ledger', 'no-ledger', 'again'];

export function readOptions(args: readonly string[]): Command {
  const values = parse(args);
  if (values.help) return { kind: 'help' };
  if (values.bench) {
    refuse(values, [...ONE, ...CAMPAIGN], 'does not go with --bench');
    return { kind: 'bench' };
  }
  if (values.seed === undefined && values.plan === undefined) {
    refuse(values, ONE, 'needs --seed or --plan');
    return { kind: 'campaign', ...campaign(values) };
  }
  refuse(values, CAMPAIGN, 'is for campaigns: it goes with neither --seed nor --plan');
  return { kind: 'one', ...one(values) };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    const [sentence] = (error as Error).message.split('. ');
    throw new UsageError(`${sentence}.`);
  }
}

function refuse(values: Values, names: readonly Name[], why: string): void {
  const name = names.find((option) => values[option] !== undefined);
  if (name !== undefined) throw new UsageError(`--${name} ${why}.`);
}

function one(values: Values): OneOptions {
  if (values.seed !== undefined && values.plan !== undefined) {
    throw new UsageError('--seed and --plan are two runs: give one of them.');
  }
  if (values.runs !== undefined && !values.minimise) throw new UsageError('--runs needs --minimise.');
  return {
    of: values.plan === undefined ? { seed: whole('seed', values.seed, 0) ?? 0 } : { file: values.plan },
    story: values.story ?? false,
    minimiseRuns: values.minimise ? (whole('runs', values.runs, 1) ?? MINIMISE_RUNS_DEFAULT) : undefined,
  };
}

function campaign(values: Values): CampaignChoice {
  if (values.ledger !== undefined && values['no-ledger']) {
    throw new UsageError('--ledger and --no-ledger contradict each other: give one of them.');
  }
  const seconds = whole('seconds', values.seconds, 1);
  return {
    from: whole('from', values.from, 0) ?? 1,
    seeds: whole('seeds', values.seeds, 1) ?? (seconds === undefined ? SEEDS_DEFAULT : undefined),
    seconds,
    jobs: whole('jobs', values.jobs, 1) ?? availableParallelism(),
    ledger: values['no-ledger'] ? 'none' : values.ledger === undefined ? 'default' : { file: values.ledger },
    again: values.again ?? false,
  };
}

function whole(name: Name, text: string | undefined, min: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= min) return value;
  throw new UsageError(`--${name} takes a whole number from ${min} on, not '${text}'.`);
}
