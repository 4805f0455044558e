import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isDamage } from './sqlite-store.ts';

/**
 * A damaged file is set aside, not repaired and not deleted: the pod starts with an empty one beside it, under another disk id,
 * and is refilled by the others (protocol.md, rule 13). What is left in the old file is for an operator to look at, should the
 * others have lost it too; there is room for one.
 *
 *     store.sqlite  --damaged-->  store.sqlite.damaged
 */
export function openOrSetAside<T>(
  path: string,
  open: () => T,
  setAside: (path: string, why: string) => void,
): T {
  if (existsSync(markOf(path))) {
    moveAside(path);
    setAside(asideOf(path), 'it was found damaged while it was in use');
  }
  try {
    return open();
  } catch (error) {
    if (!isDamage(error)) throw error;
    moveAside(path);
    setAside(asideOf(path), error instanceof Error ? error.message : String(error));
    return open();
  }
}

/** The process is about to end for this reason: when it is damage, its next life must not open the file again. */
export function remember(path: string, error: unknown): void {
  if (!isDamage(error)) return;
  try {
    writeFileSync(markOf(path), String(error));
  } catch {
    // A disk that takes no file at all: the next life meets the damage itself, sooner or later.
  }
}

function moveAside(path: string): void {
  for (const suffix of ['', '-wal']) {
    rmSync(asideOf(path) + suffix, { force: true });
    if (existsSync(path + suffix)) renameSync(path + suffix, asideOf(path) + suffix);
  }
  rmSync(`${path}-shm`, { force: true });
  rmSync(markOf(path), { force: true });
}

const asideOf = (path: string) => `${path}.damaged`;
const markOf = (path: string) => `${path}.is-damaged`;
