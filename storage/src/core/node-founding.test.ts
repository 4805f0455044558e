import { encodeTopology } from '@circlet/shared/ring/topology.ts';
import { sign } from '@circlet/shared/ring/founding.ts';
import { sipKey } from '@circlet/shared/hash/siphash.ts';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from './memory-store.ts';
import { DIGEST_KEY } from './one-key.case.ts';
import { configOf, Net, NO_RING, storeWith } from './pods.case.ts';
import { diskOf, topologyOf } from './ring.case.ts';

const NAMES = ['a', 'b', 'c'];
const CONFIG = configOf(...NAMES);

const ready = (net: Net) => [...net.pods.values()].map(({ name, node }) => `${name} ${node.readiness.ready}`);

describe('three pods with empty stores', () => {
  it('that start together agree on epoch 1 and become ready', () => {
    const net = new Net();
    for (const name of NAMES) net.start(name, { founding: CONFIG });
    net.run(100);
    const digests = new Set([...net.pods.values()].map(({ topology, epoch }) => `${epoch} ${topology}`));
    expect(digests.size).toBe(1);
    expect(net.pod('a').epoch).toBe(1);
    // Before the wait for peers is over: each has heard the others gossip.
    net.run(1500);
    expect(ready(net)).toEqual(['a true', 'b true', 'c true']);
    expect(net.notices.filter(({ level }) => level === 'alarm')).toEqual([]);
  });

  it('wait for the last of them, however long it takes', () => {
    const net = new Net();
    net.start('a', { founding: CONFIG });
    net.run(5000);
    net.start('b', { founding: CONFIG });
    net.run(60_000);
    expect(net.events('a')).not.toContain('topology_adopted');
    expect(net.pod('a').epoch).toBe(0);
    net.start('c', { founding: CONFIG });
    net.run(1000);
    expect(ready(net)).toEqual(['a true', 'b true', 'c true']);
  });

  it('come to the same when frames are lost and pods restart on the way', () => {
    for (let seed = 0; seed < 20; seed++) {
      const net = new Net();
      const stores = new Map(NAMES.map((name) => [name, new MemoryStore(diskOf(name))]));
      let n = seed;
      net.loses = () => (n = (n * 1103515245 + 12345) % 2 ** 31) % 10 < 6;
      const start = (name: string) =>
        net.start(name, { founding: CONFIG, store: stores.get(name) ?? new MemoryStore() });
      for (const name of NAMES) start(name);
      for (let i = 0; i < 6; i++) {
        net.run(150);
        start(NAMES[(seed + i) % 3] ?? 'a');
      }
      net.loses = () => false;
      net.run(5000);
      expect(ready(net).map((line) => line.slice(2))).toEqual(['true', 'true', 'true']);
      expect(new Set([...net.pods.values()].map(({ topology }) => topology)).size).toBe(1);
    }
  });

  it('found nothing when their lists differ', () => {
    const net = new Net();
    net.start('a', { founding: CONFIG });
    net.start('b', { founding: CONFIG });
    net.start('c', { founding: configOf('a', 'b', 'c', 'd') });
    net.run(5000);
    for (const name of NAMES) expect(net.pod(name).epoch).toBe(0);
    expect(net.events('a')).toContain('founding_mismatch');
    expect(net.events('c')).toContain('founding_mismatch');
  });
});

const foundingCall = (name: string, disk: string, key = DIGEST_KEY) =>
  ({ kind: 'foundingCall', signature: sign(key, CONFIG, name, disk) }) as const;

const signed = (name: string, key = DIGEST_KEY) =>
  ({ kind: 'foundingSigned', signature: sign(key, CONFIG, name, diskOf(name)) }) as const;

describe('a signature', () => {
  it('is given once, and is the same after a restart', () => {
    const net = new Net();
    const store = new MemoryStore(diskOf('a'));
    const signatures = [0, 1].map(() => {
      net.start('a', { founding: CONFIG, store });
      net.sent.length = 0;
      net.run(300);
      return net.messages('foundingCall')[0]?.signature;
    });
    expect(signatures[0]).toBeDefined();
    expect(signatures[1]).toEqual(signatures[0]);
  });

  it('is in the store before it is sent', () => {
    const store = new MemoryStore();
    const net = new Net();
    net.start('a', { founding: CONFIG, store });
    expect(net.sent).toEqual([]);
    expect(store.readMeta('signature')).toBeDefined();
  });

  it('for another list is refused by a store that has signed: the operator must say which', () => {
    const net = new Net();
    const store = new MemoryStore(diskOf('a'));
    net.start('a', { founding: CONFIG, store });
    const again = net.start('a', { founding: configOf('a', 'b'), store });
    net.run(1000);
    expect(net.events('a')).toContain('founding_refused');
    expect(net.notices.find(({ event }) => event === 'founding_refused')?.level).toBe('alarm');
    net.sent.length = 0;
    expect(net.tell(again, { name: 'b', ...NO_RING }, foundingCall('b', diskOf('b')))).toEqual([]);
    net.run(1000);
    expect(net.messages('foundingCall')).toEqual([]);
  });

  it('is not asked of a pod that is not on its own list', () => {
    const net = new Net();
    net.start('z', { founding: CONFIG });
    expect(net.events('z')).toEqual(['founding_refused']);
    net.run(500);
    expect(net.messages('foundingCall')).toEqual([]);
    expect(net.messages('topologyAsk').length).toBeGreaterThan(1);
  });

  it('that is forged, or another member’s, counts for nothing', () => {
    const net = new Net();
    const a = net.start('a', { founding: CONFIG });
    const toBoot = a.boot;
    net.tell(a, { name: 'b', toBoot, ...NO_RING }, signed('b', sipKey(new Uint8Array(16))));
    net.tell(a, { name: 'b', toBoot, ...NO_RING }, signed('c'));
    net.tell(a, { name: 'c', toBoot, ...NO_RING }, signed('c'));
    expect(net.events('a')).toEqual(['founding_mismatch', 'founding_mismatch']);
    expect(a.epoch).toBe(0);
    net.tell(a, { name: 'b', toBoot, ...NO_RING }, signed('b'));
    expect(a.epoch).toBe(1);
  });

  // A frame of b may be as old as the cluster that b founded meanwhile with another a.
  it('counts only as an answer to this life: a call, or an answer to an earlier life, may be old', () => {
    const net = new Net();
    const a = net.start('a', { founding: CONFIG });
    net.tell(a, { name: 'b', toBoot: a.boot, ...NO_RING }, signed('b'));
    expect(net.tell(a, { name: 'c', ...NO_RING }, foundingCall('c', diskOf('c')))).toMatchObject([
      { kind: 'foundingSigned' },
    ]);
    net.tell(a, { name: 'c', toBoot: 'earlierlife', ...NO_RING }, signed('c'));
    net.tell(a, { name: 'c', ...NO_RING }, signed('c'));
    expect(a.epoch).toBe(0);
    net.tell(a, { name: 'c', toBoot: a.boot, ...NO_RING }, signed('c'));
    expect(a.epoch).toBe(1);
  });
});

