import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { campaign, type CampaignOptions } from './campaign.ts';
import { read } from './ledger-file.ts';

describe('a campaign', () => {
  let folder = '';
  let path = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'circlet-campaign-'));
    path = join(folder, 'ledger.jsonl');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function ran(options: Partial<CampaignOptions>) {
    const lines: string[] = [];
    const well = await campaign({
      from: 1,
      seeds: 20,
      seconds: undefined,
      jobs: 2,
      ledger: { path, commit: 'c0ffee' },
      again: false,
      worker: new URL('fake-worker.case.ts', import.meta.url),
      say: (line) => lines.push(line),
      progress: { write: () => true },
      interrupt: new AbortController().signal,
      ...options,
    });
    return { well, text: lines.join('\n') };
  }

  it('says what its seeds came to', async () => {
    const { well, text } = await ran({ seeds: 30 });
    expect(well).toBe(true);
    expect(text).toMatch(/^seeds +30$/m);
    expect(text).toMatch(/^simulated hours +0.50$/m);
    expect(text).toMatch(/^operations +3 000$/m);
    expect(text).toMatch(/^ {2}succeeded +2 700$/m);
    expect(text).toMatch(/^ {2}crash +60$/m);
    expect(text).toMatch(/^convergence, median +0.15 s$/m);
    expect(text).toMatch(/^convergence, p99 +0.30 s$/m);
    expect(text).toMatch(/^failing seeds +0$/m);
  });

  it('skips what is in the ledger, unless again', async () => {
    await ran({ seeds: 15 });
    const more = await ran({ seeds: 25 });
    expect(more.text).toContain(`15 of 25 seeds are in ${path} (--again runs them once more)`);
    expect(more.text).toMatch(/this run +whole ledger\nseeds +10 +25$/m);
    const none = await ran({ seeds: 25 });
    expect(none.text).toContain(`25 of 25 seeds are in ${path}: nothing to run`);
    const again = await ran({ seeds: 5, again: true });
    expect(again.text).toMatch(/^seeds +5 +30$/m);
    const other = await ran({ seeds: 5, ledger: { path, commit: 'decade' } });
    expect(other.text).toMatch(/^seeds +5$/m);
  });

  it('says at once which seed fails and how to see it again, now and when it is in the ledger', async () => {
    const sentence =
      'seed 1003 violates I3 (and I5): key-1 lost what seed 1003 wrote\n  npm run sim -- --seed 1003';
    const first = await ran({ from: 1001, seeds: 6 });
    expect(first.well).toBe(false);
    expect(first.text).toContain(sentence);
    expect(first.text).toContain(
      'seed 1005 violates sound: a machine met its own bug\n  npm run sim -- --seed 1005',
    );
    expect(first.text).toMatch(/^failing seeds +2\n {2}I3 +1\n {2}I5 +1\n {2}sound +1$/m);
    const known = await ran({ from: 1001, seeds: 6 });
    expect(known.well).toBe(false);
    expect(known.text).toContain(sentence);
    const behind = await ran({ from: 1006, seeds: 1 });
    expect(behind.well).toBe(true);
  });

  it('keeps what it has when it is interrupted, and goes on from there', async () => {
    const interrupt = new AbortController();
    const lines: string[] = [];
    const say = (line: string) => {
      lines.push(line);
      if (line.startsWith('seed 1003')) interrupt.abort();
    };
    await ran({ from: 1001, seeds: 1000, jobs: 1, interrupt: interrupt.signal, say });
    expect(lines.at(-1)).toBe(
      `Interrupted. Finished seeds are in ${path}: the same command goes on from there.`,
    );
    // Those that came in before the process was dead are kept too.
    const [entry, ...others] = read(path);
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ from: 1001, seeds: (entry?.to ?? 0) - 1000 });
    expect(entry?.seeds).toBeGreaterThanOrEqual(3);
    const rest = await ran({ from: 1001, seeds: 3 });
    expect(rest.text).toContain('3 of 3 seeds are in ');
    const beyond = await ran({ from: 3001, seeds: 4 });
    expect(beyond.text).not.toContain(' are in ');
  });

  it('begins no seeds when its time is over', async () => {
    const { text } = await ran({ from: 2001, seeds: undefined, seconds: 1, jobs: 1, ledger: undefined });
    const [, seeds] = /^seeds +(\d+)$/m.exec(text) ?? [];
    expect(Number(seeds ?? 0)).toBeLessThan(12);
  });

  it('says so when there was no time for a seed', async () => {
    const interrupt = AbortSignal.abort();
    const { text } = await ran({ interrupt });
    expect(text).toMatch(/^No seed was run\.\nInterrupted\. /);
  });
});
