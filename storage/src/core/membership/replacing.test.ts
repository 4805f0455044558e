import type { Message } from '@circlet/shared/protocol/message.ts';
import { decodeTopology, type Topology } from '@circlet/shared/ring/topology.ts';
import { describe, expect, it } from 'vitest';
import { fill, keysOf, REPAIR, rowsOf } from '../anti-entropy/rows.case.ts';
import { MemoryStore } from '../memory-store.ts';
import { copyOf } from '../one-key.case.ts';
import { type Net, type Pod, readyNet, storeWith } from '../pods.case.ts';
import { lead, read } from '../requests.case.ts';
import { topologyOf } from '../ring.case.ts';
import type { Store } from '../store.ts';

const ABC = topologyOf(['a', 'b', 'c']);
const KEYS = keysOf(400);
const NEW_DISK = 'f'.repeat(32);
const KEY = KEYS[3] as Uint8Array;

/** Three owners of everything, and then A is gone for so long that the others have noticed. */
function withoutA(options: { readonly rows?: number } = {}): Net {
  const net = readyNet(ABC, {}, []);
  for (const name of ['a', 'b', 'c']) {
    const store = storeWith(name, ABC);
    fill(store, KEYS.slice(0, options.rows ?? KEYS.length));
    net.start(name, { store, seed: name.charCodeAt(0) });
  }
  net.run(5_000);
  net.stop('a');
  net.run(15_000);
  net.notices.length = 0;
  net.sent.length = 0;
  return net;
}

const startNew = (net: Net, store: Store = new MemoryStore(NEW_DISK)): Pod =>
  net.start('a', { store, seed: 77 });

function document({ store }: Pod): Topology {
  return decodeTopology(store.readMeta('topology') ?? new Uint8Array(0));
}

const stateOfA = (pod: Pod) => document(pod).members.find(({ name }) => name === 'a');
const isLedger = ({ kind }: Message) => kind === 'refillTold' || kind === 'rowsTold';
const answer = (net: Net, pod: Pod) => net.ask(pod, read(net, { key: KEY, want: 'digest' }))[0];

