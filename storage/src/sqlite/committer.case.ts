import { writeSync } from 'node:fs';
import { fullKey } from '@circlet/shared/ring/key.ts';
import type { Locator } from '../core/store.ts';
import { inside } from './inside.case.ts';
import { isDiskFull, isFatalStoreError, SqliteStore } from './sqlite-store.ts';

/**
 * A process of its own that commits one write after another and says so, for tests that kill it, trace it or take its
 * disk away:
 *
 *     node committer.case.ts FILE FIRST COUNT [PRAGMA]*
 *
 * It prints "acked I" once write I is committed, as a pod would acknowledge it. The pragmas change the store behind its
 * back: `synchronous=NORMAL` makes it one that forgot to be durable.
 */
export function locatorOf(i: number): Locator {
  const key = fullKey(Uint8Array.of(98), new TextEncoder().encode(`key ${i}`));
  // Neighbours in time are not neighbours in the file, as with real positions.
  return { prefix: (i * 1_000_003) % 1_000, key };
}

/** Some hundred bytes that nothing but write `i` has. */
export function valueOf(i: number): Uint8Array {
  return new TextEncoder().encode(`value of ${i};`.repeat(20 + (i % 30)));
}

/** Which of the first `count` writes are there; throws on a value that nobody wrote. */
export function present(store: SqliteStore, count: number): ReadonlySet<number> {
  const there = new Set<number>();
  for (let i = 0; i < count; i++) {
    const found = store.get('rows', locatorOf(i));
    if (found.kind === 'absent') continue;
    if (found.kind === 'corrupt' || Buffer.compare(found.value, valueOf(i)) !== 0)
      throw new Error(`write ${i} is damaged`);
    there.add(i);
  }
  return there;
}

export function ackedIn(output: string): readonly number[] {
  return [...output.matchAll(/acked (\d+)\n/g)].map((match) => Number(match[1]));
}

if (import.meta.main) {
  const [path = '', first = '0', count = '0', ...pragmas] = process.argv.slice(2);
  const store = new SqliteStore({ path, cacheKiB: 1024 });
  for (const pragma of pragmas) inside(store).exec(`PRAGMA ${pragma}`);
  try {
    for (let i = Number(first); i < Number(first) + Number(count); i++) {
      store.begin();
      store.put('rows', locatorOf(i), valueOf(i));
      store.commit();
      writeSync(1, `acked ${i}\n`);
    }
  } catch (error) {
    writeSync(1, `failed fatal=${isFatalStoreError(error)} full=${isDiskFull(error)} ${String(error)}\n`);
  }
}
