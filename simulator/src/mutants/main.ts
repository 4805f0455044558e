import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { type Mutant, MUTANTS } from './mutants.ts';
import type { Trial } from './trial.ts';

/** `npm run sim:mutants`: which of the bugs made on purpose the simulation finds, by what, and what that costs. */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** CPU seconds for each before it counts as not found. */
    seconds: { type: 'string', default: '60' },
    /** How many at the same time. */
    jobs: { type: 'string', default: String(availableParallelism()) },
  },
});
const seconds = Number(values.seconds);
const jobs = Number(values.jobs);
const wanted = MUTANTS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const say = (line: string) => process.stdout.write(`${line}\n`);

async function tryOn({ name }: Mutant): Promise<Trial> {
  const args = ['--max-semi-space-size=32', '--import', here('inject.ts'), here('trial.ts'), String(seconds)];
  const env = { ...process.env, CIRCLET_MUTANT: name };
  const { stdout } = await promisify(execFile)(process.execPath, args, { env, maxBuffer: 2 ** 26 });
  return JSON.parse(stdout) as Trial;
}

const trials: { readonly mutant: Mutant; readonly trial: Trial }[] = [];
const waiting = [...wanted];
async function worker(): Promise<void> {
  for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
    const trial = await tryOn(mutant);
    trials.push({ mutant, trial });
    const cost = `${trial.seeds} seeds, ${trial.cpuSeconds.toFixed(1)} s`;
    const { violation } = trial;
    const by =
      violation === undefined
        ? `NOT FOUND (${mutant.breaks})`
        : `${violation.invariant.padEnd(8)} ${violation.what.slice(0, 90)}`;
    say(`${mutant.name.padEnd(30)} ${cost.padEnd(20)} ${by}`);
  }
}
await Promise.all(Array.from({ length: jobs }, worker));

const found = trials.filter(({ trial }) => trial.violation !== undefined);
const sorted = found.map(({ trial }) => trial.cpuSeconds).toSorted((a, b) => a - b);
const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
say(
  `\n${found.length} of ${trials.length} found (${((found.length / trials.length) * 100).toFixed(0)} %), median ${median.toFixed(1)} CPU seconds`,
);
process.exitCode = found.length >= 0.95 * trials.length ? 0 : 1;
