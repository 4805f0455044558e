import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bytes, everything, got, put, turn } from '../core/store.case.ts';
import { ackedIn, locatorOf, present, valueOf } from './committer.case.ts';
import { COMMITTER, scratch, works } from './scratch.case.ts';
import { isDiskFull, isFatalStoreError, SqliteStore } from './sqlite-store.ts';

const directory = scratch();
const small = join(directory, 'small');
mkdirSync(small);
const canMount = works('a full disk is not tried', 'mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small);
afterAll(() => {
  if (canMount) spawnSync('umount', [small]);
});

const open = (path: string): SqliteStore => new SqliteStore({ path, cacheKiB: 1024 });

/** Leaves about `freeKiB` free on the small disk. */
function fill(freeKiB: number): void {
  const ballast = join(small, 'ballast');
  for (let kib = 2048; kib > 0; kib -= 4) {
    try {
      writeFileSync(ballast, new Uint8Array(kib * 1024));
      writeFileSync(ballast, new Uint8Array(Math.max(0, kib - freeKiB) * 1024));
      return;
    } catch {
      rmSync(ballast, { force: true });
    }
  }
}

describe.skipIf(!canMount)('a full disk', () => {
  it('fails the commit, undoes the turn, leaves reads working, and is no reason to end the process', () => {
    const store = open(join(small, 'a', 's.sqlite'));
    let committed = 0;
    const failure = (() => {
      for (;;) {
        store.begin();
        try {
          store.put('rows', locatorOf(committed), valueOf(committed));
          store.commit();
          committed++;
        } catch (error) {
          store.rollback();
          return error;
        }
      }
    })();
    expect(String(failure)).toContain('full');
    expect([isDiskFull(failure), isFatalStoreError(failure)]).toEqual([true, false]);
    expect(committed).toBeGreaterThan(50);
    expect(present(store, committed + 1).size).toBe(committed);
    expect(store.count('rows')).toBe(committed);
    expect(store.hasRoom()).toBe(false);
    store.close();
    const again = open(join(small, 'a', 's.sqlite'));
    expect(present(again, committed + 1).size).toBe(committed);
    again.close();
    rmSync(join(small, 'a'), { recursive: true });
  });

  it('has room again when as much is free as a turn of small writes needs, and not before', () => {
    const store = open(join(small, 'b', 's.sqlite'));
    put(store, 'rows', { prefix: 1, key: bytes('k') }, 'value');
    fill(0);
    expect(store.hasRoom()).toBe(false);
    fill(400);
    expect(store.hasRoom()).toBe(false);
    rmSync(join(small, 'ballast'));
    expect(store.hasRoom()).toBe(true);
    expect(everything(store, 'rows', 10)).toEqual(['1 k=value']);
    store.close();
    rmSync(join(small, 'b'), { recursive: true });
  });

  it('does not disturb the counts of earlier turns when room is looked for in vain', () => {
    const store = open(join(small, 'c', 's.sqlite'));
    turn(store, () => {
      for (let i = 0; i < 3; i++) store.put('hints', locatorOf(i), valueOf(i));
    });
    fill(100);
    turn(store, () => store.delete('hints', locatorOf(0)));
    expect(store.hasRoom()).toBe(false);
    expect(store.count('hints')).toBe(2);
    expect(got(store, 'hints', locatorOf(0))).toBe('absent');
    store.close();
  });
});

describe.skipIf(!works('failing syncs are not tried', 'strace', '-V'))('a sync that fails', () => {
  it('is no acknowledgement, and the process must end', () => {
    const path = join(directory, 'eio', 's.sqlite');
    const inject = 'inject=fsync,fdatasync:error=EIO:when=40';
    const child = [process.execPath, COMMITTER, path, '0', '100'];
    const strace = [
      '-f',
      '-qq',
      '-e',
      'trace=fsync,fdatasync',
      '-e',
      inject,
      '-o',
      join(directory, 'eio.trace'),
    ];
    const { stdout } = spawnSync('strace', [...strace, ...child], { encoding: 'utf8' });
    const acked = ackedIn(stdout);
    expect(stdout).toMatch(/failed fatal=true full=false .*disk I\/O error/);
    expect(acked.length).toBeGreaterThan(20);
    expect(acked.length).toBeLessThan(40);
    const store = open(path);
    const there = present(store, 100);
    expect(acked.filter((write) => !there.has(write))).toEqual([]);
    store.close();
  });
});

const failing = (errcode: number) => Object.assign(new Error('x'), { errcode });

describe('an error of the store', () => {
  it.each([
    ['IOERR_FSYNC', 10 | (4 << 8), true, false],
    ['CORRUPT_VTAB', 11 | (1 << 8), true, false],
    ['NOTADB', 26, true, false],
    ['FULL', 13, false, true],
    ['BUSY', 5, false, false],
    ['CONSTRAINT', 19, false, false],
  ])('%s ends the process: %s, %s; or says that the disk is full: %s', (_, code, isFatal, isFull) => {
    expect([isFatalStoreError(failing(code)), isDiskFull(failing(code))]).toEqual([isFatal, isFull]);
  });

  it('is none when it is something else', () => {
    for (const other of [undefined, null, 'full', new Error('full'), { errcode: '10' }]) {
      expect([isFatalStoreError(other), isDiskFull(other)]).toEqual([false, false]);
    }
  });
});
