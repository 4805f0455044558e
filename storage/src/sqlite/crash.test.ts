import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Prng } from '@circlet/shared/prng.ts';
import { describe, expect, it } from 'vitest';
import { ackedIn, present } from './committer.case.ts';
import { COMMITTER, scratch, works } from './scratch.case.ts';
import { SqliteStore } from './sqlite-store.ts';

const directory = scratch();

function syncs(name: string, count: number, pragmas: readonly string[]): number {
  const log = join(directory, `${name}.syncs`);
  const child = [
    process.execPath,
    COMMITTER,
    join(directory, name, 's.sqlite'),
    '0',
    String(count),
    ...pragmas,
  ];
  const strace = ['-f', '-qq', '-e', 'trace=fsync,fdatasync', '-o', log];
  const { stdout, stderr } = spawnSync('strace', [...strace, ...child], { encoding: 'utf8' });
  expect([ackedIn(stdout).length, stderr]).toEqual([count, '']);
  return readFileSync(log, 'utf8').match(/f(?:data)?sync\(\d+\) += 0/g)?.length ?? 0;
}

describe.skipIf(!works('syncs are not counted', 'strace', '-V'))('every commit', () => {
  it('is synced to the disk before it returns', () => {
    expect(syncs('full', 100, [])).toBeGreaterThanOrEqual(100);
  });

  it('would not be with synchronous=NORMAL: this test can fail', () => {
    expect(syncs('normal', 100, ['synchronous=NORMAL'])).toBeLessThan(50);
  });
});

describe('a process killed with SIGKILL at a random moment', () => {
  it('has lost no write that it acknowledged, 20 times over on one file', async () => {
    const prng = new Prng(11);
    const path = join(directory, 'killed', 's.sqlite');
    const acked = new Set<number>();
    let inMidst = 0;
    for (let life = 0; life < 20; life++) {
      const first = acked.size === 0 ? 0 : Math.max(...acked) + 1;
      const output = await killed([path, String(first), '999'], prng.next() * 40);
      const heard = ackedIn(output);
      for (const write of heard) acked.add(write);
      if (heard.length > 0) inMidst++;
      const store = new SqliteStore({ path, cacheKiB: 1024 });
      const there = present(store, Math.max(0, ...acked) + 1);
      store.close();
      expect([...acked].filter((write) => !there.has(write))).toEqual([]);
      expect(output).not.toContain('failed');
    }
    expect(inMidst).toBeGreaterThan(10);
  });
});

/** What the process printed when it was killed `afterMs` after its first acknowledgement. */
async function killed(args: readonly string[], afterMs: number): Promise<string> {
  const child = spawn(process.execPath, [COMMITTER, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (output === '') setTimeout(() => child.kill('SIGKILL'), afterMs);
    output += text;
  });
  await once(child, 'close');
  return output;
}
