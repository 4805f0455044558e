import { describe } from 'vitest';
import { MemoryStore } from './memory-store.ts';
import { conforms } from './store.case.ts';

describe('the memory store', () => {
  conforms({
    create: () => new MemoryStore(),
    damage: (store, table, at) => (store as MemoryStore).damage(table, at),
  });
});
