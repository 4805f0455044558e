import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { type Mutant, MUTANTS } from './mutants.ts';
import type { Trial } from './trial.ts';

/** `npm run sim:mutants`: which of the bugs made on purpose the simulation finds, by what, and what that costs. */
const { values, positionals } = parsed();
const seconds = positive('seconds', values.seconds);
const jobs = positive('jobs', values.jobs);
const unknown = positionals.find((name) => !MUTANTS.some((mutant) => mutant.name === name));
if (unknown !== undefined) refuse(`there is no mutant "${unknown}"`);
const wanted = MUTANTS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));

function parsed() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        /** CPU seconds for each before it counts as not found. */
        seconds: { type: 'string', default: '60' },
        /** How many at the same time. */
        jobs: { type: 'string', default: String(availableParallelism()) },
      },
    });
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function positive(name: string, text: string): number {
  const n = Number(text);
  return n > 0 && Number.isFinite(n) ? n : refuse(`--${name} is a number above 0, not "${text}"`);
}

function refuse(why: string): never {
  process.stderr.write(`sim:mutants: ${why}\n  npm run sim:mutants [-- --seconds N --jobs J NAME...]\n`);
  process.exit(2);
}

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const say = (line: string) => process.stdout.write(`${line}\n`);

async function trialOf(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Trial> {
  const all = ['--max-semi-space-size=32', ...args];
  const { stdout } = await promisify(execFile)(process.execPath, all, { env, maxBuffer: 2 ** 26 });
  return JSON.parse(stdout) as Trial;
}

const tryOn = ({ name }: Mutant) =>
  trialOf(['--import', here('inject.ts'), here('trial.ts'), String(seconds)], {
    ...process.env,
    CIRCLET_MUTANT: name,
  });

/** Whether the seed ends badly with the product as it is: then it says nothing of the mutant. */
async function failsAnyway(seed: number): Promise<boolean> {
  return (await trialOf([here('trial.ts'), '--seed', String(seed)])).violation !== undefined;
}

interface Tried {
  readonly mutant: Mutant;
  readonly trial: Trial;
  readonly isFound: boolean;
}

const trials: Tried[] = [];
const waiting = [...wanted];
async function worker(): Promise<void> {
  for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
    const trial = await tryOn(mutant);
    const isSpoilt = trial.violation !== undefined && (await failsAnyway(trial.seed));
    const tried = { mutant, trial, isFound: trial.violation !== undefined && !isSpoilt };
    trials.push(tried);
    const cost = `${trial.seeds} seeds, ${trial.cpuSeconds.toFixed(1)} s`;
    const verdict = isSpoilt ? `DOES NOT COUNT: seed ${trial.seed} fails without it too` : verdictOn(tried);
    say(`${mutant.name.padEnd(30)} ${cost.padEnd(20)} ${verdict}`);
  }
}
function verdictOn({ mutant, trial: { violation } }: Tried): string {
  if (violation === undefined) return `NOT FOUND (${mutant.breaks})`;
  return `${violation.invariant.padEnd(8)} ${violation.what.slice(0, 90)}`;
}
await Promise.all(Array.from({ length: jobs }, worker));

const found = trials.filter(({ isFound }) => isFound);
const sorted = found.map(({ trial }) => trial.cpuSeconds).toSorted((a, b) => a - b);
const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
say(
  `\n${found.length} of ${trials.length} found (${((found.length / trials.length) * 100).toFixed(0)} %), median ${median.toFixed(1)} CPU seconds`,
);
process.exitCode = found.length >= 0.95 * trials.length ? 0 : 1;
