import { Writer } from '@circlet/shared/codec/bytes.ts';
import { Prng } from '@circlet/shared/prng.ts';
import { type Message, schemaOf } from '@circlet/shared/protocol/message.ts';
import { prefixOf, positionOf } from '@circlet/shared/ring/position.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { locate } from '../hint-ledger.ts';
import { copyOf } from '../one-key.case.ts';
import { damage, type Net, type Pod, readyNet, ring, storeWith } from '../pods.case.ts';
import { lead, read } from '../requests.case.ts';
import { topologyOf } from '../ring.case.ts';
import { HEALABLE_MS } from '../replica.ts';
import {
  entriesTold,
  fill,
  keysOf,
  putRow,
  REPAIR,
  readsOf,
  rowsOf,
  stateOfBytes,
  stateWith,
  traffic,
} from './rows.case.ts';

/** Three owners of everything. */
const ABC = topologyOf(['a', 'b', 'c']);
const KEYS = keysOf(300);
/** Everybody has compared with everybody, and what differed has been sent. */
const ALL_ROUNDS_MS = 25_000;

/** Pods that have these rows from the beginning. */
function pods(rows: Readonly<Record<string, readonly (readonly [number, number])[]>>, topology = ABC): Net {
  const net = readyNet(topology, { repair: REPAIR }, []);
  for (const { name } of topology.members) {
    const store = storeWith(name, topology);
    store.begin();
    for (const [key, n] of rows[name] ?? []) putRow(store, KEYS[key] as Uint8Array, stateWith(n));
    store.commit();
    net.start(name, { store, repair: REPAIR, seed: seedOf(name) });
  }
  net.run(3_000);
  return net;
}

const all = (n = 1) => KEYS.map((_, i) => [i, n] as const);

function areEqual(net: Net): boolean {
  const [first, ...others] = [...net.pods.values()].map(rowsOf);
  return others.every((rows) => JSON.stringify(rows) === JSON.stringify(first));
}

describe('owners that are equal', () => {
  it('send each other one message a round, and nothing else', () => {
    const net = pods({ a: all(), b: all(), c: all() });
    net.sent.length = 0;
    net.run(60_000);
    expect(Object.keys(traffic(net))).toEqual(['treeRoots']);
    expect(traffic(net)['treeRoots']).toBe(3 * 12);
    expect(net.messages('treeRoots', 'a').every(({ roots }) => roots.length === 16)).toBe(true);
  });

  it('and empty too', () => {
    const net = pods({});
    net.run(60_000);
    expect(Object.keys(traffic(net))).toEqual(['treeRoots']);
  });
});