describe('a member that comes back with an empty disk (rule 13)', () => {
  it('is named by an epoch, refilled from all others, and active by the next', () => {
    const net = withoutA();
    const a = startNew(net);
    net.run(60_000);
    for (const name of ['a', 'b', 'c'])
      expect(stateOfA(net.pod(name))).toMatchObject({ disk: NEW_DISK, state: 'active' });
    expect(document(a).epoch).toBe(3);
    expect(rowsOf(a)).toEqual(rowsOf(net.pod('b')));
    expect(net.events('a')).toContain('refilled');
    expect(answer(net, a)).toMatchObject({ kind: 'found', as: 'owner', what: 'digest' });
  });

  it('takes writes at once and vouches for nothing until it has everything', () => {
    const net = withoutA();
    net.loses = (_, to, message) => to === 'a' && isLedger(message);
    const a = startNew(net);
    net.run(20_000);
    expect(stateOfA(a)).toMatchObject({ disk: NEW_DISK, state: 'refilling' });
    expect(a.node.readiness.ready).toBe(true);
    expect(answer(net, a)).toMatchObject({ kind: 'found', as: 'owner', what: 'suspect' });
    expect(net.ask(a, lead(net, copyOf(9), { key: KEY }))).toMatchObject([
      { kind: 'led', outcome: 'minted' },
    ]);
    expect(answer(net, a)).toMatchObject({ what: 'suspect' });
    expect(net.events('a')).not.toContain('row_suspect');
    net.loses = () => false;
    net.run(60_000);
    expect(answer(net, a)).toMatchObject({ what: 'digest' });
  });

  it('waits for every other owner: one of them may be the only one that has a write', () => {
    const net = withoutA();
    net.loses = (from, _, message) => from === 'c' && message.kind === 'refillTold';
    const a = startNew(net);
    net.run(60_000);
    expect(stateOfA(a)).toMatchObject({ disk: NEW_DISK, state: 'refilling' });
    expect(rowsOf(a)).toEqual(rowsOf(net.pod('b')));
    net.loses = () => false;
    net.run(60_000);
    expect(stateOfA(a)).toMatchObject({ state: 'active' });
  });

  it('and for a majority that can choose the epoch', () => {
    const net = withoutA();
    const { store } = net.pod('c');
    net.stop('c');
    const a = startNew(net);
    net.run(30_000);
    expect([document(net.pod('b')).epoch, a.node.readiness.ready]).toEqual([1, false]);
    net.start('c', { store });
    net.run(60_000);
    expect(stateOfA(a)).toMatchObject({ disk: NEW_DISK, state: 'active' });
  });

  it.each(['a', 'b', 'c'])('goes on where it was when %s dies in the middle', (dies) => {
    const net = withoutA();
    const a = startNew(net);
    const told = () => net.messages('refillTold').length;
    while (told() < 12) net.run(10);
    const { store } = net.pod(dies);
    net.stop(dies);
    net.run(8_000);
    net.start(dies, { store, seed: 5 });
    net.run(90_000);
    const now = dies === 'a' ? net.pod('a') : a;
    expect(stateOfA(now)).toMatchObject({ disk: NEW_DISK, state: 'active' });
    expect(rowsOf(now)).toEqual(rowsOf(net.pod('b')));
    const entries = net.messages('refillTold').reduce((sum, { entries: of }) => sum + of.length, 0);
    expect(entries).toBeLessThan(KEYS.length * 1.3);
  });

  it('with frames lost and doubled, too', () => {
    const net = withoutA();
    let n = 0;
    net.loses = () => ++n % 7 === 0;
    net.doubles = true;
    const a = startNew(net);
    net.run(180_000);
    expect(stateOfA(a)).toMatchObject({ disk: NEW_DISK, state: 'active' });
    expect(rowsOf(a)).toEqual(rowsOf(net.pod('b')));
    expect(net.notices.filter(({ level }) => level === 'alarm').map(({ event }) => event)).toEqual([
      'disk_not_in_topology',
    ]);
  });

  it('twice', () => {
    const net = withoutA();
    startNew(net);
    net.run(60_000);
    net.stop('a');
    net.run(15_000);
    const a = startNew(net, new MemoryStore('e'.repeat(32)));
    net.run(60_000);
    expect(stateOfA(a)).toMatchObject({ disk: 'e'.repeat(32), state: 'active' });
    expect(document(a).epoch).toBe(5);
  });
});

describe('nobody else takes the place of a member', () => {
  it('not while it lives: a second pod under its name gets nothing', () => {
    const net = readyNet(ABC, { repair: REPAIR });
    const b = net.pod('b');
    const { epoch, topology } = b;
    for (let i = 0; i < 30; i++) {
      net.tell(b, { name: 'a', epoch, topology }, { kind: 'replace', disk: NEW_DISK });
      net.run(1_000);
    }
    expect(document(b).epoch).toBe(1);
  });

  it('not a name that is no member', () => {
    const net = withoutA();
    const b = net.pod('b');
    const { epoch, topology } = b;
    net.tell(b, { name: 'x', epoch, topology }, { kind: 'replace', disk: NEW_DISK });
    net.run(10_000);
    expect(document(b).epoch).toBe(1);
  });

  it('not a pod that has rows: what an old disk has may be superseded, and reaped', () => {
    const net = withoutA();
    const store = storeWith('z', ABC, new MemoryStore(NEW_DISK));
    fill(store, KEYS.slice(0, 1));
    const a = startNew(net, store);
    net.run(60_000);
    expect(document(a).epoch).toBe(1);
    expect(net.messages('replace', 'a')).toEqual([]);
    expect(net.events('a')).toContain('disk_not_in_topology');
  });

  it('not the old disk, when it comes back after all: it is fenced for good', () => {
    const net = withoutA();
    const old = storeWith('a', ABC);
    fill(old, KEYS.slice(0, 5));
    startNew(net);
    net.run(60_000);
    net.stop('a');
    net.run(15_000);
    const a = startNew(net, old);
    net.run(60_000);
    expect(stateOfA(a)).toMatchObject({ disk: NEW_DISK, state: 'active' });
    expect(a.node.readiness).toMatchObject({ ready: false, checks: { member: false } });
  });
});
