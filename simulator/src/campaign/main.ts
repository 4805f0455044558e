import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plan } from '../swarm/plan.ts';
import { bench } from './bench.ts';
import { campaign } from './campaign.ts';
import { type Commit, commitOf } from './commit.ts';
import { defaultLedger } from './ledger-file.ts';
import { oneRun } from './one-run.ts';
import { type CampaignChoice, HELP, type OneOptions, readOptions, UsageError } from './options.ts';
import { readPlan } from './plan-file.ts';

/** `npm run sim`: see `--help`. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** npm starts scripts at the root, wherever the user is. */
const CALLED_IN = process.env['INIT_CWD'] ?? process.cwd();

// The simulation is loaded by those who run it here: a campaign leaves that to its workers.
const theRunPlan = async () => (await import('../swarm/run-plan.ts')).runPlan;

async function main(): Promise<number> {
  const command = readOptions(process.argv.slice(2));
  if (command.kind === 'one') return one(command);
  if (command.kind === 'campaign') return many(command);
  if (command.kind === 'bench') return theBench();
  process.stdout.write(HELP);
  return 0;
}

async function theBench(): Promise<number> {
  const { benchPlan } = await import('../swarm/bench-plan.ts');
  return bench(benchPlan, await theRunPlan(), say) ? 0 : 1;
}

async function one({ of, story, minimiseRuns }: OneOptions): Promise<number> {
  const plan = 'seed' in of ? await drawn(of.seed) : readPlan(resolve(CALLED_IN, of.file));
  const failureFile = fromHere(join(ROOT, `simulator/failures/seed-${plan.seed}.json`));
  const isPart = !('seed' in of);
  const options = { story, isPart, minimiseRuns, failureFile, say, progress: complain };
  return oneRun(plan, await theRunPlan(), options) ? 0 : 1;
}

async function drawn(seed: number): Promise<Plan> {
  const { drawPlan } = await import('../swarm/draw-plan.ts');
  try {
    return drawPlan(seed);
  } catch (error) {
    throw new Error(`Seed ${seed} has no plan, which is a bug in draw-plan.ts: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function many(choice: CampaignChoice): Promise<number> {
  const interrupt = new AbortController();
  // Not `once`: npm passes on the SIGINT that the terminal has sent already.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupt.abort());
  const well = await campaign({
    ...choice,
    ledger: ledgerFor(choice.ledger),
    worker: new URL('worker.ts', import.meta.url),
    say,
    progress: process.stderr,
    interrupt: interrupt.signal,
  });
  if (!well) return 1;
  return interrupt.signal.aborted ? 130 : 0;
}

function ledgerFor(choice: CampaignChoice['ledger']): { path: string; commit: string } | undefined {
  if (choice === 'none') return undefined;
  const commit: Commit | undefined = commitOf(ROOT);
  if (commit === undefined) {
    throw new UsageError(
      'No git commit is to be found here, so seeds cannot be written down: use --no-ledger.',
    );
  }
  const path =
    choice === 'default' ? join(ROOT, defaultLedger(commit.name)) : resolve(CALLED_IN, choice.file);
  return { path: fromHere(path), commit: commit.id };
}

function fromHere(path: string): string {
  return relative(process.cwd(), path);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}

// `npm run sim -- --seed 1 --story | head` is over when head is.
process.stdout.on('error', () => process.exit());
try {
  process.exitCode = await main();
} catch (error) {
  complain(messageOf(error));
  if (error instanceof UsageError) complain('npm run sim -- --help lists the options.');
  process.exitCode = 2;
}