describe('owners that differ', () => {
  it('find the one row in 300 that is missing, and send no other', () => {
    const net = pods({ a: all(), b: all().filter(([key]) => key !== 77), c: all() });
    net.run(ALL_ROUNDS_MS);
    expect(areEqual(net)).toBe(true);
    expect(entriesTold(net)).toBe(1);
  });

  it('merge what each has of a key, and both have all of it', () => {
    const net = pods({ a: [[5, 1]], b: [[5, 2]], c: [[5, 3]] });
    net.run(ALL_ROUNDS_MS);
    expect(areEqual(net)).toBe(true);
    const [answer] = net.ask(net.pod('a'), read(net, { key: KEYS[5] as Uint8Array }));
    expect(answer).toMatchObject({ kind: 'found', what: 'state' });
  });

  it('and one of which has nothing at all: it gets every row once, from one of the others', () => {
    const net = pods({ a: all(), c: all() });
    net.run(ALL_ROUNDS_MS);
    expect(areEqual(net)).toBe(true);
    expect(entriesTold(net)).toBe(KEYS.length);
  });

  it('are made equal whatever the differences are, with frames lost, doubled and reordered', () => {
    const row = fc.tuple(fc.nat({ max: KEYS.length - 1 }), fc.integer({ min: 1, max: 4 }));
    const rows = fc.uniqueArray(row, { selector: ([key]) => key, maxLength: 120 });
    fc.assert(
      fc.property(rows, rows, rows, fc.nat(), (a, b, c, seed) => {
        const net = pods({ a, b, c });
        const prng = new Prng(seed);
        net.loses = (_, __, message) => isOurs(message) && prng.next() < 0.3;
        net.doubles = true;
        net.run(20_000);
        net.loses = () => false;
        net.run(ALL_ROUNDS_MS);
        expect(areEqual(net)).toBe(true);
        expect(net.notices.filter(({ level }) => level === 'alarm')).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });

  it('under one leaf with more rows than are listed, too', () => {
    const topology = { ...ABC, owners: ABC.owners.slice(0, 1) };
    const many = keysOf(12_000);
    const net = readyNet(topology, {}, []);
    for (const name of ['a', 'b', 'c']) {
      const store = storeWith(name, topology);
      fill(store, name === 'b' ? many.filter((_, i) => i !== 4_321) : many);
      net.start(name, { store, repair: REPAIR, seed: seedOf(name) });
    }
    net.run(ALL_ROUNDS_MS);
    expect(net.pods.get('b')?.store.count('rows')).toBe(many.length);
    expect(entriesTold(net)).toBe(1);
    expect(net.messages('treeNodes').map(({ level }) => level)).toContain(2);
  });

  it('in large rows are sent all of them, and no more is read at once than is sent', () => {
    const topology = { ...ABC, owners: ABC.owners.slice(0, 1) };
    const net = readyNet(topology, {}, []);
    const reads = ['a', 'b', 'c'].map((name) => {
      const store = storeWith(name, topology);
      if (name !== 'b') fill(store, KEYS.slice(0, 60), stateOfBytes(100_000));
      net.start(name, { store, repair: REPAIR, seed: seedOf(name) });
      return readsOf(store);
    });
    net.run(ALL_ROUNDS_MS);
    expect(reads.every(({ mostAtOnce }) => mostAtOnce < 1_200_000)).toBe(true);
    expect(areEqual(net)).toBe(true);
  });

  it('are compared without rows that are written meanwhile being sent: they arrive by themselves', () => {
    const net = pods({ a: all(), b: all(), c: all() });
    for (let i = 0; i < 200; i++) {
      const key = KEYS[i] as Uint8Array;
      for (const name of ['a', 'b', 'c']) {
        const [led] = net.ask(net.pod(name), lead(net, copyOf(i + 10), { key }));
        expect(led).toMatchObject({ kind: 'led' });
        net.run(7);
      }
    }
    net.run(ALL_ROUNDS_MS);
    expect(areEqual(net)).toBe(true);
  });
});

describe('a refill that is interrupted', () => {
  it.each(['a', 'b', 'c'])('by the death of %s goes on with what is missing', (dies) => {
    const many = keysOf(3_000);
    const slow = { ...REPAIR, bytesPerSecond: 100_000 };
    const net = readyNet(ABC, {}, []);
    for (const name of ['a', 'b', 'c']) {
      const store = storeWith(name, ABC);
      if (name !== 'b') fill(store, many);
      net.start(name, { store, repair: slow, seed: seedOf(name) });
    }
    const arrived = () => net.pod('b').store.count('rows');
    while (arrived() < 500) net.run(50);
    const { store } = net.pod(dies);
    net.stop(dies);
    net.run(2_000);
    const before = store.count('rows');
    net.start(dies, { store, repair: slow, seed: 99 });
    net.run(60_000);
    expect(areEqual(net)).toBe(true);
    expect(before).toBeLessThan(many.length + (dies === 'b' ? 0 : 1));
    // What was on its way when it died is sent again, and no more than that.
    expect(entriesTold(net)).toBeLessThan(many.length * 1.2);
  });
});

describe('what repair may cost', () => {
  it('is so many bytes a second', () => {
    const many = keysOf(2_000);
    const net = readyNet(ABC, {}, []);
    for (const name of ['a', 'b']) {
      const store = storeWith(name, ABC);
      if (name === 'a') fill(store, many);
      net.start(name, { store, repair: { ...REPAIR, bytesPerSecond: 20_000 }, seed: seedOf(name) });
    }
    while (net.pod('b').store.count('rows') === 0) net.run(50);
    net.sent.length = 0;
    net.run(5_000);
    const bytes = net.sent
      .filter(({ from }) => from === 'a')
      .reduce((sum, { message }) => sum + sizeOf(message), 0);
    expect(bytes).toBeGreaterThan(80_000);
    expect(bytes).toBeLessThan(120_000);
  });
});

describe('a row that went bad', () => {
  const key = KEYS[9] as Uint8Array;
  const at = locate(key);
  const isCorrupt = (pod: Pod) => pod.store.get('rows', at).kind === 'corrupt';

  it('is found by the scrub, never sent, and repaired from the others before anybody reads it', () => {
    const net = pods({ a: all(), b: all(), c: all() });
    damage(net.pod('b'), 'rows', at);
    net.run(70_000);
    expect(isCorrupt(net.pod('b'))).toBe(false);
    expect(rowsOf(net.pod('b'))).toEqual(rowsOf(net.pod('a')));
    const toldByB = net.messages('rowsTold', 'b').flatMap(({ entries }) => entries);
    expect(toldByB).toEqual([]);
  });

  it('vouches again when the others were asked once more, long enough after', () => {
    const net = pods({ a: all(), b: all(), c: all() });
    damage(net.pod('b'), 'rows', at);
    const what = () => net.ask(net.pod('b'), read(net, { key, want: 'digest' }))[0];
    while (isCorrupt(net.pod('b'))) net.run(1_000);
    expect(what()).toMatchObject({ kind: 'found', what: 'suspect' });
    net.run(HEALABLE_MS - 5_000);
    expect(what()).toMatchObject({ kind: 'found', what: 'suspect' });
    net.run(10_000);
    expect(what()).toMatchObject({ kind: 'found', what: 'digest' });
    expect(net.events('b')).toContain('row_healed');
  });

  it('does not vouch while one of the others cannot be asked', () => {
    const net = pods({ a: all(), b: all(), c: all() });
    net.stop('c');
    damage(net.pod('b'), 'rows', at);
    net.run(3 * HEALABLE_MS);
    const what = () => net.ask(net.pod('b'), read(net, { key, want: 'digest' }))[0];
    expect(what()).toMatchObject({ what: 'suspect' });
    net.start('c', { store: storeWith('c', ABC), repair: REPAIR });
    net.run(HEALABLE_MS);
    expect(what()).toMatchObject({ what: 'digest' });
  });

  it('and that nobody else has is gone in the end, with an alarm: until then it is no "not found"', () => {
    const net = pods({ b: [[9, 1]] });
    // Before the others hear of it.
    damage(net.pod('b'), 'rows', at);
    const what = () => net.ask(net.pod('b'), read(net, { key, want: 'digest' }))[0];
    net.run(HEALABLE_MS - 1_000);
    expect(what()).toMatchObject({ what: 'suspect' });
    net.run(2 * HEALABLE_MS);
    expect(what()).toMatchObject({ what: 'absent' });
    expect(net.events('b')).toContain('row_lost');
    expect(areEqual(net)).toBe(true);
  });

  it('without a trace of it is missed, and brought back', () => {
    const net = pods({ a: all(), b: all(), c: all() });
    const { store } = net.pod('b');
    store.begin();
    store.delete('rows', at);
    store.commit();
    net.run(100_000);
    expect(net.events('b')).toContain('rows_vanished');
    expect(areEqual(net)).toBe(true);
  });
});

describe('messages that nobody should send', () => {
  const range = { vnode: 0, level: 0, index: 0 };
  const hashes = Array.from({ length: 16 }, () => '12345678');
  const bad: readonly Message[] = [
    { kind: 'treeRoots', roots: [{ vnode: 16, hash: '0123456789abcdef' }] },
    { kind: 'treeRoots', roots: [0, 0].map((vnode) => ({ vnode, hash: '0123456789abcdef' })) },
    { kind: 'treeNodes', ...range, vnode: 16, hashes },
    { kind: 'treeNodes', ...range, index: 1, hashes },
    { kind: 'treeNodes', ...range, level: 11, hashes },
    { kind: 'treeNodes', ...range, level: 10, hashes },
    { kind: 'treeNodes', ...range, hashes: hashes.slice(1) },
    { kind: 'treeRows', ...range, level: 2, index: 256, rows: [] },
    { kind: 'rowsAsk', id: 0, prefixes: [2 ** 52] },
    { kind: 'rowsAsk', id: 1, prefixes: [1, 2] },
    { kind: 'rowsTold', answers: 1, page: 0, pages: 0, more: false, entries: [] },
    { kind: 'rowsTold', answers: 1, page: 3, pages: 3, more: false, entries: [] },
    { kind: 'rowsTold', answers: 1, page: 0, pages: 2 ** 40, more: false, entries: [] },
  ];

  it.each(bad.map((message) => [message.kind, message] as const))('%s: %j', (_, message) => {
    const net = pods({ a: all() });
    const a = net.pod('a');
    net.notices.length = 0;
    net.sent.length = 0;
    net.tell(a, { name: 'b', epoch: a.epoch, topology: a.topology }, message);
    net.run(500);
    expect(net.events('a')).toContain('bad_message');
    expect([...net.messages('rowsTold', 'a'), ...net.messages('treeNodes', 'a')]).toEqual([]);
  });

  it('for the whole keyspace, ten thousand times, are answered within the budget and the memory of a few', () => {
    const net = pods({ a: all() });
    const a = net.pod('a');
    net.sent.length = 0;
    const ask: Message = { kind: 'rowsAsk', id: 0, prefixes: KEYS.map((key) => prefixOf(positionOf(key))) };
    for (let i = 0; i < 10_000; i++) net.tell(a, { name: 'b', epoch: a.epoch, topology: a.topology }, ask);
    net.run(1_000);
    const bytes = entriesTold(net, 'a') * 100;
    expect(bytes).toBeLessThan(2 * REPAIR.bytesPerSecond);
    // The pod still does what it is there for.
    const [led] = net.ask(a, lead(net, copyOf(5), { key: KEYS[0] as Uint8Array }));
    expect(led).toMatchObject({ kind: 'led' });
  });

  it('from a node that owns nothing of it are not answered', () => {
    const topology = topologyOf(['a', 'b', 'c', 'd', 'e']);
    const net = readyNet(topology, { repair: REPAIR });
    const a = net.pod('a');
    const vnode = topology.owners.findIndex((_, i) => ring(topology).slotOf(i, 'a') < 0);
    net.sent.length = 0;
    net.tell(
      a,
      { name: 'b', epoch: a.epoch, topology: a.topology },
      { kind: 'treeRoots', roots: [{ vnode, hash: '0123456789abcdef' }] },
    );
    net.run(300);
    expect(traffic(net)).toEqual({});
  });
});

/** Rounds at different times, as in pods that draw their seeds. */
const seedOf = (name: string) => name.charCodeAt(0);

function sizeOf(message: Message): number {
  const writer = new Writer();
  schemaOf(message.kind).schema.write(writer, message);
  return writer.size;
}

function isOurs({ kind }: Message): boolean {
  return kind.startsWith('tree') || kind.startsWith('rows');
}
