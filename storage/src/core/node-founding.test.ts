import { sipKey } from '@circlet/shared/hash/siphash.ts';
import type { Message, MessageOf } from '@circlet/shared/protocol/message.ts';
import {
  configDigest,
  type FoundingConfig,
  found,
  rosterDigest,
  sealed,
  UNSIGNED,
} from '@circlet/shared/ring/founding.ts';
import { decodeTopology, encodeTopology, type Topology } from '@circlet/shared/ring/topology.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Crash, FoundingWorld } from './founding-world.case.ts';
import { MemoryStore } from './memory-store.ts';
import { DIGEST_KEY } from './one-key.case.ts';
import { configOf, Net, NO_RING, type Pod, storeWith } from './pods.case.ts';
import { diskOf, topologyOf } from './ring.case.ts';

const NAMES = ['a', 'b', 'c'];
const CONFIG = configOf(...NAMES);
const DISKS = NAMES.map(diskOf);
const OTHER_DISK = 'f'.repeat(32);

const ready = (net: Net) => [...net.pods.values()].map(({ name, node }) => `${name} ${node.readiness.ready}`);
const epochs = (net: Net) => [...net.pods.values()].map(({ name, epoch }) => `${name} ${epoch}`);

/** What a member of this configuration says of itself; signed when a roster is given. */
function presenceOf(
  name: string,
  { disk = diskOf(name), roster, key = DIGEST_KEY, config = CONFIG }: Said = {},
): MessageOf<'foundingCall'>['presence'] {
  const digest = roster === undefined ? UNSIGNED : rosterDigest(key, config, roster);
  return sealed(key, { config: configDigest(key, config), name, disk, roster: digest });
}

interface Said {
  readonly disk?: string;
  readonly roster?: readonly string[];
  readonly key?: typeof DIGEST_KEY;
  readonly config?: FoundingConfig;
}

const call = (name: string, said: Said = {}) =>
  ({ kind: 'foundingCall', presence: presenceOf(name, said) }) as const;
const answer = (name: string, said: Said = {}) =>
  ({ kind: 'foundingAnswer', presence: presenceOf(name, said) }) as const;
const isFounding = (message: Message) => message.kind === 'foundingCall' || message.kind === 'foundingAnswer';

function presenceIn(message: Message): MessageOf<'foundingCall'>['presence'] | undefined {
  return message.kind === 'foundingCall' || message.kind === 'foundingAnswer' ? message.presence : undefined;
}

const isSigned = (message: Message) => (presenceIn(message)?.roster ?? UNSIGNED) !== UNSIGNED;

const reasons = (net: Net, by: string) => [
  ...new Set(
    net.notices.flatMap(({ by: noticed, event, level, fields }) =>
      noticed === by && event === 'founding_mismatch'
        ? [`${level}: ${fields?.['from']}: ${fields?.['reason']}`]
        : [],
    ),
  ),
];

function documentOf({ store }: Pod): Topology {
  return decodeTopology(store.readMeta('topology') ?? new Uint8Array(0));
}

