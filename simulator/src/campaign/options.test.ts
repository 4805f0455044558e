import { describe, expect, it } from 'vitest';
import { HELP, readOptions } from './options.ts';

describe('the options of npm run sim', () => {
  it('make a campaign of the first 200 seeds by default', () => {
    expect(readOptions([])).toMatchObject({
      kind: 'campaign',
      from: 1,
      seeds: 200,
      ledger: 'default',
      again: false,
    });
    expect(readOptions(['--from', '500', '--seeds', '3', '--jobs', '4', '--no-ledger', '--again'])).toEqual({
      kind: 'campaign',
      from: 500,
      seeds: 3,
      seconds: undefined,
      jobs: 4,
      ledger: 'none',
      again: true,
    });
  });

  it('let time alone end a campaign that has no number of seeds', () => {
    expect(readOptions(['--seconds', '60'])).toMatchObject({ seconds: 60, seeds: undefined });
    expect(readOptions(['--seconds', '60', '--seeds', '9'])).toMatchObject({ seconds: 60, seeds: 9 });
  });

  it('make one run of a seed or of a file', () => {
    const plain = { kind: 'one', story: false, minimiseRuns: undefined };
    expect(readOptions(['--seed', '0'])).toEqual({ ...plain, of: { seed: 0 } });
    expect(readOptions(['--plan', 'a.json', '--story'])).toEqual({
      ...plain,
      of: { file: 'a.json' },
      story: true,
    });
    expect(readOptions(['--seed', '7', '--minimise'])).toMatchObject({ minimiseRuns: 1000 });
    expect(readOptions(['--seed', '7', '--minimise', '--runs', '50'])).toMatchObject({ minimiseRuns: 50 });
  });

  it.each([
    [['--sed', '1'], "Unknown option '--sed'."],
    [['seven'], "Unexpected argument 'seven'."],
    [['--seed'], "Option '--seed <value>' argument missing."],
    [['--seed', 'x'], "--seed takes a whole number from 0 on, not 'x'."],
    [['--jobs', '0'], "--jobs takes a whole number from 1 on, not '0'."],
    [['--story'], '--story needs --seed or --plan.'],
    [['--seed', '1', '--seeds', '2'], '--seeds is for campaigns: it goes with neither --seed nor --plan.'],
    [['--seed', '1', '--plan', 'a'], '--seed and --plan are two runs: give one of them.'],
    [['--seed', '1', '--runs', '5'], '--runs needs --minimise.'],
    [['--bench', '--seed', '1'], '--seed does not go with --bench.'],
    [['--ledger', 'a', '--no-ledger'], '--ledger and --no-ledger contradict each other: give one of them.'],
  ])('refuse %j in one sentence', (args, sentence) => {
    expect(() => readOptions(args)).toThrow(new RegExp(`^${sentence.replaceAll(/[.<>]/g, String.raw`\$&`)}`));
    expect(() => readOptions(args)).not.toThrow(/\n/);
  });

  it('are all in the help', () => {
    expect(readOptions(['--seed', '1', '--help'])).toEqual({ kind: 'help' });
    for (const name of [
      'seeds',
      'from',
      'seconds',
      'jobs',
      'ledger',
      'no-ledger',
      'again',
      'seed',
      'plan',
      'story',
      'minimise',
      'runs',
      'bench',
    ]) {
      expect(HELP).toContain(`--${name} `);
    }
  });
});
