import {
  CORRUPT,
  type Entry,
  type Limits,
  type Locator,
  type Lookup,
  type Part,
  type Store,
  type Table,
} from '@circlet/storage/core/store.ts';
import { equalBytes, latin1 } from '@circlet/shared/codec/bytes.ts';

/** Told what a turn did to the store, when it is durable. */
export interface StoreWatch {
  /** `value` is undefined when the entry was deleted. */
  changed(table: Table, at: Locator, value: Uint8Array | undefined): void;
  recorded(name: string, value: Uint8Array): void;
}

/** An error as SQLite's binding throws it; what made it is in its name, so that nobody takes it for a bug. */
export class InjectedError extends Error {
  override name = 'InjectedError';
  readonly errcode: number;

  constructor(message: string, errcode: number) {
    super(message);
    this.errcode = errcode;
  }
}

const IOERR = 10;
const FULL = 13;

/** Between the machine and its engine: fails when it is told to, and tells what was committed. */
export class FaultyStore implements Store {
  /** No room: reads go on, a turn that writes cannot be committed. */
  isFull = false;
  /** What the next commit of a turn that wrote comes to, and nothing after it. */
  commitFails: 'kept' | 'lost' | undefined;
  /** Nobody was told of the last commit: the power failed meanwhile, and what is left of it remains to be seen. */
  isTorn = false;
  private readonly engine: Store;
  private readonly watch: StoreWatch | undefined;
  /** Entries that fail their checksum; they still do when the store is opened again. */
  readonly rotten: Set<string>;
  private turn: { readonly table: Table; readonly at: Locator; readonly value: Uint8Array | undefined }[] =
    [];
  /** With how many entries of the tables were written before it. */
  private meta: { readonly name: string; readonly value: Uint8Array; readonly after: number }[] = [];
  /** What was written by a commit that may not have come about. */
  private torn: typeof this.turn = [];

  constructor(engine: Store, watch?: StoreWatch, before?: FaultyStore) {
    this.engine = engine;
    this.rotten = before?.rotten ?? new Set();
    this.watch = watch;
    for (const { table, at, value } of before?.torn ?? []) {
      const found = engine.get(table, at);
      const isWritten =
        found.kind === 'found' ? value !== undefined && equalBytes(found.value, value) : value === undefined;
      if (isWritten) this.rotten.delete(placeOf(table, at));
    }
  }

  get disk(): string {
    return this.engine.disk;
  }

  get readOnly(): boolean {
    return this.engine.readOnly;
  }

  set readOnly(is: boolean) {
    (this.engine as { readOnly: boolean }).readOnly = is;
  }

  get(table: Table, at: Locator): Lookup {
    return this.isRotten(table, at) ? CORRUPT : this.engine.get(table, at);
  }

  put(table: Table, at: Locator, value: Uint8Array): void {
    this.turn.push({ table, at, value });
    this.engine.put(table, at, value);
  }

  delete(table: Table, at: Locator): void {
    this.turn.push({ table, at, value: undefined });
    this.engine.delete(table, at);
  }

  scan(table: Table, after: Locator | undefined, limit: number, end?: number): readonly Entry[] {
    return this.rottenAmong(table, this.engine.scan(table, after, limit, end));
  }

  scanWithin(table: Table, after: Locator | undefined, limits: Limits): Part {
    const { entries, isAll } = this.engine.scanWithin(table, after, limits);
    return { entries: this.rottenAmong(table, entries), isAll };
  }

  count(table: Table): number {
    return this.engine.count(table);
  }

  bytes(): number {
    return this.engine.bytes();
  }

  readMeta(name: string): Uint8Array | undefined {
    return this.engine.readMeta(name);
  }

  readDerived(name: string): Uint8Array | undefined {
    return this.engine.readDerived(name);
  }

  writeMeta(name: string, value: Uint8Array): void {
    this.meta.push({ name, value: value.slice(), after: this.turn.length });
    this.engine.writeMeta(name, value);
  }

  begin(): void {
    this.forget();
    this.engine.begin();
  }

  commit(): void {
    const wrote = this.turn.length > 0 || this.meta.length > 0;
    if (wrote && this.isFull) throw new InjectedError('injected: database or disk is full', FULL);
    if (wrote && this.commitFails !== undefined) {
      const how = this.commitFails;
      this.commitFails = undefined;
      if (how === 'kept') this.commitNow();
      throw new InjectedError('injected: disk I/O error', IOERR);
    }
    this.commitNow();
  }

  /** For a commit that the power failure which follows may tear: whether it mended anything shows when it is opened again. */
  commitUnseen(): void {
    this.engine.commit();
    this.isTorn = true;
    this.torn = this.turn;
    this.forget();
  }

  rollback(): void {
    this.forget();
    this.engine.rollback();
  }

  close(): void {
    this.engine.close();
  }

  /** The entry fails its checksum from now on, until it is written again. False when there is none. */
  rot(table: Table, at: Locator): boolean {
    if (this.engine.get(table, at).kind !== 'found') return false;
    this.rotten.add(placeOf(table, at));
    return true;
  }

  private commitNow(): void {
    this.engine.commit();
    this.mend();
    if (this.watch !== undefined) {
      // A topology decides what is to be in the tables, from where it was written in the turn.
      let told = 0;
      for (const { name, value, after } of this.meta) {
        while (told < after) this.tell(this.watch, told++);
        this.watch.recorded(name, value);
      }
      while (told < this.turn.length) this.tell(this.watch, told++);
    }
    this.forget();
  }

  private tell(watch: StoreWatch, index: number): void {
    const entry = this.turn[index];
    if (entry !== undefined) watch.changed(entry.table, entry.at, entry.value);
  }

  /** What was written anew can be read again. */
  private mend(): void {
    if (this.rotten.size === 0) return;
    for (const { table, at } of this.turn) this.rotten.delete(placeOf(table, at));
  }

  private forget(): void {
    if (this.turn.length > 0) this.turn = [];
    if (this.meta.length > 0) this.meta = [];
  }

  private rottenAmong(table: Table, entries: readonly Entry[]): readonly Entry[] {
    if (this.rotten.size === 0) return entries;
    return entries.map((entry) =>
      this.isRotten(table, entry.at) ? { kind: 'corrupt', at: entry.at } : entry,
    );
  }

  private isRotten(table: Table, at: Locator): boolean {
    if (this.rotten.size === 0) return false;
    const place = placeOf(table, at);
    return this.rotten.has(place) && !this.turn.some((entry) => placeOf(entry.table, entry.at) === place);
  }
}

function placeOf(table: Table, { prefix, key }: Locator): string {
  return `${table}/${prefix}/${latin1(key)}`;
}
