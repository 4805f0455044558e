import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { assert, must } from '@circlet/shared/assert.ts';
import { Prng } from '@circlet/shared/prng.ts';
import { at, bytes, conforms, everything, got, put, turn } from '@circlet/storage/core/store.case.ts';
import type { Locator, Store, Table } from '@circlet/storage/core/store.ts';
import { inside } from '@circlet/storage/sqlite/inside.case.ts';
import { SqliteStore, StoreUnusable } from '@circlet/storage/sqlite/sqlite-store.ts';
import { afterEach, describe, expect, it } from 'vitest';
import { committedLog } from './log.ts';
import { scratch } from './scratch.ts';
import { SqliteDisk } from './sqlite-disk.ts';

const DISK = '0123456789abcdef0123456789abcdef';

let made: SqliteDisk[] = [];
const diskOf = new WeakMap<object, SqliteDisk>();

function newDisk(): SqliteDisk {
  const disk = new SqliteDisk(DISK);
  made.push(disk);
  return disk;
}

/** Opens the disk, and remembers whose store it is. */
function opened(disk: SqliteDisk): Store {
  const store = disk.open();
  diskOf.set(store, disk);
  return store;
}

const diskUnder = (store: Store): SqliteDisk => must(diskOf.get(store), 'a store of this test');

afterEach(() => {
  for (const disk of made) disk.remove();
  made = [];
});

/** Where the disk has its files now. */
const filesOf = (disk: SqliteDisk): string => {
  const root = String(Reflect.get(disk, 'directory'));
  return join(root, must(readdirSync(root)[0], 'a generation'));
};

const logSize = (disk: SqliteDisk): number => readFileSync(join(filesOf(disk), 'store.sqlite-wal')).length;

/** Flips the last bit of the row's blob, behind the store's back. */
function damage(store: Store, table: Table, { prefix }: Locator): void {
  assert(store instanceof SqliteStore, 'a SQLite store');
  const d = inside(store).prepare(`SELECT d FROM ${table} WHERE h = ?`).get(prefix)?.['d'];
  assert(d instanceof Uint8Array, 'a row with a blob');
  const flipped = d.map((byte, i) => (i === d.length - 1 ? byte ^ 1 : byte));
  inside(store).prepare(`UPDATE ${table} SET d = ? WHERE h = ?`).run(flipped, prefix);
}

/** Commits one turn after another; turn i writes two rows far apart, so that half of it can be seen. */
function commitTurn(store: Store, i: number): void {
  turn(store, () => {
    store.put('rows', at(i), bytes(`value ${i}`.repeat(30)));
    store.put('rows', at(1_000_000 + i), bytes(`value ${i}`.repeat(30)));
  });
}

/** What is there of the first `count` turns: `w`hole, `-` nothing, `!` anything else. */
function turnsIn(store: Store, count: number): string {
  const value = (i: number) => `value ${i}`.repeat(30);
  return Array.from({ length: count }, (_, i) => {
    const both = [at(i), at(1_000_000 + i)].map((where) => got(store, 'rows', where));
    if (both.every((found) => found === value(i))) return 'w';
    return both.every((found) => found === 'absent') ? '-' : '!';
  }).join('');
}

