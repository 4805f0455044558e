import { must } from '@circlet/shared/assert.ts';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type Entry, justBefore, type Limits, type Locator, type Store, type Table } from './store.ts';

/** What every engine must do, whatever it is made of. */
export interface Engine {
  /** A store with nothing in it. */
  readonly create: () => Store;
  /** Flips a bit of an entry where it is kept. */
  readonly damage: (store: Store, table: Table, at: Locator) => void;
  /** Closes the store and opens what it left; absent when nothing outlives the process. */
  readonly reopen?: (store: Store) => Store;
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** `place` stands for the key's position: the port promises nothing about how the two belong together. */
export function at(place: number, name = `key ${place}`): Locator {
  return { prefix: place, key: bytes(name) };
}

export function turn<T>(store: Store, work: () => T): T {
  store.begin();
  const result = work();
  store.commit();
  return result;
}

export function put(store: Store, table: Table, where: Locator, value: string): void {
  turn(store, () => store.put(table, where, bytes(value)));
}

/** The value as text, or why there is none. */
export function got(store: Store, table: Table, where: Locator): string {
  const found = store.get(table, where);
  return found.kind === 'found' ? new TextDecoder().decode(found.value) : found.kind;
}

/** All entries, read in pages of `limit`, as `prefix key=value`. */
export function everything(store: Store, table: Table, limit: number): readonly string[] {
  const all: string[] = [];
  for (let page = store.scan(table, undefined, limit); ; page = store.scan(table, page.at(-1)?.at, limit)) {
    expect(page.length).toBeLessThanOrEqual(limit);
    all.push(...page.map(shown));
    if (page.length === 0) return all;
  }
}

const text = (raw: Uint8Array): string => Buffer.from(raw).toString('latin1');

function shown(entry: Entry): string {
  const value = entry.kind === 'found' ? text(entry.value) : 'corrupt';
  return `${entry.at.prefix} ${text(entry.at.key)}=${value}`;
}

const LAST = 2 ** 52 - 1;
const BIG = new Uint8Array(1024 * 1024).map((_, i) => (i * 7) % 251);

export function conforms(engine: Engine): void {
  let open: Store[] = [];
  const create = (): Store => {
    const store = engine.create();
    open.push(store);
    return store;
  };

  afterEach(() => {
    for (const store of open) store.close();
    open = [];
  });

  describe.each<Table>(['rows', 'hints'])('in the table %s', (table) => {
    it('what was never put is absent', () => {
      const store = create();
      expect(store.get(table, at(5))).toEqual({ kind: 'absent' });
      expect(store.scan(table, undefined, 10)).toEqual([]);
      expect(store.count(table)).toBe(0);
    });

    it('what was put is found, what was put over it replaces it, and what was deleted is absent', () => {
      const store = create();
      put(store, table, at(5), 'one');
      expect(got(store, table, at(5))).toBe('one');
      put(store, table, at(5), 'two, and longer');
      expect(got(store, table, at(5))).toBe('two, and longer');
      expect(store.count(table)).toBe(1);
      turn(store, () => store.delete(table, at(5)));
      expect(got(store, table, at(5))).toBe('absent');
      expect(store.count(table)).toBe(0);
    });

    it('deleting what is not there does nothing', () => {
      const store = create();
      put(store, table, at(5, 'a'), 'kept');
      turn(store, () => {
        store.delete(table, at(6));
        store.delete(table, at(5, 'b'));
      });
      expect(everything(store, table, 10)).toEqual(['5 a=kept']);
      expect(store.count(table)).toBe(1);
    });

    it('keys with one prefix are kept apart', () => {
      const store = create();
      for (const name of ['b', 'a', 'c', 'ab']) put(store, table, at(9, name), `value of ${name}`);
      expect(store.count(table)).toBe(4);
      expect(got(store, table, at(9, 'ab'))).toBe('value of ab');
      expect(got(store, table, at(9, 'aa'))).toBe('absent');
      put(store, table, at(9, 'a'), 'changed');
      turn(store, () => store.delete(table, at(9, 'b')));
      expect(everything(store, table, 10)).toEqual(['9 a=changed', '9 ab=value of ab', '9 c=value of c']);
      expect(store.count(table)).toBe(3);
      for (const name of ['a', 'ab', 'c']) turn(store, () => store.delete(table, at(9, name)));
      expect(store.count(table)).toBe(0);
      expect(everything(store, table, 10)).toEqual([]);
    });

    it('a scan goes by prefix, then by the bytes of the key', () => {
      const store = create();
      const places = [at(LAST, 'z'), at(0, 'first'), at(7, '\u{e9}'), at(7, 'e'), at(2 ** 51), at(7, 'ee')];
      for (const where of places) put(store, table, where, '');
      const keys = everything(store, table, 100).map((line) => line.split(' ')[0]);
      expect(keys).toEqual(['0', '7', '7', '7', String(2 ** 51), String(LAST)]);
      const inSeven = store
        .scan(table, at(0, 'first'), 3)
        .map((entry) => Buffer.from(entry.at.key).toString());
      expect(inSeven).toEqual(['e', 'ee', '\u{e9}']);
    });

    it.each([1, 2, 3, 100])('pages of %i come to the same as one large page', (limit) => {
      const store = create();
      for (let i = 0; i < 9; i++) put(store, table, at(Math.floor(i / 3), `k${i}`), `v${i}`);
      expect(everything(store, table, limit)).toEqual(everything(store, table, 1000));
    });

    it('a scan begins behind its cursor, whether or not that key is there', () => {
      const store = create();
      for (const where of [at(3, 'a'), at(3, 'c'), at(5, 'a')]) put(store, table, where, 'v');
      const behind = (cursor: Locator) => store.scan(table, cursor, 10).map(shown);
      expect(behind(at(3, 'b'))).toEqual(['3 c=v', '5 a=v']);
      expect(behind(at(3, 'c'))).toEqual(['5 a=v']);
      expect(behind(at(4, 'zzz'))).toEqual(['5 a=v']);
      expect(behind(at(5, 'a'))).toEqual([]);
    });

    it('a scan ends before a prefix, and one from just before a prefix begins with it', () => {
      const store = create();
      for (const prefix of [0, 3, 4, 5, LAST]) put(store, table, at(prefix, 'k'), 'v');
      const within = (first: number, end: number) =>
        store.scan(table, justBefore(first), 10, end).map((entry) => entry.at.prefix);
      expect(within(3, 5)).toEqual([3, 4]);
      expect(within(0, 1)).toEqual([0]);
      expect(within(5, LAST + 1)).toEqual([5, LAST]);
      expect(within(6, LAST)).toEqual([]);
    });

    it('a scan within limits ends with the entry that reaches one of them, and has one at least', () => {
      const store = create();
      const sizes = [3, 0, 5, 4, 1];
      // Keys of one prefix, too.
      sizes.forEach((size, i) => put(store, table, at(Math.floor(i / 2), `k${i}`), 'v'.repeat(size)));
      const read = (entries: number, most: number, end = LAST) => {
        const part = store.scanWithin(table, undefined, { entries, bytes: most, end });
        return [part.entries.length, part.isAll];
      };
      expect([1, 3, 4, 8, 9, 12, 13, 14].map((most) => read(100, most))).toEqual([
        [1, false],
        [1, false],
        [3, false],
        [3, false],
        [4, false],
        [4, false],
        [5, false],
        [5, true],
      ]);
      expect([1, 4, 5, 6].map((entries) => read(entries, 100))).toEqual([
        [1, false],
        [4, false],
        [5, false],
        [5, true],
      ]);
      expect(read(100, 100, 1)).toEqual([2, true]);
      expect(read(100, 3, 1)).toEqual([1, false]);
      expect(read(100, 100, 0)).toEqual([0, true]);
    });

    it('a damaged entry counts as nothing among the bytes of a scan, and as one among its entries', () => {
      const store = create();
      for (const i of [1, 2, 3]) put(store, table, at(i), 'value');
      engine.damage(store, table, at(1));
      const limits = [
        { entries: 3, bytes: 5 },
        { entries: 1, bytes: 5 },
        { entries: 4, bytes: 11 },
      ];
      const parts = limits.map((each) => store.scanWithin(table, undefined, each));
      expect(parts.map(({ entries, isAll }) => [entries.map(({ kind }) => kind), isAll])).toEqual([
        [['corrupt', 'found'], false],
        [['corrupt'], false],
        [['corrupt', 'found', 'found'], true],
      ]);
    });

    it('a scan that stopped half way is in nobody’s way: the turn writes, and reads what it wrote', () => {
      const store = create();
      for (let i = 0; i < 9; i++) put(store, table, at(i), `v${i}`);
      store.begin();
      for (let i = 0; i < 9; i++) {
        const [first] = store.scanWithin(table, i === 0 ? undefined : at(i - 1), {
          entries: 9,
          bytes: 1,
        }).entries;
        store.put(table, must(first, 'a row').at, bytes(`w${i}`));
      }
      store.commit();
      expect(everything(store, table, 4)).toEqual(Array.from({ length: 9 }, (_, i) => `${i} key ${i}=w${i}`));
    });

    it('what is deleted while it is scanned is passed over, and nothing else is', () => {
      const store = create();
      for (let i = 0; i < 8; i++) put(store, table, at(i), `v${i}`);
      const first = store.scan(table, undefined, 3);
      turn(store, () => [0, 2, 4].forEach((i) => store.delete(table, at(i))));
      const rest = store.scan(table, first.at(-1)?.at, 100);
      expect(rest.map(shown)).toEqual([3, 5, 6, 7].map((i) => `${i} key ${i}=v${i}`));
    });

    it('any bytes come back as they were, none and a mebibyte of them too', () => {
      const store = create();
      const every = Uint8Array.from({ length: 256 }, (_, i) => i);
      const places = [
        { where: at(1), value: new Uint8Array(0) },
        { where: { prefix: 2, key: every }, value: every },
        { where: at(3), value: BIG },
        // Two states that together outgrow every page of the engine.
        { where: at(3, 'beside it'), value: BIG.toReversed() },
      ];
      for (const { where, value } of places) turn(store, () => store.put(table, where, value));
      for (const { where, value } of places) {
        const found = store.get(table, where);
        expect(found.kind === 'found' && Buffer.compare(found.value, value)).toBe(0);
      }
    });

    it('what was put stays as it was when the caller writes over its buffer', () => {
      const store = create();
      const key = bytes('key');
      const value = bytes('value');
      turn(store, () => store.put(table, { prefix: 1, key }, value));
      key.fill(0);
      value.fill(0);
      expect(everything(store, table, 10)).toEqual(['1 key=value']);
    });

    it('a damaged entry is corrupt, never absent, to a get and to a scan', () => {
      const store = create();
      for (const i of [1, 2, 3]) put(store, table, at(i), `v${i}`);
      engine.damage(store, table, at(2));
      expect(got(store, table, at(2))).toBe('corrupt');
      expect([1, 3].map((i) => got(store, table, at(i)))).toEqual(['v1', 'v3']);
      const kinds = store.scan(table, undefined, 10).map((entry) => `${entry.at.prefix} ${entry.kind}`);
      expect(kinds).toEqual(['1 found', '2 corrupt', '3 found']);
      expect(store.count(table)).toBe(3);
      // One at a time, so that the corrupt entry is a cursor too.
      expect(everything(store, table, 1)).toHaveLength(3);
    });

    it('a damaged entry is replaced by a put, and removed by a delete', () => {
      const store = create();
      for (const i of [1, 2]) {
        put(store, table, at(i), 'lost');
        engine.damage(store, table, at(i));
      }
      put(store, table, at(1), 'new');
      expect(got(store, table, at(1))).toBe('new');
      expect(store.count(table)).toBe(2);
      turn(store, () => store.delete(table, at(2)));
      expect(everything(store, table, 10)).toEqual(['1 key 1=new']);
      expect(store.count(table)).toBe(1);
    });
  });

  it('the two tables know nothing of each other', () => {
    const store = create();
    put(store, 'rows', at(1), 'row');
    put(store, 'hints', at(1), 'hint');
    turn(store, () => store.delete('rows', at(1)));
    expect([got(store, 'rows', at(1)), got(store, 'hints', at(1))]).toEqual(['absent', 'hint']);
    expect([store.count('rows'), store.count('hints')]).toEqual([0, 1]);
  });

  it('meta is empty at first, and keeps the last bytes written under each name', () => {
    const store = create();
    expect(store.readMeta('topology')).toBeUndefined();
    turn(store, () => store.writeMeta('topology', bytes('one')));
    turn(store, () => store.writeMeta('topology', bytes('two')));
    turn(store, () => store.writeMeta('empty', bytes('')));
    expect(store.readMeta('topology')).toEqual(bytes('two'));
    expect(store.readMeta('empty')).toEqual(bytes(''));
    expect(store.readMeta('other')).toBeUndefined();
    expect(store.readDerived('topology')).toEqual(bytes('two'));
    expect(store.readDerived('other')).toBeUndefined();
  });

  it('a store knows its size, and its disk by 32 hexadecimal digits', () => {
    const store = create();
    expect(store.disk).toMatch(/^[0-9a-f]{32}$/);
    const before = store.bytes();
    turn(store, () => store.put('rows', at(1), BIG));
    expect(store.bytes() - before).toBeGreaterThanOrEqual(BIG.length);
  });

  it('a turn reads what it has written', () => {
    const store = create();
    put(store, 'rows', at(1), 'before');
    store.begin();
    store.put('rows', at(1), bytes('after'));
    store.put('rows', at(2), bytes('new'));
    store.writeMeta('m', bytes('meta'));
    expect(everything(store, 'rows', 10)).toEqual(['1 key 1=after', '2 key 2=new']);
    expect(store.count('rows')).toBe(2);
    expect(store.readMeta('m')).toEqual(bytes('meta'));
    store.delete('rows', at(1));
    expect(got(store, 'rows', at(1))).toBe('absent');
    store.commit();
    expect(everything(store, 'rows', 10)).toEqual(['2 key 2=new']);
  });

  it('a rollback undoes everything: rows, hints, counts and meta', () => {
    const store = create();
    put(store, 'rows', at(1, 'a'), 'a');
    put(store, 'rows', at(1, 'b'), 'b');
    put(store, 'hints', at(2), 'hint');
    turn(store, () => store.writeMeta('m', bytes('old')));
    store.begin();
    store.put('rows', at(1, 'a'), bytes('changed'));
    store.put('rows', at(1, 'c'), bytes('added'));
    store.delete('rows', at(1, 'b'));
    store.put('rows', at(7), bytes('elsewhere'));
    store.delete('hints', at(2));
    store.writeMeta('m', bytes('new'));
    store.writeMeta('n', bytes('new'));
    store.rollback();
    expect(everything(store, 'rows', 10)).toEqual(['1 a=a', '1 b=b']);
    expect(everything(store, 'hints', 10)).toEqual(['2 key 2=hint']);
    expect([store.count('rows'), store.count('hints')]).toEqual([2, 1]);
    expect(store.readMeta('m')).toEqual(bytes('old'));
    expect(store.readMeta('n')).toBeUndefined();
  });

  it('a rollback undoes what the turn itself has read back, and a write after it begins from what was', () => {
    const store = create();
    put(store, 'rows', at(1, 'a'), 'kept');
    store.begin();
    store.put('rows', at(1, 'a'), bytes('undone'));
    store.put('rows', at(1, 'b'), bytes('undone too'));
    expect(store.get('rows', at(1, 'b'))).toEqual({ kind: 'found', value: bytes('undone too') });
    store.rollback();
    expect(store.get('rows', at(1, 'b'))).toEqual({ kind: 'absent' });
    expect(store.get('rows', at(1, 'a'))).toEqual({ kind: 'found', value: bytes('kept') });
    put(store, 'rows', at(1, 'c'), 'new');
    expect(everything(store, 'rows', 10)).toEqual(['1 a=kept', '1 c=new']);
  });

  it('a rollback undoes its own turn only, and the next turn works', () => {
    const store = create();
    put(store, 'rows', at(1), 'kept');
    store.begin();
    store.put('rows', at(2), bytes('undone'));
    store.rollback();
    put(store, 'rows', at(3), 'kept too');
    store.begin();
    store.rollback();
    expect(everything(store, 'rows', 10)).toEqual(['1 key 1=kept', '3 key 3=kept too']);
    expect(store.count('rows')).toBe(2);
  });

  it('a turn that wrote nothing commits', () => {
    const store = create();
    expect(() => turn(store, () => store.get('rows', at(1)))).not.toThrow();
  });

  it('does what a sorted map does, whatever is asked of it', () => {
    fc.assert(
      fc.property(turns, (asked) => {
        const store = engine.create();
        let model = new Map<string, string>();
        for (const { steps, commits } of asked) {
          const before = new Map(model);
          store.begin();
          for (const step of steps) expect(perform(store, model, step)).toEqual(foretold(model, step));
          if (commits) store.commit();
          else store.rollback();
          if (!commits) model = before;
          expect(everything(store, 'rows', 3)).toEqual(sorted(model));
          expect(store.count('rows')).toBe(model.size);
        }
        store.close();
      }),
      { numRuns: 60 },
    );
  });

  it.runIf(engine.reopen !== undefined)(
    'what was committed is there after a restart, and the rest is not',
    () => {
      let store = engine.create();
      const { disk } = store;
      put(store, 'rows', at(1, 'a'), 'one');
      put(store, 'rows', at(2), 'two');
      put(store, 'hints', at(3), 'hint');
      turn(store, () => store.put('rows', at(4), BIG));
      turn(store, () => store.writeMeta('m', bytes('meta')));
      turn(store, () => store.delete('rows', at(2)));
      store.begin();
      store.put('rows', at(5), bytes('never committed'));
      store.rollback();
      store = engine.reopen?.(store) ?? store;
      open.push(store);
      expect(store.disk).toBe(disk);
      expect(store.scan('rows', undefined, 10).map((entry) => entry.at.prefix)).toEqual([1, 4]);
      expect(got(store, 'hints', at(3))).toBe('hint');
      expect([store.count('rows'), store.count('hints')]).toEqual([2, 1]);
      expect(store.readMeta('m')).toEqual(bytes('meta'));
    },
  );
}

type Step =
  | { readonly kind: 'put'; readonly place: number; readonly name: string }
  | { readonly kind: 'delete'; readonly place: number; readonly name: string }
  | { readonly kind: 'get'; readonly place: number; readonly name: string }
  | { readonly kind: 'scan'; readonly place: number; readonly name: string; readonly limit: number }
  | { readonly kind: 'within'; readonly place: number; readonly name: string; readonly limits: Limits };

const place = fc.constantFrom(0, 1, 2, 3, LAST);
const name = fc.constantFrom('a', 'b', 'c', 'd');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('put' as const), place, name }) },
  fc.record({ kind: fc.constant('delete' as const), place, name }),
  fc.record({ kind: fc.constant('get' as const), place, name }),
  fc.record({ kind: fc.constant('scan' as const), place, name, limit: fc.integer({ min: 1, max: 6 }) }),
  fc.record({
    kind: fc.constant('within' as const),
    place,
    name,
    limits: fc.record({
      entries: fc.integer({ min: 1, max: 6 }),
      bytes: fc.integer({ min: 1, max: 20 }),
      end: place,
    }),
  }),
);
const turns = fc.array(fc.record({ steps: fc.array(step, { maxLength: 12 }), commits: fc.boolean() }), {
  maxLength: 8,
});