describe('three pods with empty stores', () => {
  it('that start together agree on epoch 1 and become ready', () => {
    const net = new Net();
    for (const name of NAMES) net.start(name, { founding: CONFIG });
    net.run(500);
    const digests = new Set([...net.pods.values()].map(({ topology, epoch }) => `${epoch} ${topology}`));
    expect(digests.size).toBe(1);
    expect(net.pod('a').epoch).toBe(1);
    expect(documentOf(net.pod('b'))).toEqual(found(CONFIG, DISKS));
    // Before the wait for peers is over: each has heard the others gossip.
    net.run(1500);
    expect(ready(net)).toEqual(['a true', 'b true', 'c true']);
    expect(net.notices.filter(({ level }) => level === 'alarm' || level === 'warn')).toEqual([]);
  });

  it('wait for the last of them, however long it takes, and nobody signs before it is there', () => {
    const net = new Net();
    net.start('a', { founding: CONFIG });
    net.run(5000);
    net.start('b', { founding: CONFIG });
    net.run(60_000);
    expect(net.events('a')).not.toContain('topology_adopted');
    expect(net.pod('a').epoch).toBe(0);
    expect([...net.pods.values()].map(({ store }) => store.readMeta('signature'))).toEqual([
      undefined,
      undefined,
    ]);
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

  it('found nothing when their lists differ, and say so', () => {
    const net = new Net();
    net.start('a', { founding: CONFIG });
    net.start('b', { founding: CONFIG });
    net.start('c', { founding: configOf('a', 'b', 'c', 'd') });
    net.run(5000);
    for (const name of NAMES) expect(net.pod(name).epoch).toBe(0);
    expect(reasons(net, 'a')).toEqual(['warn: c: other configuration']);
    expect(reasons(net, 'c').toSorted()).toEqual([
      'warn: a: other configuration',
      'warn: b: other configuration',
    ]);
  });

  it.each([
    ['vnodes', { ...CONFIG, vnodes: 32 }],
    ['replicas', { ...CONFIG, replicas: 2 }],
    ['a zone', { ...CONFIG, members: CONFIG.members.map((each) => ({ ...each, zone: `z-${each.name}` })) }],
    ['a weight', { ...CONFIG, members: CONFIG.members.map((each) => ({ ...each, weight: 2 })) }],
  ])('found nothing when one was given another %s', (_, founding) => {
    const net = new Net();
    for (const name of NAMES) net.start(name, { founding: name === 'b' ? founding : CONFIG });
    net.run(5000);
    expect(epochs(net)).toEqual(['a 0', 'b 0', 'c 0']);
    expect(reasons(net, 'a')).toEqual(['warn: b: other configuration']);
  });
});

describe('one pod that is the only initial member', () => {
  const alone = configOf('a');

  it('founds its cluster as soon as the bus is up', () => {
    const net = new Net();
    net.start('a', { founding: alone });
    net.run(50);
    expect([epochs(net), ready(net)]).toEqual([['a 1'], ['a true']]);
    expect(documentOf(net.pod('a'))).toEqual(found(alone, [diskOf('a')]));
  });

  it('asks first whether there is a cluster', () => {
    const net = new Net();
    net.start('b', { store: storeWith('b', topologyOf(['a', 'b'], 4)) });
    net.run(3000);
    net.start('a', { founding: alone, store: new MemoryStore(OTHER_DISK) });
    expect(net.messages('topologyAsk', 'a')).toEqual([]);
    net.run(3000);
    expect(net.messages('topologyAsk', 'a').length).toBeGreaterThan(0);
  });
});

describe('a roster', () => {
  it('is signed when all are present, once, and is the same after a restart', () => {
    const net = new Net();
    const store = new MemoryStore(diskOf('a'));
    net.start('a', { founding: CONFIG, store });
    net.run(1000);
    expect(store.readMeta('signature')).toBeUndefined();
    expect(net.sent.some(({ message }) => isSigned(message))).toBe(false);
    for (const name of ['b', 'c']) net.tell(net.pod('a'), { name, ...NO_RING }, call(name));
    const signature = store.readMeta('signature');
    expect(signature).toBeDefined();
    const presences = [0, 1, 2].map(() => {
      net.sent.length = 0;
      net.run(300);
      const said = net.messages('foundingCall', 'a').at(-1)?.presence;
      // After a restart nobody is heard of, and the signature stands.
      net.start('a', { founding: CONFIG, store });
      return said;
    });
    expect(presences[0]).toEqual(presenceOf('a', { roster: DISKS }));
    expect(presences).toEqual([presences[0], presences[0], presences[0]]);
    expect(store.readMeta('signature')).toEqual(signature);
  });

  it('is in the store before anybody hears of it', () => {
    const store = new MemoryStore(diskOf('a'));
    const net = new Net();
    const a = net.start('a', { founding: CONFIG, store });
    net.tell(a, { name: 'b', ...NO_RING }, answer('b'));
    net.sent.length = 0;
    expect(net.tell(a, { name: 'c', ...NO_RING }, call('c'))).toEqual([
      { kind: 'foundingAnswer', presence: presenceOf('a', { roster: DISKS }) },
    ]);
    expect(store.readMeta('signature')).toBeDefined();
  });

  it('of another list is refused by a store that has signed: the operator must say which', () => {
    const net = new Net();
    const store = new MemoryStore(diskOf('a'));
    const a = net.start('a', { founding: CONFIG, store });
    for (const name of ['b', 'c']) net.tell(a, { name, ...NO_RING }, call(name));
    const again = net.start('a', { founding: configOf('a', 'b'), store });
    net.run(1000);
    expect(net.events('a')).toContain('founding_refused');
    expect(net.notices.find(({ event }) => event === 'founding_refused')?.level).toBe('alarm');
    net.sent.length = 0;
    expect(net.tell(again, { name: 'b', ...NO_RING }, call('b', { config: configOf('a', 'b') }))).toEqual([]);
    net.run(1000);
    expect(net.messages('foundingCall')).toEqual([]);
    // A list that it has not signed yet may change.
    const [b, other] = [new MemoryStore(diskOf('b')), configOf('b')];
    net.start('b', { founding: CONFIG, store: b });
    net.run(500);
    net.start('b', { founding: other, store: b });
    net.run(500);
    expect(net.pod('b').epoch).toBe(1);
  });

  it('is not asked of a pod that is not on its own list', () => {
    const net = new Net();
    net.start('z', { founding: CONFIG });
    expect(net.events('z')).toEqual(['founding_refused']);
    net.run(500);
    expect(net.messages('foundingCall')).toEqual([]);
    expect(net.messages('topologyAsk').length).toBeGreaterThan(1);
  });

  it('is accepted only with the signatures of all: of this roster, on these disks', () => {
    const net = new Net();
    const a = net.start('a', { founding: CONFIG });
    const tell = (name: string, said: Said) => net.tell(a, { name, ...NO_RING }, answer(name, said));
    for (const name of ['b', 'c']) tell(name, {});
    tell('b', { roster: DISKS });
    tell('c', {});
    tell('c', { disk: OTHER_DISK, roster: DISKS });
    tell('c', { roster: [diskOf('a'), diskOf('b'), OTHER_DISK] });
    expect(a.epoch).toBe(0);
    expect(reasons(net, 'a')).toEqual(['warn: c: other disk', 'warn: c: other roster']);
    tell('c', { roster: DISKS });
    expect([a.epoch, documentOf(a)]).toEqual([1, found(CONFIG, DISKS)]);
  });

  // B signed with the disk that C had before. What it signed is not known here until A has signed too.
  it('counts as signed by others only from when it was signed here: before, nobody can say whether it is the same', () => {
    const net = new Net();
    const a = net.start('a', { founding: CONFIG });
    const tell = (name: string, said: Said) => net.tell(a, { name, ...NO_RING }, answer(name, said));
    tell('b', { roster: DISKS });
    const roster = [diskOf('a'), diskOf('b'), OTHER_DISK];
    tell('c', { disk: OTHER_DISK });
    tell('c', { disk: OTHER_DISK, roster });
    expect(a.epoch).toBe(0);
    tell('b', { roster: DISKS });
    expect([a.epoch, reasons(net, 'a')]).toEqual([0, ['warn: b: other roster']]);
  });

  it('is signed with a forged seal, or in another’s name, in vain', () => {
    const net = new Net();
    const a = net.start('a', { founding: CONFIG });
    const forger = sipKey(new Uint8Array(16));
    const good = presenceOf('b', { roster: DISKS });
    const tell = (name: string, presence: typeof good) =>
      net.tell(a, { name, ...NO_RING }, { kind: 'foundingCall', presence });
    for (const name of ['b', 'c']) tell(name, presenceOf(name));
    const signature = a.store.readMeta('signature');
    const forged = [
      presenceOf('b', { roster: DISKS, key: forger }),
      { ...presenceOf('b'), roster: good.roster },
      { ...presenceOf('b', { disk: OTHER_DISK, roster: DISKS }), disk: good.disk },
      { ...good, seal: UNSIGNED },
      presenceOf('c', { roster: DISKS }),
    ];
    net.notices.length = 0;
    // What is forged is not answered either.
    for (const presence of forged) expect(tell('b', presence)).toEqual([]);
    expect(reasons(net, 'a')).toEqual(['warn: b: forged']);
    expect(net.events('a')).toHaveLength(forged.length);
    tell('c', presenceOf('c', { roster: DISKS }));
    expect([a.epoch, a.store.readMeta('signature')]).toEqual([0, signature]);
    tell('b', good);
    expect(a.epoch).toBe(1);
  });

  it('that is forged is no roster to sign: a false disk never gets into one', () => {
    const net = new Net();
    const a = net.start('a', { founding: CONFIG });
    const forger = sipKey(new Uint8Array(16));
    for (const name of ['b', 'c'])
      net.tell(a, { name, ...NO_RING }, call(name, { key: forger, disk: OTHER_DISK }));
    expect(a.store.readMeta('signature')).toBeUndefined();
  });
});

/** All founding messages that were sent, once more, to everybody, whoever they were for. */
function replay(net: Net, times = 1, which: (message: Message) => boolean = isFounding): void {
  const old = net.sent.filter(({ message }) => isFounding(message) && which(message));
  for (let i = 0; i < times; i++) {
    for (const { from, message } of old) {
      for (const to of net.pods.values())
        if (to.name !== from) net.tell(to, { name: from, ...NO_RING }, message);
    }
    net.run(1);
  }
}

describe('a second cluster is never founded beside the first', () => {
  it('a member that founded with one disk of a peer and is cut off cannot be left behind by the others founding with the disk that replaced it', () => {
    const net = new Net();
    // Only A hears the signatures of the others, and nobody hears of A again once it has founded.
    net.loses = (from, to, message) =>
      (isSigned(message) && to !== 'a') || ((from === 'a' || to === 'a') && net.pods.get('a')?.epoch === 1);
    for (const name of NAMES) net.start(name, { founding: CONFIG });
    net.run(2000);
    expect(epochs(net)).toEqual(['a 1', 'b 0', 'c 0']);
    const first = documentOf(net.pod('a'));

    net.loses = (from, to) => from === 'a' || to === 'a';
    const b = net.start('b', { founding: CONFIG, store: new MemoryStore(OTHER_DISK) });
    net.run(60_000);
    expect([b.epoch, net.pod('c').epoch]).toEqual([0, 0]);
    expect(reasons(net, 'c')).toEqual(['warn: b: other disk']);
    // Nor with all that they ever said before they signed, over and over.
    replay(net, 3, (message) => !isSigned(message));
    net.run(10_000);
    expect([b.epoch, net.pod('c').epoch]).toEqual([0, 0]);
    // With what A and the first disk of B signed, C has what A had: it comes to the same cluster, and so does B.
    replay(net, 3);
    net.run(10_000);
    expect([documentOf(b), documentOf(net.pod('c'))]).toEqual([first, first]);

    // A is back: there is one cluster, and B’s new disk is not in it before it has replaced the other.
    net.loses = (_, __, message) => message.kind === 'replace';
    net.run(5000);
    expect(epochs(net)).toEqual(['a 1', 'b 1', 'c 1']);
    for (const pod of net.pods.values()) expect(documentOf(pod)).toEqual(first);
    expect(ready(net)).toEqual(['a true', 'b false', 'c true']);
    expect(net.events('b')).toContain('disk_not_in_topology');
  });

  it('two pods wiped while the third is down never found, whatever the third once said', () => {
    const net = new Net();
    for (const name of NAMES) net.start(name, { founding: CONFIG });
    net.run(3000);
    const first = documentOf(net.pod('c'));
    const third = net.pod('c').store;
    net.stop('c');
    for (const name of ['a', 'b']) {
      net.start(name, { founding: CONFIG, store: new MemoryStore(diskOf(`new-${name}`)) });
    }
    net.run(60_000);
    replay(net, 2);
    net.run(10_000);
    expect(epochs(net)).toEqual(['a 0', 'b 0']);
    net.start('c', { founding: CONFIG, store: third });
    net.run(5000);
    expect(ready(net)).toEqual(['a false', 'b false', 'c true']);
    for (const pod of net.pods.values()) expect(documentOf(pod)).toEqual(first);
  });

  it('replayed old presences of any age never found a second cluster', () => {
    const net = new Net();
    const stores = NAMES.map((name) => new MemoryStore(diskOf(name)));
    // Presences of three lives, from before anybody signed to after all had.
    for (let life = 0; life < 3; life++) {
      NAMES.forEach((name, i) => {
        net.start(name, { founding: CONFIG, store: stores[i] ?? new MemoryStore() });
        net.run(130);
      });
    }
    net.run(3000);
    expect(ready(net)).toEqual(['a true', 'b true', 'c true']);
    expect(net.sent.filter(({ message }) => isSigned(message)).length).toBeGreaterThan(3);
    expect(
      net.sent.filter(({ message }) => isFounding(message) && !isSigned(message)).length,
    ).toBeGreaterThan(3);
    const survivors: Pod[] = [];
    for (const wiped of [['a'], ['b', 'c'], ['a', 'b', 'c']]) {
      const other = new Net();
      for (const name of wiped) {
        survivors.push(
          other.start(name, { founding: CONFIG, store: new MemoryStore(diskOf(`new-${name}`)) }),
        );
      }
      // Nobody hears the new ones: what they know of the others is old.
      other.loses = () => true;
      other.sent.push(...net.sent);
      for (let i = 0; i < 3; i++) {
        replay(other);
        other.run(1000);
      }
      expect(epochs(other)).toEqual(wiped.map((name) => `${name} 0`));
    }
    expect(survivors.filter(({ store }) => store.readMeta('signature') !== undefined).length).toBeGreaterThan(
      0,
    );
  });
});

describe('a disk that changes while a cluster is founded', () => {
  it('is simply taken before anybody signed', () => {
    const net = new Net();
    net.start('a', { founding: CONFIG });
    net.start('b', { founding: CONFIG });
    net.run(1000);
    net.start('b', { founding: CONFIG, store: new MemoryStore(OTHER_DISK) });
    net.run(1000);
    net.start('c', { founding: CONFIG });
    net.run(3000);
    expect(ready(net).toSorted()).toEqual(['a true', 'b true', 'c true']);
    expect(documentOf(net.pod('a'))).toEqual(found(CONFIG, [diskOf('a'), OTHER_DISK, diskOf('c')]));
    expect(net.notices.filter(({ level }) => level === 'warn' || level === 'alarm')).toEqual([]);
  });

  it('stops the founding after somebody signed, with a warning that names the reason, for as long as it takes', () => {
    const net = new Net();
    // A and C have all presences and sign. B dies before it can, with its disk.
    net.loses = (_, to) => to === 'b';
    for (const name of NAMES) net.start(name, { founding: CONFIG });
    net.run(1000);
    const signed = NAMES.map((name) => net.pod(name).store.readMeta('signature') !== undefined);
    expect(signed).toEqual([true, false, true]);
    net.loses = () => false;
    net.start('b', { founding: CONFIG, store: new MemoryStore(OTHER_DISK) });
    net.run(60_000);
    expect(epochs(net)).toEqual(['a 0', 'b 0', 'c 0']);
    expect([reasons(net, 'a'), reasons(net, 'c')]).toEqual([
      ['warn: b: other disk'],
      ['warn: b: other disk'],
    ]);
    expect(reasons(net, 'b').toSorted()).toEqual(['warn: a: other roster', 'warn: c: other roster']);
    expect(net.notices.filter(({ level }) => level === 'alarm')).toEqual([]);
    // The way out: those who signed begin with empty disks too.
    for (const name of ['a', 'c']) {
      net.start(name, { founding: CONFIG, store: new MemoryStore(diskOf(`new-${name}`)) });
    }
    net.start('b', { founding: CONFIG, store: new MemoryStore(diskOf('new-b')) });
    net.run(5000);
    expect(ready(net).toSorted()).toEqual(['a true', 'b true', 'c true']);
  });
});

/** No two documents, unless not one disk of the first is left. */
function expectOneCluster(world: FoundingWorld, wiped: ReadonlySet<string>): void {
  const documents = [...world.documents.values()];
  if (wiped.size < NAMES.length) expect(documents.length).toBeLessThanOrEqual(1);
  const disks = documents.flatMap(({ members }) => members.map(({ disk }) => disk));
  expect(new Set(disks).size).toBe(disks.length);
  for (const signed of world.signatures.values()) expect(signed.size).toBe(1);
}

const pod = fc.constantFrom(...NAMES);
const index = fc.nat({ max: 10_000 });
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('pump'), count: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('reorder'), index }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('replay'), index }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('lose'), index }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('call'), pod }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('restart'), pod }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('crash'),
      pod,
      at: fc.constantFrom<Crash>('beforeCommit', 'afterCommit'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wipe'), pod }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** The schedule, on three pods that have just started. Gives the names whose disks were lost. */
function run(world: FoundingWorld, steps: readonly Step[]): ReadonlySet<string> {
  const wiped = new Set<string>();
  world.startAll();
  for (const each of steps) {
    if (each.kind === 'pump') for (let i = 0; i < each.count; i++) world.deliverNext();
    else if (each.kind === 'call') world.call(each.pod);
    else if (each.kind === 'restart') world.restart(each.pod);
    else if (each.kind === 'wipe') {
      wiped.add(each.pod);
      world.wipe(each.pod);
    } else if (each.kind === 'crash') {
      world.fate = (name) => {
        if (name !== each.pod) return undefined;
        world.fate = () => undefined;
        return each.at;
      };
    } else if (each.kind === 'replay') {
      const old = world.sent[each.index % Math.max(1, world.sent.length)];
      if (old !== undefined) world.deliver(old);
    } else {
      const taken = world.take(each.index);
      if (taken !== undefined && each.kind === 'reorder') world.deliver(taken);
    }
  }
  world.fate = () => undefined;
  return wiped;
}

describe('three pods that start together, in any order of messages, with duplicates, losses and crashes', () => {
  const schedules = fc.array(step, { maxLength: 60, size: 'max' });

  it('adopt one document at most, whoever loses whichever disk at whatever moment', () => {
    const seen = { founded: 0, wipedAfter: 0, stalled: 0, allWiped: 0 };
    fc.assert(
      fc.property(schedules, fc.boolean(), (steps, settles) => {
        const world = new FoundingWorld();
        const wiped = run(world, steps);
        expectOneCluster(world, wiped);
        if (world.documents.size > 0) seen.founded++;
        if (world.documents.size > 0 && wiped.size > 0) seen.wipedAfter++;
        if (settles) world.settle();
        expectOneCluster(world, wiped);
        if (settles && world.documents.size === 0) seen.stalled++;
        if (wiped.size === NAMES.length) seen.allWiped++;
      }),
      { numRuns: 3000 },
    );
    expect(seen.founded).toBeGreaterThan(500);
    expect(seen.wipedAfter).toBeGreaterThan(200);
    expect(seen.stalled).toBeGreaterThan(50);
    expect(seen.allWiped).toBeGreaterThan(50);
  });

  it('all adopt the same one in the end when no disk is lost', () => {
    const harmless = schedules.map((steps) => steps.filter(({ kind }) => kind !== 'wipe'));
    fc.assert(
      fc.property(harmless, (steps) => {
        const world = new FoundingWorld();
        expectOneCluster(world, run(world, steps));
        world.settle();
        expect([world.epochs(), world.documents.size]).toEqual([[1, 1, 1], 1]);
        expect(world.notices.filter(({ level }) => level === 'warn' || level === 'alarm')).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });

  /** In order and without losses, but for what `happens` before the n-th event. */
  const orderly = (happens: (world: FoundingWorld) => void): FoundingWorld => {
    const world = new FoundingWorld();
    let isBusy = false;
    world.fate = () => {
      if (!isBusy) {
        isBusy = true;
        happens(world);
        isBusy = false;
      }
      return undefined;
    };
    world.startAll();
    world.settle();
    return world;
  };
  const length = orderly(() => undefined).events;

  it('go on when any of them crashes on either side of any commit', () => {
    for (let at = 0; at < length; at++) {
      for (const crash of ['beforeCommit', 'afterCommit'] as const) {
        const world = new FoundingWorld();
        let crashed = false;
        world.fate = () => {
          if (crashed || world.events !== at) return undefined;
          crashed = true;
          return crash;
        };
        world.startAll();
        world.settle();
        expect(crashed).toBe(true);
        world.settle();
        expect([world.epochs(), world.documents.size]).toEqual([[1, 1, 1], 1]);
      }
    }
  });

  it('found once or say why not when any of them is wiped before any event, and everything is said again', () => {
    let stalled = 0;
    for (let at = 0; at < length; at++) {
      for (const name of NAMES) {
        const world = orderly((of) => {
          if (of.events === at) of.wipe(name);
        });
        for (const old of world.sent.slice()) world.deliver(old);
        world.settle();
        expectOneCluster(world, new Set([name]));
        if (world.documents.size > 0) {
          expect(world.epochs()).toEqual([1, 1, 1]);
          continue;
        }
        stalled++;
        const said = NAMES.flatMap((by) => world.mismatches(by));
        expect(said.some((reason) => reason === `${name}: other disk`)).toBe(true);
      }
    }
    expect(stalled).toBeGreaterThan(5);
  });

  it('found no second time when two of them are wiped, before any two events', () => {
    const pairs = NAMES.flatMap((first) =>
      NAMES.flatMap((second) => (first === second ? [] : [[first, second]])),
    );
    for (let one = 0; one < length; one += 2) {
      for (let other = one; other < length; other += 3) {
        for (const [first = '', second = ''] of pairs) {
          const world = orderly((of) => {
            if (of.events === one) of.wipe(first);
            if (of.events >= other && of.events < other + 3) of.wipe(second);
          });
          expectOneCluster(world, new Set([first, second]));
        }
      }
    }
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
    const a = net.start('a', { founding: CONFIG, store: new MemoryStore(OTHER_DISK) });
    net.run(3000);
    expect(a.epoch).toBe(7);
    expect(a.node.readiness).toMatchObject({ ready: false, checks: { topology: true, member: false } });
    expect(
      net.notices.filter(({ by, level }) => by === 'a' && level === 'alarm').map(({ event }) => event),
    ).toEqual(['disk_not_in_topology']);
    expect(net.messages('foundingAnswer', 'c')).toEqual([]);
    expect(a.store.readMeta('signature')).toBeUndefined();
  });

  it('is told it even before it says who it is: any call is answered with the document', () => {
    const net = new Net();
    const c = net.start('c', { store: storeWith('c', topology) });
    const document = { kind: 'topologyTold', document: encodeTopology(topology) };
    const stranger = call('a', { key: sipKey(new Uint8Array(16)) });
    expect(net.tell(c, { name: 'a', ...NO_RING }, call('a'))).toEqual([document]);
    expect(net.tell(c, { name: 'a', ...NO_RING }, stranger)).toEqual([document]);
    expect(net.tell(c, { name: 'a', ...NO_RING }, answer('a'))).toEqual([]);
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
    for (const name of ['b', 'c']) {
      expect(net.tell(a, { name, ...NO_RING }, call(name))).toMatchObject([{ kind: 'topologyTold' }]);
    }
    expect(store.readMeta('signature')).toBeUndefined();
    expect(net.messages('foundingCall')).toEqual([]);
    // Nor when its own presence is all that is needed.
    const other = storeWith('a', topologyOf(['a', 'b']));
    net.start('a', { store: other, founding: configOf('a') });
    net.run(3000);
    expect(other.readMeta('signature')).toBeUndefined();
  });

  it('adopts it though it has signed a roster of its own: what was founded stands', () => {
    const net = new Net();
    const a = net.start('a', { founding: CONFIG });
    for (const name of ['b', 'c']) net.tell(a, { name, ...NO_RING }, call(name));
    expect(a.store.readMeta('signature')).toBeDefined();
    net.tell(a, { name: 'c', ...NO_RING, toBoot: a.boot }, told(7));
    expect(a.epoch).toBe(7);
    for (const name of ['b', 'c']) net.tell(a, { name, ...NO_RING }, answer(name, { roster: DISKS }));
    expect([a.epoch, documentOf(a)]).toEqual([7, topologyOf(NAMES, 7)]);
  });

  it('keeps what it was told over a restart, and a later epoch over an earlier one', () => {
    const net = new Net();
    const store = new MemoryStore(diskOf('a'));
    const a = net.start('a', { store });
    for (const epoch of [7, 6, 9, 8]) net.tell(a, { name: 'c', ...NO_RING, toBoot: a.boot }, told(epoch));
    expect(a.epoch).toBe(9);
    expect(net.start('a', { store }).epoch).toBe(9);
  });

  it('takes nothing that was told to an earlier life, which may have been of a cluster that is gone', () => {
    const net = new Net();
    const a = net.start('a');
    for (const toBoot of [undefined, 'earlierlife']) {
      net.tell(a, { name: 'c', ...NO_RING, toBoot }, told(7));
    }
    expect([a.epoch, a.store.readMeta('topology')]).toEqual([0, undefined]);
  });

  it('takes no document of another cluster, and none that is damaged', () => {
    const net = new Net();
    const a = net.start('a');
    const good = encodeTopology({ ...topology, cluster: 'other' });
    const from = { name: 'c', ...NO_RING, toBoot: a.boot };
    net.tell(a, from, { kind: 'topologyTold', document: good });
    net.tell(a, from, { kind: 'topologyTold', document: encodeTopology(topology).subarray(1) });
    net.tell(a, from, { kind: 'topologyTold', document: new Uint8Array(0) });
    expect(a.epoch).toBe(0);
    expect(net.events('a')).toEqual(['bad_message', 'bad_message']);
  });
});
