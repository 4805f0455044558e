import { prefixesOf, wholeVnode } from '@circlet/shared/merkle/range.ts';
import { shortHash } from '@circlet/shared/merkle/hash.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placesIn } from '../anti-entropy/places.ts';
import { keysOf, putRow, readsOf, stateOfBytes } from '../anti-entropy/rows.case.ts';
import { MemoryStore } from '../memory-store.ts';
import { tellForRefill } from './refill.ts';

const VNODES = 1;
const [FIRST, END] = prefixesOf(wholeVnode(0), VNODES);
const KEYS = keysOf(40);
const BYTES_PER_SECOND = 8 * 1024 * 1024;

interface Owned {
  /** Several rows can lie in one place. */
  readonly place: number;
  readonly bytes: number;
  /** The asking pod has it too. */
  readonly has: boolean;
}

/** Asks until everything was told, as `Refill` does; the keys that were told, in the order of `rows`. */
function toldOf(rows: readonly Owned[]): { readonly told: readonly string[]; readonly mostAtOnce: number } {
  const [store, asking] = [new MemoryStore(), new MemoryStore()];
  for (const each of [store, asking]) each.begin();
  rows.forEach(({ place, bytes, has }, i) => {
    const key = KEYS[i] as Uint8Array;
    const at = { prefix: place * 2 ** 40, key };
    const state = stateOfBytes(bytes, i);
    putRow(store, key, state, at);
    if (has) putRow(asking, key, state, at);
  });
  const reads = readsOf(store);
  const told: string[] = [];
  const have = placesIn(asking.scan('rows', undefined, 1_000));
  for (let first = FIRST; first < END; ) {
    const places = have.filter(({ prefix }) => prefix >= first);
    const listed = places.map(({ prefix, hash }) => ({ offset: prefix - first, hash: shortHash(hash) }));
    const ask = { id: 1, vnode: 0, first, end: END, rows: listed };
    const pages = tellForRefill(store, VNODES, ask, BYTES_PER_SECOND);
    told.push(...pages.flatMap(({ entries }) => entries.map(({ key }) => Buffer.from(key).toString('hex'))));
    const [{ reached }] = pages as readonly [(typeof pages)[number]];
    expect(reached).toBeGreaterThan(first);
    first = reached;
  }
  return { told, mostAtOnce: reads.mostAtOnce };
}

const row = fc.record({
  place: fc.nat({ max: 20 }),
  bytes: fc.constantFrom(10, 1_000, 60_000, 400_000),
  has: fc.boolean(),
});

describe('an owner that is asked for what a new disk lacks', () => {
  it('tells every row of every place that it has and the other has not, however large they are', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: KEYS.length }), (rows) => {
        // A place is told whole: its hash is that of all rows there.
        const lacks = new Set(rows.filter(({ has }) => !has).map(({ place }) => place));
        const wanted = rows.flatMap(({ place }, i) =>
          lacks.has(place) ? [Buffer.from(KEYS[i] as Uint8Array).toString('hex')] : [],
        );
        expect(toldOf(rows).told.toSorted()).toEqual(wanted.toSorted());
      }),
      { numRuns: 60 },
    );
  });

  it('reads about as much as it tells, not hundreds of large rows for one', () => {
    const rows = KEYS.map((_, place) => ({ place, bytes: 400_000, has: false }));
    const { told, mostAtOnce } = toldOf(rows);
    expect(told).toHaveLength(KEYS.length);
    expect(mostAtOnce).toBeLessThan(1_000_000);
  });
});
