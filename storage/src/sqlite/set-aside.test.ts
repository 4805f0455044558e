import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { locatorOf } from './committer.case.ts';
import { scratch } from './scratch.case.ts';
import { openOrSetAside, remember } from './set-aside.ts';
import { SqliteStore, StoreDamaged, StoreUnusable } from './sqlite-store.ts';

const directory = scratch();
const fresh = () => join(mkdtempSync(join(directory, 'aside-')), 'store.sqlite');
const open = (path: string) => new SqliteStore({ path, cacheKiB: 1024 });

function openAnyhow(path: string): { readonly store: SqliteStore; readonly aside: readonly string[] } {
  const aside: string[] = [];
  const store = openOrSetAside(
    path,
    () => open(path),
    (to) => aside.push(to),
  );
  return { store, aside };
}

/** A store of a thousand rows, closed; its disk. */
function filled(path: string): string {
  const store = open(path);
  store.begin();
  for (let i = 0; i < 1_000; i++) store.put('rows', locatorOf(i), Buffer.from(`value ${i}`));
  store.commit();
  store.close();
  return store.disk;
}

it('a store that is whole is opened as it is', () => {
  const path = fresh();
  const disk = filled(path);
  const { store, aside } = openAnyhow(path);
  expect([store.disk, store.count('rows'), aside]).toEqual([disk, 1_000, []]);
  store.close();
});

const renamed = (bytes: Buffer, from: string, to: string) =>
  Buffer.from(bytes.toString('latin1').replaceAll(from, to), 'latin1');

it.each<[string, (bytes: Buffer) => Buffer]>([
  ['cut short', (bytes) => bytes.subarray(0, 3 * 4096 + 100)],
  ['without a header', (bytes) => Buffer.concat([Buffer.alloc(16), bytes.subarray(16)])],
  ['with another schema', (bytes) => renamed(bytes, 'TABLE rows', 'TABLE rovs')],
  ['whose mark is one bit off', (bytes) => renamed(bytes, 'CRCL', 'CRcL')],
  [
    'of a version that can never be',
    (bytes) => Buffer.concat([bytes.subarray(0, 60), Buffer.of(1), bytes.subarray(61)]),
  ],
])('a file %s is set aside with all that is in it, and an empty store takes its place', (_, damage) => {
  const path = fresh();
  const disk = filled(path);
  const damaged = damage(readFileSync(path));
  writeFileSync(path, damaged);
  expect(() => open(path)).toThrow(StoreDamaged);
  const { store, aside } = openAnyhow(path);
  expect([store.count('rows'), aside]).toEqual([0, [`${path}.damaged`]]);
  expect(store.disk).not.toBe(disk);
  expect(readFileSync(`${path}.damaged`).equals(damaged)).toBe(true);
  store.close();
  const again = openAnyhow(path);
  expect([again.store.disk, again.aside]).toEqual([store.disk, []]);
  again.store.close();
});

it('what a process found damaged while it used it is set aside by the next', () => {
  const path = fresh();
  filled(path);
  remember(path, new Error('something else'));
  const whole = openAnyhow(path);
  expect(whole.aside).toEqual([]);
  whole.store.close();
  remember(path, Object.assign(new Error('database disk image is malformed'), { errcode: 11 }));
  const { store, aside } = openAnyhow(path);
  expect([store.count('rows'), aside]).toEqual([0, [`${path}.damaged`]]);
  store.close();
  const after = openAnyhow(path);
  expect(after.aside).toEqual([]);
  after.store.close();
});

it('a file that is open elsewhere, or is somebody else’s, is left where it is', () => {
  const path = fresh();
  filled(path);
  const holder = open(path);
  expect(() => openAnyhow(path)).toThrow(/another process has this store open/);
  holder.close();
  // It may be a later version's.
  const later = fresh();
  filled(later);
  const bytes = readFileSync(later);
  bytes[63] = 2;
  writeFileSync(later, bytes);
  expect(() => openAnyhow(later)).toThrow(/not a Circlet store of format 1 \(it says 2\)/);
  const foreign = fresh();
  const database = new DatabaseSync(foreign);
  database.exec('CREATE TABLE theirs (x)');
  database.close();
  expect(() => openAnyhow(foreign)).toThrow(StoreUnusable);
  expect([foreign, `${foreign}.damaged`, `${path}.damaged`].map((file) => existsSync(file))).toEqual([
    true,
    false,
    false,
  ]);
});
