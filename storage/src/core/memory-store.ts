import { latin1 } from '@circlet/shared/codec/bytes.ts';
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
} from './store.ts';

/**
 * The reference engine: what the port means, in the fewest lines. It keeps entries sorted, undoes a turn that is rolled
 * back, and can be told to damage an entry. Nothing survives it, so it holds tests and nothing else.
 */
export class MemoryStore implements Store {
  readonly disk: string;
  readOnly = false;
  private readonly tables: Record<Table, Slot[]> = { rows: [], hints: [] };
  private readonly meta = new Map<string, Uint8Array>();
  private undo: (() => void)[] = [];

  constructor(disk = '0'.repeat(32)) {
    this.disk = disk;
  }

  get(table: Table, at: Locator): Lookup {
    const { slot } = this.find(table, at);
    if (slot === undefined) return ABSENT;
    return slot.corrupt ? CORRUPT : { kind: 'found', value: slot.value };
  }

  put(table: Table, at: Locator, value: Uint8Array): void {
    const { index, slot } = this.find(table, at);
    const fresh = { at: { prefix: at.prefix, key: at.key.slice() }, value: value.slice(), corrupt: false };
    this.replace(table, index, slot, fresh);
  }

  delete(table: Table, at: Locator): void {
    const { index, slot } = this.find(table, at);
    if (slot !== undefined) this.replace(table, index, slot, undefined);
  }

  scan(table: Table, after: Locator | undefined, limit: number, end = RING_END): readonly Entry[] {
    return this.scanWithin(table, after, { entries: limit, bytes: Number.POSITIVE_INFINITY, end }).entries;
  }

  scanWithin(
    table: Table,
    after: Locator | undefined,
    { entries: limit, bytes, end = RING_END }: Limits,
  ): Part {
    const { index, slot } = after === undefined ? { index: 0, slot: undefined } : this.find(table, after);
    const first = slot === undefined ? index : index + 1;
    const entries: Entry[] = [];
    let size = 0;
    for (const { at, value, corrupt } of this.tables[table].slice(first, first + limit)) {
      if (at.prefix >= end) break;
      entries.push(corrupt ? { kind: 'corrupt', at } : { kind: 'found', at, value });
      size += corrupt ? 0 : value.length;
      if (size >= bytes) return { entries, isAll: false };
    }
    return { entries, isAll: entries.length < limit };
  }

  count(table: Table): number {
    return this.tables[table].length;
  }

  bytes(): number {
    return [...this.tables.rows, ...this.tables.hints].reduce((sum, slot) => sum + slot.value.length, 0);
  }

  readMeta(name: string): Uint8Array | undefined {
    return this.meta.get(name);
  }

  readDerived(name: string): Uint8Array | undefined {
    return this.readMeta(name);
  }

  writeMeta(name: string, value: Uint8Array): void {
    const before = this.meta.get(name);
    this.meta.set(name, value.slice());
    this.undo.push(() => (before === undefined ? this.meta.delete(name) : this.meta.set(name, before)));
  }

  begin(): void {
    this.undo = [];
  }

  commit(): void {
    this.undo = [];
  }

  rollback(): void {
    for (const step of this.undo.toReversed()) step();
    this.undo = [];
  }

  close(): void {
    this.undo = [];
  }

  /** Flips a bit of an entry, as a failing disk does. */
  damage(table: Table, at: Locator): void {
    const { slot } = this.find(table, at);
    if (slot !== undefined) slot.corrupt = true;
  }

  private replace(table: Table, index: number, before: Slot | undefined, next: Slot | undefined): void {
    const slots = this.tables[table];
    slots.splice(index, before === undefined ? 0 : 1, ...(next === undefined ? [] : [next]));
    this.undo.push(() =>
      slots.splice(index, next === undefined ? 0 : 1, ...(before === undefined ? [] : [before])),
    );
  }

  /** Where the entry is, or would be. */
  private find(table: Table, at: Locator): { readonly index: number; readonly slot: Slot | undefined } {
    const slots = this.tables[table];
    let low = 0;
    let high = slots.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare((slots[middle] as Slot).at, at) < 0) low = middle + 1;
      else high = middle;
    }
    const slot = slots[low];
    return { index: low, slot: slot !== undefined && compare(slot.at, at) === 0 ? slot : undefined };
  }
}

interface Slot {
  readonly at: Locator;
  readonly value: Uint8Array;
  corrupt: boolean;
}

function compare(a: Locator, b: Locator): number {
  if (a.prefix !== b.prefix) return a.prefix - b.prefix;
  const left = latin1(a.key);
  const right = latin1(b.key);
  return left < right ? -1 : left > right ? 1 : 0;
}
