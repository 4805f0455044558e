import type { FullKey } from '@circlet/shared/ring/key.ts';

/**
 * The synchronous store of one storage pod. Every engine passes `store.case.ts`. One owner, one thread; the host
 * wraps each turn in a transaction, so what `get` returns includes what the turn has put.
 */
export interface Store {
  /** 128 random bits drawn when the store was created, lower-case hex. */
  readonly disk: string;
  /** The disk is full: reads work, writes would not. */
  readonly readOnly: boolean;

  get(table: Table, at: Locator): Lookup;
  put(table: Table, at: Locator, value: Uint8Array): void;
  delete(table: Table, at: Locator): void;
  /** At most `limit` entries in (prefix, key) order, starting behind `after`, of prefixes below `end`. */
  scan(table: Table, after: Locator | undefined, limit: number, end?: number): readonly Entry[];
  /** The same, and no more than so many bytes: a few hundred rows can be a few hundred megabytes. */
  scanWithin(table: Table, after: Locator | undefined, limits: Limits): Part;
  /** Rows in the table, without reading them. */
  count(table: Table): number;
  /** Size of the store on disk, bytes. */
  bytes(): number;

  /** Throws when the record is damaged: nothing else in the store says what it said. */
  readMeta(name: string): Uint8Array | undefined;
  /** Of a record that can be made again from the tables: a damaged one is none. */
  readDerived(name: string): Uint8Array | undefined;
  writeMeta(name: string, value: Uint8Array): void;

  begin(): void;
  /** Durable when it returns; throws if it is not. */
  commit(): void;
  rollback(): void;
  close(): void;
}

/** `rows` are replicas this node owns, `hints` are writes it holds for other owners. */
export type Table = 'rows' | 'hints';

export interface Locator {
  /** Top 52 bits of the key's position: rows lie in ring order. */
  readonly prefix: number;
  readonly key: FullKey;
}

/** `corrupt`: something was here and its checksum does not match. Never to be taken for "absent". */
export type Lookup =
  | { readonly kind: 'absent' }
  | { readonly kind: 'corrupt' }
  | { readonly kind: 'found'; readonly value: Uint8Array };

export type Entry =
  | { readonly kind: 'found'; readonly at: Locator; readonly value: Uint8Array }
  | { readonly kind: 'corrupt'; readonly at: Locator };

/** Of what is read at once: it ends with the entry that reaches one of them, and has one at least if there is one. */
export interface Limits {
  readonly entries: number;
  /** Of all values together; one that is damaged counts as nothing. */
  readonly bytes: number;
  /** Prefixes are below it. */
  readonly end?: number;
}

export interface Part {
  readonly entries: readonly Entry[];
  /** It has reached no limit, so nothing lies behind it. Nothing else says so: not that there are few. */
  readonly isAll: boolean;
}

/** No prefix is as large: the end of the ring. */
export const RING_END = 2 ** 52;
/** Greater than any full key, whose first byte is a length. */
const AFTER_ALL = Uint8Array.of(0xff);

/** Where to begin a scan that is to find the prefix and what follows it. */
export function justBefore(prefix: number): Locator | undefined {
  return prefix === 0 ? undefined : { prefix: prefix - 1, key: AFTER_ALL };
}

export function valueBytes(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + (entry.kind === 'found' ? entry.value.length : 0), 0);
}

export const ABSENT: Lookup = { kind: 'absent' };
export const CORRUPT: Lookup = { kind: 'corrupt' };
