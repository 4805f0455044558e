import { assert } from '@circlet/shared/assert.ts';
import { describe } from 'vitest';
import { MemoryStore } from './memory-store.ts';
import { conforms } from './store.case.ts';
import type { Locator, Store, Table } from './store.ts';

/** As a failing disk does. */
function damage(store: Store, table: Table, at: Locator): void {
  assert(store instanceof MemoryStore, 'a memory store');
  store.damage(table, at);
}

describe('the memory store', () => {
  conforms({
    create: () => new MemoryStore(),
    damage,
  });
});
