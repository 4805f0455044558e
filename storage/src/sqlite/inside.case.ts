import { DatabaseSync } from 'node:sqlite';
import type { SqliteStore } from './sqlite-store.ts';

/** The connection of a store, to look at it and to damage what it holds. */
export function inside(store: SqliteStore): DatabaseSync {
  const database: unknown = Reflect.get(store, 'database');
  if (!(database instanceof DatabaseSync)) throw new Error('a SQLite store has a connection');
  return database;
}
