import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { assert } from '@circlet/shared/assert.ts';
import { describe, expect, it } from 'vitest';
import { fill, firstWrongLeaf, keysOf } from '../core/anti-entropy/rows.case.ts';
import { Trees } from '../core/anti-entropy/trees.ts';
import { at, bytes, conforms, everything, got, put, turn } from '../core/store.case.ts';
import type { Locator, Store, Table } from '../core/store.ts';
import { inside } from './inside.case.ts';
import { COMMITTER, scratch } from './scratch.case.ts';
import { isFatalStoreError, SqliteStore, StoreUnusable } from './sqlite-store.ts';

const directory = scratch();
let files = 0;

const freshPath = (): string => join(directory, String(files++), 'store.sqlite');
const open = (path: string): SqliteStore => new SqliteStore({ path, cacheKiB: 1024 });

function pragma(store: SqliteStore, name: string): unknown {
  return Object.values(inside(store).prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

/** Flips the last bit of the row's blob, behind the store's back. */
function damage(store: Store, table: Table, { prefix }: Locator): void {
  assert(store instanceof SqliteStore, 'a SQLite store');
  const d = inside(store).prepare(`SELECT d FROM ${table} WHERE h = ?`).get(prefix)?.['d'];
  assert(d instanceof Uint8Array, 'a row with a blob');
  const flipped = d.map((byte, i) => (i === d.length - 1 ? byte ^ 1 : byte));
  inside(store).prepare(`UPDATE ${table} SET d = ? WHERE h = ?`).run(flipped, prefix);
}

/** What the store says of a file it will not open. */
function refusal(path: string): Error {
  try {
    open(path).close();
  } catch (error) {
    if (error instanceof StoreUnusable) return error;
    throw error;
  }
  throw new Error('the file was opened');
}

const pathOf = new WeakMap<object, string>();

function openAt(path: string): SqliteStore {
  const store = open(path);
  pathOf.set(store, path);
  return store;
}

describe('the SQLite store', () => {
  conforms({
    create: () => openAt(freshPath()),
    damage,
    reopen: (store) => {
      store.close();
      return openAt(pathOf.get(store) ?? '');
    },
  });
});

describe('the SQLite store in memory', () => {
  conforms({
    create: () => open(':memory:'),
    damage,
  });
});

describe('a row that two keys share', () => {
  it('is corrupt as a whole when it is damaged: for both keys, and for one that was never in it', () => {
    const store = open(freshPath());
    for (const name of ['a', 'b']) put(store, 'rows', at(1, name), 'lost');
    damage(store, 'rows', at(1));
    expect(['a', 'b', 'c'].map((name) => got(store, 'rows', at(1, name)))).toEqual([
      'corrupt',
      'corrupt',
      'corrupt',
    ]);
    expect(store.scan('rows', at(1, 'a'), 10)).toEqual([]);
    store.close();
  });

  it('is corrupt when it holds something that is no blob, or a blob too short for an entry', () => {
    const store = open(freshPath());
    for (const value of ["'text'", '17', "x''", "x'00'"]) {
      put(store, 'rows', at(1), 'value');
      inside(store).exec(`UPDATE rows SET d = ${value}`);
      expect(got(store, 'rows', at(1))).toBe('corrupt');
      expect(store.scan('rows', undefined, 10)).toMatchObject([{ kind: 'corrupt' }]);
    }
    store.close();
  });

  it('is corrupt when it lies under the prefix of another', () => {
    const store = open(freshPath());
    put(store, 'rows', at(2 ** 40 + 1), 'value');
    for (const moved of [2 ** 40, 1, 2 ** 51 + 2 ** 40 + 1]) {
      inside(store).exec(`UPDATE rows SET h = ${moved}`);
      expect(store.scan('rows', undefined, 10)).toMatchObject([{ kind: 'corrupt', at: { prefix: moved } }]);
    }
    store.close();
  });
});

describe('durability', () => {
  const SETTINGS = {
    synchronous: 2,
    journal_mode: 'wal',
    locking_mode: 'exclusive',
    wal_autocheckpoint: 4000,
  };
  const settings = (store: SqliteStore) =>
    Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, pragma(store, name)]));

  it('is set when a store is created and when it is opened again, and stays so after transactions', () => {
    const path = freshPath();
    for (const life of ['first', 'second', 'third']) {
      const store = open(path);
      expect(settings(store)).toEqual(SETTINGS);
      put(store, 'rows', at(1), life);
      turn(store, () => store.get('rows', at(1)));
      expect(settings(store)).toEqual(SETTINGS);
      store.close();
    }
  });

  it('survives a file that says otherwise', () => {
    const path = freshPath();
    open(path).close();
    const other = new DatabaseSync(path);
    other.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF');
    other.close();
    const store = open(path);
    expect(settings(store)).toEqual(SETTINGS);
    store.close();
  });

  it('is read back and not believed: a store that is not durable is not opened', () => {
    const store = open(freshPath());
    const assertDurable: unknown = Reflect.get(store, 'assertDurable');
    assert(typeof assertDurable === 'function', 'a store asserts that it is durable');
    expect(() => Reflect.apply(assertDurable, store, ['file'])).not.toThrow();
    inside(store).exec('PRAGMA synchronous = NORMAL');
    expect(() => Reflect.apply(assertDurable, store, ['file'])).toThrow(
      'PRAGMA synchronous is 1 where 2 is needed',
    );
    store.close();
  });

  it('needs no second file after a clean stop', () => {
    const path = freshPath();
    const store = open(path);
    put(store, 'rows', at(1), 'value');
    store.close();
    const moved = freshPath();
    mkdirSync(join(moved, '..'));
    writeFileSync(moved, readFileSync(path));
    const copy = open(moved);
    expect(got(copy, 'rows', at(1))).toBe('value');
    copy.close();
  });
});

