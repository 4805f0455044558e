import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { Differences } from './differences.ts';
import { buildTrees, fill } from './fill.ts';
import { type Begins, type Measured, measure, measureQuiet, type Quiet } from './measure.ts';
import { Pair } from './pair.ts';
import { count, ms, table } from './table.ts';

/**
 * `npm run bench:anti-entropy`: what it costs two owners with n keys to find that they are equal, and to
 * become equal when d of them differ. Messages, bytes and virtual time are the same in every run with the
 * same options; CPU moves with the machine.
 */
const numbers = (list: string) => list.split(',').filter(Boolean).map(Number);
const options = new Command('bench:anti-entropy')
  .option('--keys <n>', 'keys of both owners', Number, 1_000_000)
  .option('--differing <list>', 'how many of them differ, one measurement each', numbers, [0, 1, 100, 10_000])
  .option(
    '--growth <list>',
    'smaller stores of which 100 keys differ; "" for none',
    numbers,
    [10_000, 100_000],
  )
  .parse()
  .opts<{ keys: number; differing: readonly number[]; growth: readonly number[] }>();

if (options.differing.some((d) => d > options.keys)) throw new Error('more keys differ than there are');

const say = (line: string) => process.stdout.write(`${line}\n`);
const GROWTH_DIFFERING = 100;

interface Results {
  readonly quiet: Quiet | undefined;
  readonly measured: readonly Measured[];
}

/** Both stores are made, measured and thrown away. */
function run(keys: number, differing: readonly number[]): Results {
  const directory = mkdtempSync(join(tmpdir(), 'circlet-anti-entropy-'));
  const pair = new Pair(directory);
  try {
    const beganMs = performance.now();
    fill(pair, keys);
    const filledMs = performance.now();
    const built = buildTrees(pair, keys);
    const perMillion = built.cpuMs / pair.owners.length / (keys / 1e6);
    say(
      `${count(keys)} keys: filled in ${count((filledMs - beganMs) / 1000)} s; trees built in ` +
        `${count(built.virtualMs / 1000)} virtual s, ${count(perMillion)} ms CPU for a million rows of one`,
    );
    const differences = new Differences(pair, keys);
    const quiet = differing.includes(0) ? measureQuiet(pair) : undefined;
    const measured: Measured[] = [];
    // Not shown: the first walk of a process pays for the compiler.
    measure(pair, differences, { keys, differing: GROWTH_DIFFERING, kind: 'missing', begins: 'ahead' });
    for (const d of differing.filter((each) => each > 0)) {
      for (const kind of ['missing', 'older'] as const) {
        for (const begins of ['ahead', 'behind'] as const satisfies readonly Begins[])
          measured.push(measure(pair, differences, { keys, differing: d, kind, begins }));
      }
    }
    return { quiet, measured };
  } finally {
    for (const { store } of pair.owners) store.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function rowOf(of: Measured): readonly string[] {
  return [
    ...[of.keys, of.differing].map(count),
    of.kind,
    of.begins,
    ...[of.rounds, of.messages, of.frames, of.bytes, of.leastBytes].map(count),
    (of.bytes / of.leastBytes).toFixed(2),
    count(of.states),
    ...[of.aheadMs, of.behindMs, of.framesMs].map(ms),
    count(of.virtualMs),
  ];
}

const COSTS =
  'n,d,kind,begins,rounds,messages,frames,bytes,least,ratio,states,ahead ms,behind ms,frames ms,virtual ms';
const KINDS = ['treeRoots', 'treeNodes', 'treeRows', 'rowsAsk', 'rowsTold'] as const;

/** Where the bytes went, for each key that differed. */
function shareOf(of: Measured): readonly string[] {
  const each = (bytes: number) => (bytes / of.differing).toFixed(1);
  const known = KINDS.map((kind) => of.bytesOf[kind] ?? 0);
  const headers = of.bytes - known.reduce((sum, bytes) => sum + bytes, 0);
  const names = [count(of.keys), count(of.differing), of.kind, of.begins];
  return [...names, ...[...known, headers, of.bytes, of.leastBytes].map(each)];
}

const smaller = options.growth
  .filter((keys) => keys >= GROWTH_DIFFERING && keys < options.keys)
  .map((keys) => run(keys, [GROWTH_DIFFERING]));
const { quiet, measured } = run(options.keys, options.differing);
const grown = [...smaller.flatMap((each) => each.measured), ...measured];

if (quiet !== undefined) {
  const { rounds, counts, cpuMs } = quiet;
  say('\nequal owners (d = 0)');
  const cells = [counts.messages / rounds, counts.frames / rounds, counts.bytes / rounds, counts.states];
  say(
    table(
      ['rounds', 'messages a round', 'frames a round', 'bytes a round', 'states', 'ms CPU a round, both'],
      [
        [
          count(rounds),
          ...cells.map((each) => Number(each.toFixed(2)).toString()),
          (cpuMs / rounds).toFixed(2),
        ],
      ],
    ),
  );
}
say('\nd keys differ; CPU ms of the turns of both owners, and of encoding and decoding frames');
say(table(COSTS.split(','), measured.map(rowOf)));
say('\nbytes for each key that differs');
say(table(['n', 'd', 'kind', 'begins', ...KINDS, 'headers', 'all', 'least'], measured.map(shareOf)));
if (smaller.length > 0) {
  say(`\ngrowth with n, d = ${GROWTH_DIFFERING}`);
  const rows = grown.filter(({ differing }) => differing === GROWTH_DIFFERING);
  say(table(COSTS.split(','), rows.map(rowOf)));
}
