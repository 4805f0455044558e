import { countDots } from '@circlet/shared/causality/history.ts';
import type { Words128 } from '@circlet/shared/hash/md5.ts';
import { xor } from '@circlet/shared/merkle/hash.ts';
import { prefixesOf, type Range } from '@circlet/shared/merkle/range.ts';
import type { StatePartSent } from '@circlet/shared/protocol/state-part.ts';
import { decodeRow, stateOf } from '../row.ts';
import { partsOfRow } from '../state-parts.ts';
import { type Entry, justBefore, type Store } from '../store.ts';
import { hashOf } from './trees.ts';

/** A place in the ring with the rows that lie there: nearly always one. */
export interface Place {
  readonly prefix: number;
  readonly hash: Words128;
  readonly entries: readonly Entry[];
}

/** Places of a stretch from its beginning, and where it goes on behind them: at its end when they are all. */
export interface Stretch {
  readonly places: readonly Place[];
  readonly reached: number;
}

/** At most `limit` rows of a range. */
export function rowsIn(store: Store, range: Range, vnodes: number, limit: number): readonly Entry[] {
  const [first, end] = prefixesOf(range, vnodes);
  return store.scan('rows', justBefore(first), limit, end);
}

/** The first places from `first` on, of about so many rows and bytes: each with all its rows, and one at least. */
export function stretchOf(
  store: Store,
  first: number,
  end: number,
  limits: { readonly entries: number; readonly bytes: number },
): Stretch {
  const { entries, isAll } = store.scanWithin('rows', justBefore(first), { ...limits, end });
  const last = entries.at(-1)?.at;
  if (isAll || last === undefined) return { places: placesIn(entries), reached: end };
  // What was read ends with a row, and there may be more of them in its place.
  const behind = last.prefix + 1;
  const rest = store.scan('rows', last, ROWS_MAX, behind);
  return { places: placesIn([...entries, ...rest]), reached: behind };
}

export function rowsAt(store: Store, prefix: number): readonly Entry[] {
  return store.scan('rows', justBefore(prefix), ROWS_PER_PLACE_MAX, prefix + 1);
}

export function placesIn(rows: readonly Entry[]): readonly Place[] {
  const places: { prefix: number; hash: Words128; entries: Entry[] }[] = [];
  for (const entry of rows) {
    const { prefix } = entry.at;
    const last = places.at(-1);
    if (last?.prefix === prefix) {
      last.hash = xor(last.hash, hashOf(entry));
      last.entries.push(entry);
    } else {
      places.push({ prefix, hash: hashOf(entry), entries: [entry] });
    }
  }
  return places;
}

/** How many dots the histories there have, modulo 256. */
export function dotsIn({ entries }: Place): number {
  let dots = 0;
  for (const entry of entries) {
    if (entry.kind === 'found') dots += countDots(stateOf(decodeRow(entry.value)).history);
  }
  return dots % 256;
}

/** What can be read of them, as it is sent: a damaged row is never copied. */
export function partsOfEntries(entries: readonly Entry[]): readonly StatePartSent[] {
  return entries.flatMap((entry) =>
    entry.kind === 'corrupt' ? [] : partsOfRow(entry.at.key, decodeRow(entry.value)),
  );
}

const ROWS_PER_PLACE_MAX = 64;
const ROWS_MAX = 2 ** 31;