/** A store whose file was changed afterwards. */
function madeBy(sql: string): string {
  const path = freshPath();
  open(path).close();
  const other = new DatabaseSync(path);
  other.exec(sql);
  other.close();
  return path;
}

describe('a file that is not a store of this version is refused and left alone', () => {
  it.each([
    ['a later format', 'PRAGMA user_version = 2', 'not a Circlet store of format 1 (it says 2)'],
    ['another application', 'PRAGMA application_id = 1', 'not a Circlet store of format 1'],
    [
      'no disk record that can be read',
      "UPDATE meta SET value = x'0000000000' WHERE name = 'disk'",
      'checksum',
    ],
    ['a disk record that is no blob', "UPDATE meta SET value = 'text' WHERE name = 'disk'", 'checksum'],
    ['no tables', 'DROP TABLE meta', 'no such table'],
  ])('%s', (_, sql, reason) => {
    const path = madeBy(sql);
    expect(refusal(path).message).toContain(reason);
    expect(isFatalStoreError(refusal(path))).toBe(true);
  });

  it('somebody else’s database', () => {
    const path = freshPath();
    mkdirSync(join(path, '..'));
    const other = new DatabaseSync(path);
    other.exec('CREATE TABLE people (name)');
    other.close();
    const before = readFileSync(path);
    expect(refusal(path).message).toContain('not a Circlet store');
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('no database at all', () => {
    const path = freshPath();
    mkdirSync(join(path, '..'));
    writeFileSync(path, 'hello '.repeat(1000));
    expect(refusal(path).message).toBe(`${path}: SQLite says "file is not a database"`);
  });

  it('but a record of any other name that fails its checksum is noticed when it is read', () => {
    const store = open(freshPath());
    turn(store, () => store.writeMeta('topology', bytes('document')));
    inside(store).exec("UPDATE meta SET value = x'00000000ff' WHERE name = 'topology'");
    expect(() => store.readMeta('topology')).toThrow('the record "topology" fails its checksum');
    store.close();
  });

  it('and saved trees that fail it are summed again: they cost no more than that', () => {
    const path = freshPath();
    const store = open(path);
    fill(store, keysOf(300));
    const trees = new Trees(store, 16);
    trees.build(1_000);
    turn(store, () => trees.save());
    inside(store).exec(
      "UPDATE meta SET value = substr(value, 1, 500) || x'5a' || substr(value, 502) WHERE name = 'trees'",
    );
    store.close();
    const again = open(path);
    expect(() => again.readMeta('trees')).toThrow('fails its checksum');
    const next = new Trees(again, 16);
    expect(next.isComplete).toBe(false);
    next.build(1_000);
    expect(firstWrongLeaf(again, next, 16)).toBeUndefined();
    again.close();
  });
});

describe('a second owner of the file', () => {
  const NOTICE = 'another process has this store open';

  it('is refused in the same process, and the first goes on', () => {
    const path = freshPath();
    const first = open(path);
    expect(refusal(path).message).toContain(NOTICE);
    put(first, 'rows', at(1), 'value');
    expect(refusal(path).message).toContain(NOTICE);
    first.close();
    const next = open(path);
    expect(got(next, 'rows', at(1))).toBe('value');
    next.close();
  });

  it('is refused in another process', () => {
    const path = freshPath();
    const first = open(path);
    const second = spawnSync(process.execPath, [COMMITTER, path, '0', '1'], { encoding: 'utf8' });
    expect(second.status).not.toBe(0);
    expect(second.stderr).toContain(NOTICE);
    expect(second.stdout).toBe('');
    expect(everything(first, 'rows', 10)).toEqual([]);
    first.close();
  });
});