const told = (epoch: number) =>
  ({ kind: 'topologyTold', document: encodeTopology(topologyOf(NAMES, epoch)) }) as const;

describe('a pod beside one that has a topology', () => {
  const topology = topologyOf(NAMES, 7);

  // Two pods lose their disks while the third is down; the third comes back. They must not have begun a second cluster.
  it('adopts it with its empty store, signs nothing, and is no member under its unknown disk', () => {
    const net = new Net();
    net.start('c', { store: storeWith('c', topology) });
    const a = net.start('a', { founding: CONFIG, store: new MemoryStore('f'.repeat(32)) });
    net.run(3000);
    expect(a.epoch).toBe(7);
    expect(a.node.readiness).toMatchObject({ ready: false, checks: { topology: true, member: false } });
    expect(
      net.notices.filter(({ by, level }) => by === 'a' && level === 'alarm').map(({ event }) => event),
    ).toEqual(['disk_not_in_topology']);
    expect(net.messages('foundingSigned', 'c')).toEqual([]);
  });

  it('is told it even before it says who it is: any call for signatures is answered with the document', () => {
    const net = new Net();
    const c = net.start('c', { store: storeWith('c', topology) });
    const signature = sign(DIGEST_KEY, CONFIG, 'a', diskOf('a'));
    const answer = net.tell(c, { name: 'a', ...NO_RING }, { kind: 'foundingCall', signature });
    expect(answer).toEqual([{ kind: 'topologyTold', document: encodeTopology(topology) }]);
    expect(net.tell(c, { name: 'a', ...NO_RING }, { kind: 'foundingSigned', signature })).toEqual([]);
  });

  it('says so when it is not a member at all', () => {
    const net = new Net();
    net.start('c', { store: storeWith('c', topology) });
    net.start('z');
    net.run(1000);
    expect(net.events('z')).toContain('not_a_member');
    expect(net.pod('z').node.readiness.ready).toBe(false);
  });

  it('never signs once it held a topology, whatever it is configured to found', () => {
    const net = new Net();
    const store = storeWith('a', topologyOf(NAMES));
    const a = net.start('a', { store, founding: CONFIG });
    net.run(3000);
    expect(store.readMeta('signature')).toBeUndefined();
    expect(net.messages('foundingCall')).toEqual([]);
    const signature = sign(DIGEST_KEY, CONFIG, 'b', diskOf('b'));
    expect(net.tell(a, { name: 'b', ...NO_RING }, { kind: 'foundingCall', signature })).toMatchObject([
      { kind: 'topologyTold' },
    ]);
  });

  it('keeps what it was told over a restart, and a later epoch over an earlier one', () => {
    const net = new Net();
    const store = new MemoryStore(diskOf('a'));
    const a = net.start('a', { store });
    for (const epoch of [7, 6, 9, 8]) net.tell(a, { name: 'c', ...NO_RING }, told(epoch));
    expect(a.epoch).toBe(9);
    expect(net.start('a', { store }).epoch).toBe(9);
  });

  it('takes no document of another cluster, and none that is damaged', () => {
    const net = new Net();
    const a = net.start('a');
    const good = encodeTopology({ ...topology, cluster: 'other' });
    net.tell(a, { name: 'c', ...NO_RING }, { kind: 'topologyTold', document: good });
    net.tell(
      a,
      { name: 'c', ...NO_RING },
      { kind: 'topologyTold', document: encodeTopology(topology).subarray(1) },
    );
    net.tell(a, { name: 'c', ...NO_RING }, { kind: 'topologyTold', document: new Uint8Array(0) });
    expect(a.epoch).toBe(0);
    expect(net.events('a')).toEqual(['bad_message', 'bad_message']);
  });
});