function expectSound(store: Store): void {
  assert(store instanceof SqliteStore, 'a SQLite store');
  expect(inside(store).prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
}

describe('the store of a simulated disk, reopened after it was closed', () => {
  conforms({
    create: () => opened(newDisk()),
    damage,
    reopen: (store) => {
      store.close();
      return opened(diskUnder(store));
    },
  });
});

describe('the store of a simulated disk, reopened after its process was killed', () => {
  conforms({ create: () => opened(newDisk()), damage, reopen: (store) => opened(diskUnder(store)) });
});

describe('a process that is killed', () => {
  it('leaves what it committed, and nothing of the turn it was in', () => {
    const disk = newDisk();
    const store = disk.open();
    put(store, 'rows', at(1), 'committed');
    turn(store, () => store.writeMeta('m', bytes('committed')));
    store.begin();
    store.put('rows', at(1), bytes('never'));
    store.put('rows', at(2), bytes('never'));
    store.writeMeta('m', bytes('never'));
    const next = disk.open();
    expect(everything(next, 'rows', 10)).toEqual(['1 key 1=committed']);
    expect(next.readMeta('m')).toEqual(bytes('committed'));
    expect(next.disk).toBe(DISK);
  });

  it('leaves nothing of a turn so large that it was logged before it was over', () => {
    const disk = newDisk();
    const store = disk.open();
    put(store, 'rows', at(0), 'committed');
    const before = logSize(disk);
    store.begin();
    for (let i = 1; i < 60; i++) store.put('rows', at(i), new Uint8Array(100_000));
    expect(logSize(disk)).toBeGreaterThan(before + 1_000_000);
    expect(everything(disk.open(), 'rows', 100)).toEqual(['0 key 0=committed']);
  });

  it('leaves the log as it was: nothing is checked in on its behalf', () => {
    const disk = newDisk();
    put(disk.open(), 'rows', at(1), 'in the log');
    const before = readFileSync(join(filesOf(disk), 'store.sqlite-wal'));
    disk.open();
    expect(before.length).toBeGreaterThan(0);
    expect(readFileSync(join(filesOf(disk), 'store.sqlite-wal')).equals(before)).toBe(true);
  });

  it('can write no more, and be closed', () => {
    const disk = newDisk();
    const killed = disk.open();
    const next = disk.open();
    expect(() => put(killed, 'rows', at(1), 'from the grave')).toThrow('statement has been finalized');
    killed.close();
    put(next, 'rows', at(2), 'alive');
    expect(everything(next, 'rows', 10)).toEqual(['2 key 2=alive']);
  });

  it('is survived by its disk any number of times, in one generation of files', () => {
    const disk = newDisk();
    for (let i = 0; i < 50; i++) {
      const store = disk.open();
      commitTurn(store, i);
      if (i % 7 === 0) store.close();
    }
    expect(turnsIn(disk.open(), 50)).toBe('w'.repeat(50));
    expect(readdirSync(join(filesOf(disk), '..'))).toHaveLength(1);
  });
});

describe('a store that was closed', () => {
  it('is opened again where it lies', () => {
    const disk = newDisk();
    const store = disk.open();
    put(store, 'rows', at(1), 'value');
    store.close();
    const files = filesOf(disk);
    expect(readdirSync(files)).toEqual(['store.sqlite']);
    expect(got(disk.open(), 'rows', at(1))).toBe('value');
    expect(filesOf(disk)).toBe(files);
  });
});

describe('a disk whose file is no store any more', () => {
  it('is opened as an empty one of another name: the file is set aside, as a pod does', () => {
    const disk = newDisk();
    const store = disk.open();
    put(store, 'rows', at(1), 'value');
    store.close();
    const file = join(filesOf(disk), 'store.sqlite');
    writeFileSync(file, Buffer.alloc(readFileSync(file).length, 'x'));
    const next = disk.open();
    expect([got(next, 'rows', at(1)), next.disk === store.disk]).toEqual(['absent', false]);
    put(next, 'rows', at(2), 'value');
    expect([disk.open().disk, got(disk.open(), 'rows', at(2))]).toEqual([next.disk, 'value']);
  });

  it('says so each time it is opened when the file is somebody else’s, and opens when its own is back', () => {
    const disk = newDisk();
    const store = disk.open();
    put(store, 'rows', at(1), 'value');
    store.close();
    const file = join(filesOf(disk), 'store.sqlite');
    const good = readFileSync(file);
    // A version that can come yet.
    writeFileSync(file, good.subarray(0, 63));
    appendFileSync(file, Buffer.of(2));
    appendFileSync(file, good.subarray(64));
    for (let i = 0; i < 3; i++) expect(() => disk.open()).toThrow(StoreUnusable);
    writeFileSync(file, good);
    expect(got(disk.open(), 'rows', at(1))).toBe('value');
  });
});

describe('a snapshot', () => {
  it('has what is committed, under the same name, while the store is open and in a turn', () => {
    const disk = newDisk();
    const store = disk.open();
    put(store, 'rows', at(1), 'committed');
    store.begin();
    store.put('rows', at(2), bytes('not yet'));
    const copy = disk.snapshot();
    made.push(copy);
    store.commit();
    const copied = copy.open();
    expect(everything(copied, 'rows', 10)).toEqual(['1 key 1=committed']);
    expect(copied.disk).toBe(DISK);
    expect(store.count('rows')).toBe(2);
  });

  it('and its original know nothing of each other from then on', () => {
    const disk = newDisk();
    const store = disk.open();
    put(store, 'rows', at(1), 'both');
    const copy = disk.snapshot();
    made.push(copy);
    const copied = copy.open();
    put(store, 'rows', at(2), 'original');
    put(copied, 'rows', at(3), 'copy');
    disk.flipLog(() => 0);
    expect(everything(copied, 'rows', 10)).toEqual(['1 key 1=both', '3 key 3=copy']);
    disk.remove();
    expect(everything(copy.open(), 'rows', 10)).toEqual(['1 key 1=both', '3 key 3=copy']);
  });

  it('of a disk that was never opened is an empty disk', () => {
    const copy = newDisk().snapshot();
    made.push(copy);
    expect(copy.open().count('rows')).toBe(0);
  });
});

/** Brings the log into the main file: the next commit begins it anew, over the old one. */
function checkIn(store: Store): void {
  assert(store instanceof SqliteStore, 'a SQLite store');
  inside(store).exec('PRAGMA wal_checkpoint');
}

function logHints(store: Store): void {
  for (let i = 0; i < 8; i++) put(store, 'hints', at(i), 'x'.repeat(1000 * i));
}

describe('a commit that was torn', () => {
  it.each<[string, (store: Store, earlier: () => void) => void]>([
    ['grows', (_, earlier) => earlier()],
    [
      'begins anew with it',
      (store, earlier) => {
        logHints(store);
        earlier();
        checkIn(store);
      },
    ],
    [
      'began anew, over the old one',
      (store, earlier) => {
        logHints(store);
        checkIn(store);
        put(store, 'hints', at(9), 'in the new log');
        earlier();
      },
    ],
  ])('is there as a whole or not at all, and all before it is: in a log that %s', (_, prepare) => {
    const outcomes = new Map<string, number>();
    for (let seed = 0; seed < 200; seed++) {
      const { next } = new Prng(seed);
      const disk = newDisk();
      const earlier = seed % 5;
      const store = disk.open();
      prepare(store, () => {
        for (let i = 0; i < earlier; i++) commitTurn(store, i);
      });
      const hints = everything(store, 'hints', 10);
      disk.markLog();
      commitTurn(store, earlier);
      expect(disk.tearLastCommit(next)).toBe(true);
      const after = disk.open();
      expectSound(after);
      const found = turnsIn(after, earlier + 1);
      expect(found.slice(0, earlier)).toBe('w'.repeat(earlier));
      expect(everything(after, 'hints', 10)).toEqual(hints);
      const outcome = found.slice(earlier);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      // And the pod goes on.
      commitTurn(after, 9);
      expect(turnsIn(disk.open(), 10).at(9)).toBe('w');
      disk.remove();
    }
    expect([...outcomes.keys()].toSorted()).toEqual(['-', 'w']);
    expect(Math.min(...outcomes.values())).toBeGreaterThan(20);
  });

  it('takes a tear for it to be lost: each way of tearing loses it, and a sync that was over does not', () => {
    const luck = { spared: [0.1], cut: [0.3, 0.5], lost: [0.6, 0, 0.9, 0.1], garbled: [0.6, 0, 0.9, 0.9] };
    const found = Object.entries(luck).map(([way, draws]) => {
      const disk = newDisk();
      const store = disk.open();
      commitTurn(store, 0);
      disk.markLog();
      commitTurn(store, 1);
      const whole = logSize(disk);
      let draw = 0;
      const last = draws.at(-1) as number;
      expect(disk.tearLastCommit(() => draws[draw++] ?? last)).toBe(true);
      const size = logSize(disk) < whole ? 'shorter' : 'as long';
      return `${way}: ${size} ${turnsIn(disk.open(), 2)}`;
    });
    expect(found).toEqual([
      'spared: as long ww',
      'cut: shorter w-',
      'lost: as long w-',
      'garbled: as long w-',
    ]);
  });

  it('is not torn when there was none since the log was marked, or it was checked in at once', () => {
    const disk = newDisk();
    const torn = (work: (store: Store) => void): boolean => {
      const store = disk.open();
      commitTurn(store, 0);
      disk.markLog();
      work(store);
      return disk.tearLastCommit(() => 0.6);
    };
    expect(torn(() => undefined)).toBe(false);
    expect(torn((store) => turn(store, () => store.get('rows', at(1))))).toBe(false);
    expect(torn((store) => store.close())).toBe(false);
    const all = (store: Store) =>
      turn(store, () => {
        for (let i = 0; i < 20; i++) store.put('hints', at(i), new Uint8Array(1_000_000));
      });
    expect(torn(all)).toBe(false);
    expect(disk.open().count('hints')).toBe(20);
    expect(turnsIn(disk.open(), 1)).toBe('w');
  });

  it('is not torn when the log was marked for an earlier process', () => {
    const disk = newDisk();
    disk.open();
    disk.markLog();
    commitTurn(disk.open(), 0);
    expect(disk.tearLastCommit(() => 0.6)).toBe(false);
    expect(turnsIn(disk.open(), 1)).toBe('w');
  });

  it('cannot be written to by the process that made it', () => {
    const disk = newDisk();
    const store = disk.open();
    disk.markLog();
    commitTurn(store, 0);
    disk.tearLastCommit(() => 0.6);
    expect(() => commitTurn(store, 1)).toThrow('statement has been finalized');
  });
});

describe('a flipped bit of the log', () => {
  it('loses the last commits and never anything else', () => {
    const lost = new Map<number, number>();
    for (let seed = 0; seed < 200; seed++) {
      const { next } = new Prng(seed);
      const disk = newDisk();
      const store = disk.open();
      for (let i = 0; i < 12; i++) commitTurn(store, i);
      expect(disk.flipLog(next)).toBe(true);
      const after = disk.open();
      expectSound(after);
      expect(after.disk).toBe(DISK);
      const found = turnsIn(after, 12);
      expect(found).toMatch(/^w*-+$/);
      const count = found.length - found.indexOf('-');
      lost.set(count, (lost.get(count) ?? 0) + 1);
      disk.remove();
    }
    expect(Math.max(...lost.keys())).toBeLessThanOrEqual(8);
    expect(lost.size).toBeGreaterThan(1);
  });

  it('loses nothing that was checked in: a log all of which is in the file is left alone', () => {
    for (let seed = 0; seed < 50; seed++) {
      const { next } = new Prng(seed);
      const disk = newDisk();
      const store = disk.open();
      for (let age = 0; age < 3; age++) for (let i = 0; i < 9; i++) put(store, 'rows', at(i), `age ${age}`);
      checkIn(store);
      const rows = everything(store, 'rows', 100);
      expect(disk.flipLog(next)).toBe(false);
      const second = disk.open();
      expect(everything(second, 'rows', 100)).toEqual(rows);
      checkIn(second);
      put(second, 'rows', at(9), 'in a new log');
      expect(disk.flipLog(next)).toBe(true);
      const third = disk.open();
      expectSound(third);
      expect(everything(third, 'rows', 100)).toEqual(rows);
      disk.remove();
    }
  });

  it('needs a log', () => {
    const disk = newDisk();
    expect(disk.flipLog(() => 0)).toBe(false);
    const store = disk.open();
    expect(disk.flipLog(() => 0)).toBe(false);
    expect(disk.open().disk).toBe(store.disk);
    put(disk.open(), 'rows', at(1), 'value');
    disk.open().close();
    expect(disk.flipLog(() => 0)).toBe(false);
    expect(got(disk.open(), 'rows', at(1))).toBe('value');
  });
});

describe('a flipped bit of a row', () => {
  /** Rows that were moved, replaced and deleted: the file is full of what they were. */
  function worn(): SqliteDisk {
    const disk = newDisk();
    const store = disk.open();
    const value = (i: number, age: number) => bytes(`${i} of age ${age};`.repeat(1 + ((i * 7 + age) % 40)));
    for (let age = 0; age < 3; age++) {
      turn(store, () => {
        for (let i = 0; i < 300; i++) store.put('rows', at((i * 7919) % 300), value(i, age % 2));
        for (let i = 0; i < 300; i += 5) store.delete('rows', at(i));
      });
    }
    turn(store, () => {
      store.put('rows', at(2 ** 52 - 1), bytes('far'));
      store.put('rows', at(1000), new Uint8Array(50_000));
      store.put('hints', at(1), bytes('hint'));
      store.writeMeta('m', bytes('meta'));
    });
    store.close();
    return disk;
  }

  const kinds = (store: Store) =>
    store
      .scan('rows', undefined, 1000)
      .map((entry) => (entry.kind === 'found' ? Buffer.from(entry.value).toString('latin1') : entry.kind));

  it('makes that row corrupt and leaves every other as it was', () => {
    const disk = worn();
    const store = disk.open();
    const before = kinds(store);
    expect(before).toHaveLength(242);
    store.close();
    const hit = new Set<number>();
    for (let seed = 0; seed < 200; seed++) {
      const copy = disk.snapshot();
      made.push(copy);
      expect(copy.flipRow(new Prng(seed).next)).toBe(true);
      const after = copy.open();
      expectSound(after);
      const changed = kinds(after).flatMap((kind, i) => (kind === before[i] ? [] : [{ kind, i }]));
      expect(changed).toMatchObject([{ kind: 'corrupt' }]);
      expect(kinds(after)).toHaveLength(before.length);
      expect(got(after, 'hints', at(1))).toBe('hint');
      expect(after.readMeta('m')).toEqual(bytes('meta'));
      for (const { i } of changed) hit.add(i);
      copy.remove();
    }
    expect(hit.size).toBeGreaterThan(80);
  });

  it('is never flipped back: each flip damages another row, until none is whole', () => {
    // Some pages full of them.
    const ROWS = 200;
    const disk = newDisk();
    const store = disk.open();
    for (let i = 0; i < ROWS; i++) put(store, 'rows', at(i), 'v'.repeat(100));
    store.close();
    const { next } = new Prng(1);
    for (let i = 1; i <= ROWS; i++) {
      expect(disk.flipRow(next)).toBe(true);
      const after = disk.open();
      expect(after.scan('rows', undefined, ROWS).filter(({ kind }) => kind === 'corrupt')).toHaveLength(i);
      after.close();
    }
    expect(disk.flipRow(next)).toBe(false);
  });

  it('hits rows that a killed process left in the log, and needs a row', () => {
    const disk = newDisk();
    expect(disk.flipRow(() => 0)).toBe(false);
    const store = disk.open();
    expect(disk.flipRow(() => 0)).toBe(false);
    expect(store.disk).toBe(DISK);
    put(disk.open(), 'rows', at(1), 'value');
    expect(disk.flipRow(() => 0.5)).toBe(true);
    expect(got(disk.open(), 'rows', at(1))).toBe('corrupt');
  });
});

describe('the committed log', () => {
  const logOf = (disk: SqliteDisk) => readFileSync(join(filesOf(disk), 'store.sqlite-wal'));

  it('ends with the last commit, whatever lies behind it', () => {
    const disk = newDisk();
    const store = disk.open();
    expect(committedLog(logOf(disk)).end).toBe(0);
    commitTurn(store, 0);
    const whole = logOf(disk);
    const { end, frame } = committedLog(whole);
    expect([end, frame]).toEqual([whole.length, 4096 + 24]);
    expect(committedLog(Buffer.concat([whole, Buffer.alloc(3 * frame, 1)])).end).toBe(end);
    expect(committedLog(whole.subarray(0, -1)).end).toBe(32);
    // A turn that outgrows the cache is logged before it is over.
    store.begin();
    for (let i = 1; i < 60; i++) store.put('rows', at(i), new Uint8Array(100_000));
    expect(logOf(disk).length).toBeGreaterThan(whole.length + 1_000_000);
    expect(committedLog(logOf(disk)).end).toBe(end);
  });

  it('ends before a frame of which any bit was flipped', () => {
    const disk = newDisk();
    const store = disk.open();
    const ends = [0, 1, 2].map((i) => {
      put(store, 'rows', at(i), 'value');
      return logSize(disk);
    });
    const [first = 0, second = 0] = ends;
    // Every bit of the frame's header, and some of its page.
    const bits = Array.from({ length: 24 * 8 + 100 }, (_, i) => (i < 24 * 8 ? i : i * 97));
    for (const bit of bits) {
      const log = logOf(disk);
      const byte = first + (bit >> 3);
      log[byte] = must(log[byte], 'a byte of the log') ^ (1 << (bit & 7));
      expect(byte).toBeLessThan(second);
      expect(committedLog(log).end, `bit ${bit}`).toBe(first);
    }
  });
});

describe('the same seed', () => {
  it('makes the same of the same disk', () => {
    const lives = (seed: number): readonly string[] => {
      const { next } = new Prng(seed);
      const disk = newDisk();
      return Array.from({ length: 12 }, (_, i) => {
        const store = disk.open();
        for (let j = 0; j < 3; j++) commitTurn(store, 4 * i + j);
        disk.markLog();
        commitTurn(store, 4 * i + 3);
        const did = [
          disk.tearLastCommit(next),
          i % 3 === 0 && disk.flipLog(next),
          i % 4 === 0 && disk.flipRow(next),
        ];
        const after = disk.open();
        return `${did.join()} ${after.bytes()} ${everything(after, 'rows', 100).join('|')}`;
      });
    };
    for (let seed = 0; seed < 10; seed++) expect(lives(seed)).toEqual(lives(seed));
  });
});

describe('the files', () => {
  it('are gone when the disk is removed: open, killed, closed, or never opened', () => {
    const before = readdirSync(scratch());
    const open = newDisk();
    put(open.open(), 'rows', at(1), 'value');
    const killed = newDisk();
    killed.open();
    killed.open().begin();
    const closed = newDisk();
    closed.open().close();
    const disks = [open, killed, closed, newDisk(), open.snapshot()];
    expect(readdirSync(scratch()).length).toBe(before.length + 4);
    for (const disk of disks) disk.remove();
    expect(readdirSync(scratch())).toEqual(before);
    expect(() => open.open()).toThrow('removed');
  });

  it('hold no connection open behind a removed disk', () => {
    const descriptors = () => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    for (let i = 0; i < 20; i++) {
      const disk = newDisk();
      for (let life = 0; life < 3; life++) put(disk.open(), 'rows', at(life), 'value');
      disk.remove();
    }
    expect(descriptors()).toBe(before);
  });

  const PROCESS = `
    import { SqliteDisk } from ${JSON.stringify(new URL('./sqlite-disk.ts', import.meta.url).href)};
    import { scratch } from ${JSON.stringify(new URL('./scratch.ts', import.meta.url).href)};
    new SqliteDisk('${DISK}').open();
    process.stdout.write(scratch() + '\\n');
  `;
  const program = (then: string) => ['--input-type=module', '-e', PROCESS + then];

  it('are gone when their process ends by itself, or by an error', () => {
    for (const then of ['', 'throw new Error("bug")', 'process.exit(3)']) {
      const { stdout } = spawnSync(process.execPath, program(then), { encoding: 'utf8' });
      expect(stdout).toContain('circlet-sim-');
      expect(existsSync(stdout.trim())).toBe(false);
    }
  });

  it('of a process that is gone are swept by the next, and those of a running one are not', () => {
    const root = join(scratch(), '..');
    const { stdout } = spawnSync(process.execPath, program('process.kill(process.pid, "SIGKILL")'), {
      encoding: 'utf8',
    });
    const left = stdout.trim();
    expect(existsSync(left)).toBe(true);
    const others = join(root, `circlet-sim-${process.ppid}-running`);
    mkdirSync(others);
    try {
      spawnSync(process.execPath, program(''));
      expect(existsSync(left)).toBe(false);
      expect(existsSync(others)).toBe(true);
      expect(existsSync(scratch())).toBe(true);
    } finally {
      rmSync(others, { recursive: true });
    }
  });
});
