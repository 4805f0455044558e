import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeClientStep, fakeCrash, fakeOutcome, fakePlan } from './fakes.case.ts';
import { oneRun, type RunPlan } from './one-run.ts';
import { readPlan } from './plan-file.ts';

const plan = fakePlan(7, [fakeClientStep(1), fakeClientStep(2), fakeCrash(300, 'n4')]);

/** Fails when there is a crash. */
const runPlan: RunPlan = ({ seed, steps }, { story } = {}) => {
  story?.(`       0.300 s  ${steps.length} steps`);
  const fails = steps.some(({ kind }) => kind === 'fault');
  return fakeOutcome(seed, fails ? [{ invariant: 'I3', atMs: 1234, what: 'key-1 lost a write' }] : []);
};

describe('one run', () => {
  let folder = '';
  let failureFile = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'circlet-run-'));
    failureFile = join(folder, 'failures', 'seed-7.json');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function told(of = plan, changes: { story?: boolean; minimiseRuns?: number } = {}) {
    const lines: string[] = [];
    const say = (line: string) => lines.push(line);
    const options = {
      story: false,
      isPart: false,
      minimiseRuns: undefined,
      failureFile,
      say,
      progress: () => {},
      ...changes,
    };
    return { well: oneRun(of, runPlan, options), text: lines.join('\n') };
  }

  it('says what the plan is, what came of it, and its trace', () => {
    const { well, text } = told();
    expect(well).toBe(false);
    expect(text).toBe(
      [
        'seed 7',
        'cluster     7 storage pods in 3 zones, 3 coordinators, N=3, 16 vnodes',
        'limits      100 hinted keys, 8 siblings, 64 requests',
        'repair      by reads and hints only',
        'clocks      1000 ms apart, drift 200 ppm',
        'network     hop 1 ms, loss 1 %, duplicated 1 %, late 1 % by up to 500 ms',
        'load        8 clients, 8 keys, 2 operations and 1 faults within 1000.0 s',
        'operations  100, of which 90 succeeded: written 60, found 40',
        'faults      crash 2, freeze 1',
        'simulated   60.0 s; converged 0.07 s after everything was healed',
        'excused     1 acknowledged writes that only writes of unknown outcome replaced',
        'violations  1',
        '      1.23 s  I3: key-1 lost a write',
        'trace 0123456789abcdef',
      ].join('\n'),
    );
  });

  it('tells its story when asked', () => {
    expect(told().text).not.toContain('3 steps');
    expect(told(plan, { story: true }).text).toContain('0.300 s  3 steps\noperations');
  });

  it('shrinks a plan that fails, tells that story, and writes a file from which it runs again', () => {
    const { well, text } = told(plan, { minimiseRuns: 100 });
    expect(well).toBe(false);
    expect(text).toContain('1 steps');
    expect(text).toContain(`npm run sim -- --plan ${failureFile} --story`);
    const small = readPlan(failureFile);
    expect(small.steps).toHaveLength(1);
    expect(told(small).well).toBe(false);
  });

  it('shrinks nothing when all is well', () => {
    const { well, text } = told(fakePlan(7), { minimiseRuns: 100 });
    expect(well).toBe(true);
    expect(text).toContain('It violates nothing, so there is nothing to shrink.');
    expect(existsSync(failureFile)).toBe(false);
  });

  it('says in a sentence why a file is no plan', () => {
    const file = join(folder, 'x.json');
    expect(() => readPlan(file)).toThrow(`${file} cannot be read (ENOENT): see where --minimise wrote it.`);
    writeFileSync(file, '{');
    expect(() => readPlan(file)).toThrow(`${file} is not JSON: give a file that --minimise wrote.`);
    writeFileSync(file, '{"seed":1,"steps":[]}');
    expect(() => readPlan(file)).toThrow(
      `${file} has no shape, network, busyMs: give a file that --minimise wrote.`,
    );
  });
});