let puts = 0;

/** What a step makes of the store, and of the model; for one that only looks, what it sees. */
function perform(store: Store, model: Map<string, string>, asked: Step): unknown {
  const where = at(asked.place, asked.name);
  const line = `${asked.place} ${asked.name}`;
  if (asked.kind === 'get') return got(store, 'rows', where);
  if (asked.kind === 'scan') return store.scan('rows', where, asked.limit).map(shown);
  if (asked.kind === 'within') {
    const { entries, isAll } = store.scanWithin('rows', where, asked.limits);
    return { entries: entries.map(shown), isAll };
  }
  if (asked.kind === 'put') {
    const value = `v${puts++}`;
    store.put('rows', where, bytes(value));
    model.set(line, value);
  } else {
    store.delete('rows', where);
    model.delete(line);
  }
  return undefined;
}

function foretold(model: ReadonlyMap<string, string>, asked: Step): unknown {
  const line = `${asked.place} ${asked.name}`;
  if (asked.kind === 'get') return model.get(line) ?? 'absent';
  if (asked.kind !== 'scan' && asked.kind !== 'within') return undefined;
  const behind = sorted(model).filter(
    (other) => compare(other, `${line}=`) > 0 && !other.startsWith(`${line}=`),
  );
  return asked.kind === 'scan' ? behind.slice(0, asked.limit) : cut(behind, asked.limits);
}

function cut(lines: readonly string[], { entries: limit, bytes: most, end = LAST }: Limits): unknown {
  const before = lines.filter((line) => Number.parseInt(line, 10) < end);
  const sizes = before.map((line) => line.length - line.indexOf('=') - 1);
  const isReached = (count: number) =>
    count >= limit || sizes.slice(0, count).reduce((sum, size) => sum + size, 0) >= most;
  const full = before.findIndex((_, i) => isReached(i + 1));
  return full < 0 ? { entries: before, isAll: true } : { entries: before.slice(0, full + 1), isAll: false };
}

function sorted(model: ReadonlyMap<string, string>): readonly string[] {
  return [...model].map(([line, value]) => `${line}=${value}`).toSorted(compare);
}

function compare(a: string, b: string): number {
  const places = Number.parseInt(a, 10) - Number.parseInt(b, 10);
  return places !== 0 ? places : a < b ? -1 : 1;
}
