import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { equalBytes } from '@circlet/shared/codec/bytes.ts';
import {
  ABSENT,
  CORRUPT,
  type Entry,
  type Limits,
  type Locator,
  type Lookup,
  type Part,
  RING_END,
  type Store,
  type Table,
} from '../core/store.ts';
import { type ChainEntry, decodeChain, encodeChain, withEntry, withoutKey } from './chain.ts';

/**
 * The default engine: one SQLite file in WAL mode, one connection, one thread, `synchronous=FULL`, the plain in-place
 * layout (design/sqlite.md, #4): a table whose rowid is the key's 52-bit prefix and whose one column is a packed blob.
 *
 * A transaction is opened by a turn's first write and not before, so a turn of reads costs no commit.
 */
const FORMAT = 1;
const FORMATS_MAX = 1_000;
/** "CRCL": tells `file` and us whose database this is. */
const APPLICATION_ID = 0x4352434c;

/** SQLite primary result codes after which nothing this process knows of the file can be trusted. */
const FATAL_CODES = new Set([
  10, // IOERR
  11, // CORRUPT
  26, // NOTADB
]);
/** Those that say that the file is wrong. */
const DAMAGE_CODES = new Set([
  11, // CORRUPT
  26, // NOTADB
]);
/** IOERR_SHORT_READ: the file ends before a page that it should have. */
const SHORT_READ = 522;
const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;

export interface SqliteOptions {
  /** The database file, or `:memory:`. Its directory is created. */
  readonly path: string;
  /** Page cache, KiB. More of it makes reads of a large store cheaper and the pod bigger. */
  readonly cacheKiB: number;
  /** 16 bytes that name a new store; random unless given. */
  readonly newDisk?: () => Uint8Array;
}

export class SqliteStore implements Store {
  readonly disk: string;
  /** Set by the host when a commit found the disk full. */
  readOnly = false;
  private readonly database: DatabaseSync;
  private readonly statements: Record<Table, Statements>;
  private readonly statementBegin: StatementSync;
  private readonly statementCommit: StatementSync;
  private readonly statementRollback: StatementSync;
  private readonly statementPageCount: StatementSync;
  private readonly pageSize: number;
  private readonly statementReadMeta: StatementSync;
  private readonly statementWriteMeta: StatementSync;
  private readonly counts: Record<Table, number>;
  private countsAtBegin: Record<Table, number>;
  private inTransaction = false;
  /**
   * The row that was read last, until something is written: a write asks for the row it replaces right after its caller
   * did, and a read costs as much CPU as a third of the write.
   */
  private lookedUp:
    | { readonly table: Table; readonly prefix: number; readonly chain: readonly ChainEntry[] | 'corrupt' }
    | undefined;

  /** Throws {@link StoreUnusable} when the file is not a store of this version, or somebody else has it open. */
  constructor({ path, cacheKiB, newDisk = () => randomBytes(16) }: SqliteOptions) {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true });
    this.database = new DatabaseSync(path);
    try {
      const isNew = this.checkFormat(path);
      this.configure(isNew, cacheKiB);
      if (isNew) this.createTables();
      this.statements = { rows: this.prepare('rows'), hints: this.prepare('hints') };
      this.statementBegin = this.database.prepare('BEGIN IMMEDIATE');
      this.statementCommit = this.database.prepare('COMMIT');
      this.statementRollback = this.database.prepare('ROLLBACK');
      // Every pulse of the pod says how large its store is.
      this.statementPageCount = this.database.prepare('PRAGMA page_count');
      this.statementPageCount.setReturnArrays(true);
      this.pageSize = this.pragma('page_size') as number;
      this.statementReadMeta = this.database.prepare('SELECT value FROM meta WHERE name = ?');
      this.statementWriteMeta = this.database.prepare(
        'INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
      );
      this.disk = this.findDisk(newDisk);
      // After a transaction: only then does `synchronous` tell the truth (invariants.md, section 4).
      this.assertDurable(path);
      this.counts = { rows: this.countRows('rows'), hints: this.countRows('hints') };
      this.countsAtBegin = { ...this.counts };
    } catch (error) {
      this.database.close();
      throw whyUnusable(path, error);
    }
  }

  get(table: Table, at: Locator): Lookup {
    const chain = this.chain(table, at.prefix);
    if (chain === 'corrupt') return CORRUPT;
    for (const entry of chain)
      if (equalBytes(entry.key, at.key)) return { kind: 'found', value: entry.value };
    return ABSENT;
  }

  put(table: Table, at: Locator, value: Uint8Array): void {
    this.ensureTransaction();
    const chain = this.chain(table, at.prefix);
    this.lookedUp = undefined;
    const entry = { key: at.key, value };
    // What was corrupt stays lost; the caller knows, because `get` said so, and marks the new row suspect.
    const next = chain === 'corrupt' || chain.length === 0 ? [entry] : withEntry(chain, entry);
    this.statements[table].put.run(at.prefix, encodeChain(at.prefix, next));
    if (chain !== 'corrupt') this.counts[table] += next.length - chain.length;
  }

  delete(table: Table, at: Locator): void {
    const chain = this.chain(table, at.prefix);
    if (chain.length === 0) return;
    this.ensureTransaction();
    this.lookedUp = undefined;
    const rest = chain === 'corrupt' ? [] : withoutKey(chain, at.key);
    if (rest.length === 0) this.statements[table].delete.run(at.prefix);
    else this.statements[table].put.run(at.prefix, encodeChain(at.prefix, rest));
    this.counts[table] -= chain === 'corrupt' ? 1 : chain.length - rest.length;
  }

  scan(table: Table, after: Locator | undefined, limit: number, end = RING_END): readonly Entry[] {
    return this.scanWithin(table, after, { entries: limit, bytes: Number.POSITIVE_INFINITY, end }).entries;
  }

  scanWithin(
    table: Table,
    after: Locator | undefined,
    { entries: limit, bytes, end = RING_END }: Limits,
  ): Part {
    const entries: Entry[] = [];
    let size = 0;
    const isFull = () => entries.length >= limit || size >= bytes;
    let last = (after?.prefix ?? 0) - 1;
    for (const [prefix, blob] of this.scanned(table, last + 1, end, limit + 1)) {
      // A page whose keys are damaged, or that hangs elsewhere in the tree: SQLite goes by it and says nothing.
      if (!(prefix > last && prefix < end)) throw new StoreDamaged(`${table} out of order`);
      last = prefix;
      const chain = decodeChain(prefix, blob);
      const startsBehind = after !== undefined && prefix === after.prefix;
      if (chain === 'corrupt') {
        // Nothing in it can be told apart, so it is one entry with no key, in front of any real key.
        if (!startsBehind) entries.push({ kind: 'corrupt', at: { prefix, key: NO_KEY } });
        if (isFull()) return { entries, isAll: false };
        continue;
      }
      for (const { key, value } of chain) {
        if (startsBehind && Buffer.compare(key, after.key) <= 0) continue;
        entries.push({ kind: 'found', at: { prefix, key }, value });
        size += value.length;
        if (isFull()) return { entries, isAll: false };
      }
    }
    return { entries, isAll: true };
  }

  /** Row by row: whoever has enough stops, and the rest is not read. */
  private scanned(table: Table, first: number, end: number, limit: number): Iterable<Scanned> {
    return this.statements[table].scan.iterate(first, end, limit) as unknown as Iterable<Scanned>;
  }

  count(table: Table): number {
    return this.counts[table];
  }

  bytes(): number {
    const [pages] = this.statementPageCount.get() as unknown as [number];
    return pages * this.pageSize;
  }

  readMeta(name: string): Uint8Array | undefined {
    const record = this.record(name);
    if (record === 'corrupt') throw new StoreDamaged(`the record "${name}" fails its checksum`);
    return record;
  }

  readDerived(name: string): Uint8Array | undefined {
    const record = this.record(name);
    return record === 'corrupt' ? undefined : record;
  }

  writeMeta(name: string, value: Uint8Array): void {
    this.ensureTransaction();
    const sealed = new Uint8Array(4 + value.length);
    new DataView(sealed.buffer).setUint32(0, crc32(value));
    sealed.set(value, 4);
    this.statementWriteMeta.run(name, sealed);
  }

  begin(): void {
    this.countsAtBegin.rows = this.counts.rows;
    this.countsAtBegin.hints = this.counts.hints;
  }

  commit(): void {
    if (!this.inTransaction) return;
    this.statementCommit.run();
    this.inTransaction = false;
  }

  rollback(): void {
    this.lookedUp = undefined;
    if (this.inTransaction && this.database.isTransaction) this.statementRollback.run();
    this.inTransaction = false;
    Object.assign(this.counts, this.countsAtBegin);
  }

  close(): void {
    this.database.close();
  }

  /** Whether the disk takes a write of some size again. Not to be called inside a turn. */
  hasRoom(): boolean {
    this.begin();
    try {
      this.writeMeta('room', new Uint8Array(ROOM_BYTES));
      this.writeMeta('room', NO_KEY);
      this.commit();
      return true;
    } catch (error) {
      this.rollback();
      if (isDiskFull(error)) return false;
      throw error;
    }
  }

  private record(name: string): Uint8Array | 'corrupt' | undefined {
    const row = this.statementReadMeta.get(name);
    return row === undefined ? undefined : (unsealed(row['value']) ?? 'corrupt');
  }

  private ensureTransaction(): void {
    if (this.inTransaction) return;
    this.statementBegin.run();
    this.inTransaction = true;
  }

  /** The entries of one row; empty when there is none. */
  private chain(table: Table, prefix: number): readonly ChainEntry[] | 'corrupt' {
    const last = this.lookedUp;
    if (last !== undefined && last.table === table && last.prefix === prefix) return last.chain;
    const row = this.statements[table].get.get(prefix) as unknown as [unknown] | undefined;
    // A damaged row may hold something other than a blob.
    const chain = row === undefined ? [] : decodeChain(prefix, row[0]);
    this.lookedUp = { table, prefix, chain };
    return chain;
  }

  private prepare(table: Table): Statements {
    const get = this.database.prepare(`SELECT d FROM ${table} WHERE h = ?`);
    const scan = this.database.prepare(`SELECT h, d FROM ${table} WHERE h >= ? AND h < ? ORDER BY h LIMIT ?`);
    get.setReturnArrays(true);
    scan.setReturnArrays(true);
    return {
      get,
      scan,
      put: this.database.prepare(
        `INSERT INTO ${table} (h, d) VALUES (?, ?) ON CONFLICT (h) DO UPDATE SET d = excluded.d`,
      ),
      delete: this.database.prepare(`DELETE FROM ${table} WHERE h = ?`),
    };
  }

  /** Whether the file is new. Asked before anything is changed: it may be somebody else's database. */
  private checkFormat(path: string): boolean {
    // No second connection: 6 system calls fewer for each commit, and nobody can open the file under us.
    this.database.exec('PRAGMA locking_mode = EXCLUSIVE');
    const format = this.pragma('user_version');
    const { n: tables } = this.database.prepare('SELECT count(*) AS n FROM sqlite_schema').get() as {
      n: number;
    };
    if (format === 0 && tables === 0) return true;
    const application = this.pragma('application_id') as number;
    if (format === FORMAT && application === APPLICATION_ID) return false;
    // Nobody else's mark is one bit away from ours, and formats are counted one by one.
    const isOurs = application === APPLICATION_ID || isBitFlip(application);
    const isFormat = typeof format === 'number' && format > 0 && format < FORMATS_MAX;
    if (isOurs && (format === FORMAT || !isFormat)) throw new StoreDamaged(`${path}: its header is damaged`);
    throw new StoreUnusable(`${path} is not a Circlet store of format ${FORMAT} (it says ${String(format)})`);
  }

  private configure(isNew: boolean, cacheKiB: number): void {
    const { database } = this;
    // A page must hold a packed row of some hundred bytes several times over; it is fixed with the first table.
    if (isNew) database.exec('PRAGMA page_size = 4096');
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    database.exec(`PRAGMA cache_size = -${cacheKiB}`);
    // 16 MB of WAL: rewrites of one page merge, and one checkpoint stalls the thread for some tens of ms at most.
    database.exec('PRAGMA wal_autocheckpoint = 4000');
  }

  /** A typo in a pragma is ignored in silence and a reopened file can change its mind: read everything back. */
  private assertDurable(path: string): void {
    const expected = {
      synchronous: 2,
      journal_mode: path === ':memory:' ? 'memory' : 'wal',
      locking_mode: 'exclusive',
    };
    for (const [name, value] of Object.entries(expected)) {
      if (this.pragma(name) !== value) {
        throw new StoreUnusable(`PRAGMA ${name} is ${String(this.pragma(name))} where ${value} is needed`);
      }
    }
  }

  private createTables(): void {
    this.database.exec('BEGIN IMMEDIATE');
    this.database.exec('CREATE TABLE rows (h INTEGER PRIMARY KEY, d BLOB NOT NULL)');
    this.database.exec('CREATE TABLE hints (h INTEGER PRIMARY KEY, d BLOB NOT NULL)');
    this.database.exec('CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID');
    this.database.exec(`PRAGMA user_version = ${FORMAT}`);
    this.database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    this.database.exec('COMMIT');
  }

  private pragma(name: string): unknown {
    return Object.values(this.database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  }

  private findDisk(newDisk: () => Uint8Array): string {
    const stored = this.readMeta('disk');
    if (stored !== undefined) return Buffer.from(stored).toString('hex');
    const fresh = newDisk();
    this.writeMeta('disk', fresh);
    this.commit();
    return Buffer.from(fresh).toString('hex');
  }

  /** Two keys with one prefix are one row: the count can be low by n^2 / 2^53. */
  private countRows(table: Table): number {
    return (this.database.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
  }
}

interface Statements {
  readonly get: StatementSync;
  readonly scan: StatementSync;
  readonly put: StatementSync;
  readonly delete: StatementSync;
}

type Scanned = readonly [prefix: number, blob: unknown];

/** Enough for a turn of small writes: a disk with less is still full. */
const ROOM_BYTES = 1024 * 1024;

const NO_KEY = new Uint8Array(0);

/** The file cannot be used as it is; the message says what to do. */
export class StoreUnusable extends Error {
  override name = 'StoreUnusable';
}

/** The file cannot be relied on any more, whatever is left in it: its pod is better off with an empty one. */
export class StoreDamaged extends StoreUnusable {
  override name = 'StoreDamaged';
}

/** Whether SQLite, or a checksum, has found the file itself wrong: it will be as wrong after a restart. */
export function isDamage(error: unknown): boolean {
  return error instanceof StoreDamaged || saysDamaged(error);
}

function saysDamaged(error: unknown): boolean {
  return DAMAGE_CODES.has(primaryCode(error)) || extendedCode(error) === SHORT_READ;
}

function isBitFlip(application: number): boolean {
  const off = (application ^ APPLICATION_ID) >>> 0;
  return off !== 0 && (off & (off - 1)) === 0;
}

/** Whether the process must end: what it believes of its file may be wrong (invariants.md, section 4). */
export function isFatalStoreError(error: unknown): boolean {
  return error instanceof StoreUnusable || FATAL_CODES.has(primaryCode(error));
}

export function isDiskFull(error: unknown): boolean {
  return primaryCode(error) === SQLITE_FULL;
}

/** What a record of `meta` holds behind its checksum; undefined when the two do not match. */
function unsealed(value: unknown): Uint8Array | undefined {
  if (!(value instanceof Uint8Array) || value.length < 4) return undefined;
  const payload = value.subarray(4);
  return new DataView(value.buffer, value.byteOffset).getUint32(0) === crc32(payload) ? payload : undefined;
}

/** An error met while opening, in words for whoever started the pod. */
function whyUnusable(path: string, error: unknown): unknown {
  const code = primaryCode(error);
  if (code === 0) return error;
  const reason =
    code === SQLITE_BUSY
      ? 'another process has this store open; every storage pod needs a data directory of its own'
      : `SQLite says "${error instanceof Error ? error.message : String(error)}"`;
  // What SQLite cannot make sense of while it opens a file that says it is ours was ours.
  const isWrong = saysDamaged(error) || code === SQLITE_ERROR;
  return new (isWrong ? StoreDamaged : StoreUnusable)(`${path}: ${reason}`, { cause: error });
}

function primaryCode(error: unknown): number {
  return extendedCode(error) & 0xff;
}

function extendedCode(error: unknown): number {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return 0;
  return typeof error.errcode === 'number' ? error.errcode : 0;
}
