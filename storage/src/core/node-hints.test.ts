import { makeActor } from '@circlet/shared/causality/dot.ts';
import { encodeState } from '@circlet/shared/causality/state-codec.ts';
import { Prng } from '@circlet/shared/prng.ts';
import type { Message, MessageOf } from '@circlet/shared/protocol/message.ts';
import { encodeTopology } from '@circlet/shared/ring/topology.ts';
import { describe, expect, it } from 'vitest';
import { locate } from './hint-ledger.ts';
import { MemoryStore } from './memory-store.ts';
import { copyOf, writes } from './one-key.case.ts';
import { damage, type Net, type Pod, readyNet, ring, storeWith } from './pods.case.ts';
import { FIVE, KEY, lead, merge, OTHER, read, refusals, stored, elsewhere } from './requests.case.ts';
import { diskOf, keyOf, keyOfOthers, keysOwnedBy, topologyOf } from './ring.case.ts';
import { decodeRow } from './row.ts';

const ECHO: Message = { kind: 'echo', id: 1, sentMs: 0 };
const [FOR_A, FOR_B] = [0b001, 0b010];

/** Everybody runs but A. */
function withoutA(options: { readonly hintKeysMax?: number } = {}): { readonly net: Net; readonly e: Pod } {
  const net = readyNet(FIVE, options, ['b', 'c', 'd', 'e']);
  return { net, e: net.pod('e') };
}

const startA = (net: Net): Pod => net.start('a', { store: storeWith('a', FIVE) });

function rowBytes(of: Pod): Uint8Array {
  const found = of.store.get('hints', locate(KEY));
  return found.kind === 'found' ? found.value : new Uint8Array(0);
}

function held(net: Net, by: Pod): readonly string[] {
  const [answer] = net.ask(by, ECHO);
  return answer?.kind === 'echoed' ? answer.hintsHeld.map(({ target, keys }) => `${target} ${keys}`) : [];
}

describe('a write that a fallback takes for an owner', () => {
  it('is held until the owner is back, pulled by it, and gone when the owner covers it', () => {
    const { net, e } = withoutA();
    net.ask(e, lead(net, copyOf(1), { owedSlots: FOR_A }));
    net.ask(e, merge(net, elsewhere(2), { owedSlots: FOR_A }));
    net.ask(e, lead(net, copyOf(3), { key: OTHER, owedSlots: FOR_A }));
    expect(held(net, e)).toEqual(['a 2']);
    net.run(20_000);
    expect(held(net, e)).toEqual(['a 2']);
    const a = startA(net);
    net.run(20_000);
    expect(writes(stored(a))).toEqual([1, 2]);
    expect(writes(stored(a, OTHER))).toEqual([3]);
    expect([held(net, e), e.store.count('hints')]).toEqual([[], 0]);
    expect(net.notices.filter(({ level }) => level === 'alarm')).toEqual([]);
  });

  it('goes to each of the owners that it is owed to', () => {
    const net = readyNet(FIVE, {}, ['c', 'd', 'e']);
    const e = net.pod('e');
    net.ask(e, lead(net, copyOf(1), { owedSlots: FOR_A | FOR_B }));
    expect(held(net, e)).toEqual(['a 1', 'b 1']);
    startA(net);
    net.run(20_000);
    expect(held(net, e)).toEqual(['b 1']);
    net.start('b', { store: storeWith('b', FIVE) });
    net.run(20_000);
    expect([writes(stored(net.pod('a'))), writes(stored(net.pod('b')))]).toEqual([[1], [1]]);
    expect(e.store.count('hints')).toBe(0);
  });

  it('survives restarts of the holder and of the owner, at any time of the way', () => {
    for (let at = 0; at < 24; at++) {
      const { net, e } = withoutA();
      for (const n of [1, 2])
        net.ask(e, lead(net, copyOf(n), { owedSlots: FOR_A, key: n === 1 ? KEY : OTHER }));
      const store = startA(net).store;
      // The two meet within the first seconds; a restart every some hundred milliseconds falls into all steps.
      net.run(100 * at);
      if (at % 2 === 0) net.start('e', { store: e.store });
      else net.start('a', { store });
      net.run(40_000);
      expect([writes(stored(net.pod('a'))), writes(stored(net.pod('a'), OTHER))]).toEqual([[1], [2]]);
      expect(net.pod('e').store.count('hints')).toBe(0);
    }
  });

  it.each(['half of all frames are lost', 'all frames come twice', 'both'])('arrives when %s', (trouble) => {
    const { net, e } = withoutA();
    const keys = keysOwnedBy(ring(FIVE), ['a', 'b', 'c'], 40);
    for (const key of keys)
      net.ask(e, lead(net, copyOf(5, { body: new Uint8Array(30_000) }), { key, owedSlots: FOR_A }));
    expect(held(net, e)).toEqual(['a 40']);
    const prng = new Prng(3);
    if (trouble !== 'all frames come twice')
      net.loses = (_, __, { kind }) => kind !== 'swim' && prng.next() < 0.5;
    if (trouble !== 'half of all frames are lost') net.doubles = true;
    const a = startA(net);
    net.run(200_000);
    expect([held(net, e), e.store.count('hints'), a.store.count('rows')]).toEqual([[], 0, 40]);
  });

  it('of a size that takes several frames arrives whole', () => {
    const { net, e } = withoutA();
    for (const n of [1, 2, 3, 4, 5]) {
      net.ask(e, lead(net, copyOf(n, { body: new Uint8Array(400_000).fill(n) }), { owedSlots: FOR_A }));
    }
    const whole = encodeState(stored(e, KEY, 'hints'));
    const a = startA(net);
    net.run(20_000);
    expect(net.messages('hintPage', 'e').filter(({ more }) => more).length).toBeGreaterThan(0);
    expect(Buffer.compare(encodeState(stored(a)), whole)).toBe(0);
    expect(held(net, e)).toEqual([]);
  });

  // Rule 5b on the whole way: E takes another write after the page went out and before the ack is back.
  it('is not discharged by an ack that was sent for what the hint was before', () => {
    const { net, e } = withoutA();
    net.ask(e, lead(net, copyOf(1), { owedSlots: FOR_A }));
    net.loses = (_, __, message) => message.kind === 'hintAck';
    const a = startA(net);
    while (net.messages('hintAck', 'a').length === 0) net.run(1);
    net.ask(e, lead(net, copyOf(2), { owedSlots: FOR_A }));
    const [ack] = net.messages('hintAck', 'a');
    const { epoch, topology } = a;
    if (ack !== undefined) net.tell(e, { name: 'a', epoch, topology }, ack);
    expect(held(net, e)).toEqual(['a 1']);
    net.loses = () => false;
    net.run(20_000);
    expect(writes(stored(a))).toEqual([1, 2]);
    expect(held(net, e)).toEqual([]);
  });
});

describe('an owner that is owed writes', () => {
  it('says so with its answers, until it has them (rule 7)', () => {
    const { net, e } = withoutA();
    net.ask(e, lead(net, copyOf(1), { owedSlots: FOR_A }));
    net.loses = (_, __, message) => message.kind === 'hintPull';
    const a = startA(net);
    net.run(10_000);
    const owedBy = () =>
      net.ask(a, read(net)).flatMap((answer) => (answer.kind === 'found' ? answer.owedBy : ['no answer']));
    expect(owedBy()).toEqual(['e']);
    net.loses = () => false;
    net.run(10_000);
    expect(owedBy()).toEqual([]);
  });

  // A's volume was not mounted: an empty directory took its name. Discharged hints would be gone for the true disk.
  it('does not pull them onto a disk that the topology does not name', () => {
    const { net, e } = withoutA();
    net.ask(e, lead(net, copyOf(1), { owedSlots: FOR_A }));
    net.loses = (_, __, message) => message.kind === 'replace';
    const stranger = net.start('a', { store: storeWith('a', FIVE, new MemoryStore('f'.repeat(32))) });
    net.run(30_000);
    expect(held(net, e)).toEqual(['a 1']);
    expect(stranger.store.count('rows')).toBe(0);
    const a = startA(net);
    net.run(30_000);
    expect([writes(stored(a)), held(net, e)]).toEqual([[1], []]);
  });

  it('takes none while its disk is full, and then all', () => {
    const { net, e } = withoutA();
    net.ask(e, lead(net, copyOf(1), { owedSlots: FOR_A }));
    const a = startA(net);
    Object.assign(a.store, { readOnly: true });
    net.run(20_000);
    expect([a.store.count('rows'), held(net, e)]).toEqual([0, ['a 1']]);
    Object.assign(a.store, { readOnly: false });
    net.run(10_000);
    expect([a.store.count('rows'), held(net, e)]).toEqual([1, []]);
  });
});

/** As SQLite on a full disk: whatever changes a page throws. */
class FullStore extends MemoryStore {
  override put(...args: Parameters<MemoryStore['put']>): void {
    this.refuse();
    super.put(...args);
  }

  override delete(...args: Parameters<MemoryStore['delete']>): void {
    this.refuse();
    super.delete(...args);
  }

  private refuse(): void {
    if (this.readOnly) throw new Error('database or disk is full');
  }
}

const index = (topology: typeof FIVE, name: string) =>
  topology.members.findIndex((member) => member.name === name);

describe('a holder', () => {
  it('that is full says busy to a new key, and still takes merges into a hint that it has (rule 6)', () => {
    const { net, e } = withoutA({ hintKeysMax: 1 });
    net.ask(e, lead(net, copyOf(1), { owedSlots: FOR_A }));
    expect(refusals(net.ask(e, lead(net, copyOf(2), { key: OTHER, owedSlots: FOR_A })))).toEqual(['busy']);
    expect(refusals(net.ask(e, merge(net, elsewhere(2), { key: OTHER, owedSlots: FOR_A })))).toEqual([
      'busy',
    ]);
    expect(net.ask(e, lead(net, copyOf(3), { owedSlots: FOR_B }))).toMatchObject([{ outcome: 'minted' }]);
    expect(net.ask(e, merge(net, elsewhere(4), { owedSlots: FOR_A }))).toMatchObject([{ kind: 'merged' }]);
    expect(writes(stored(e, KEY, 'hints'))).toEqual([1, 3, 4]);
    // What it owns itself is no hint.
    const [own = KEY] = keysOwnedBy(ring(FIVE), ['e'], 1);
    expect(net.ask(e, lead(net, copyOf(5), { key: own }))).toMatchObject([{ outcome: 'minted' }]);
    startA(net);
    net.run(20_000);
    // A and B cover it by now, so there is room for another.
    expect(e.store.count('hints')).toBe(0);
    expect(net.ask(e, lead(net, copyOf(2), { key: OTHER, owedSlots: FOR_A }))).toMatchObject([
      { outcome: 'minted' },
    ]);
  });

  // An acknowledgement makes it write, and a failed write would cost the life that goes on answering reads (rule 20).
  it('whose disk is full offers nothing and takes no acknowledgement, and goes on when there is room', () => {
    const net = readyNet(FIVE, {}, ['b', 'c', 'd']);
    const store = new FullStore(diskOf('e'));
    const e = net.start('e', { store: storeWith('e', FIVE, store) });
    net.run(3_000);
    net.ask(e, lead(net, copyOf(1), { owedSlots: FOR_A }));
    net.ask(e, lead(net, copyOf(1), { key: OTHER, owedSlots: FOR_A }));
    // Between the page and its acknowledgement.
    net.loses = (_, to, message) => to === 'e' && message.kind === 'hintAck';
    const a = startA(net);
    net.run(10_000);
    expect([writes(stored(a)), held(net, e)]).toEqual([[1], ['a 2']]);
    store.readOnly = true;
    net.loses = () => false;
    net.sent.length = 0;
    net.run(10_000);
    const { digest } = decodeRow(rowBytes(e));
    net.tell(
      e,
      { name: 'a', epoch: e.epoch, topology: e.topology },
      { kind: 'hintAck', entries: [{ key: KEY, digest }] },
    );
    expect(net.messages('hintOffer', 'e')).toEqual([]);
    expect(held(net, e)).toEqual(['a 2']);
    expect(net.ask(e, read(net))).toMatchObject([{ kind: 'found', as: 'holder' }]);
    store.readOnly = false;
    net.run(10_000);
    expect([held(net, e), e.store.count('hints')]).toEqual([[], 0]);
  });

  it('of a write that it held already stands in for one slot more', () => {
    const { net, e } = withoutA();
    const copy = copyOf(1);
    net.ask(e, lead(net, copy, { owedSlots: FOR_A }));
    expect(net.ask(e, lead(net, copy, { owedSlots: FOR_B }))).toMatchObject([{ outcome: 'held' }]);
    expect(held(net, e)).toEqual(['a 1', 'b 1']);
  });

  it('never drops a hint: not for its age, nor for an owner that never comes back', () => {
    const { net, e } = withoutA();
    net.ask(e, lead(net, copyOf(1), { owedSlots: FOR_A }));
    net.run(10 * 60_000);
    expect(held(net, e)).toEqual(['a 1']);
    const [answer] = net.ask(e, ECHO);
    expect(answer?.kind === 'echoed' ? answer.oldestHintAgeMs : 0).toBe(10 * 60_000);
  });

  it('owes it to the slot’s next owner when the topology changes (rule 6)', () => {
    const { net, e } = withoutA();
    net.ask(e, lead(net, copyOf(1), { owedSlots: FOR_A }));
    const owners = FIVE.owners.map((of) => of.map((i) => (i === index(FIVE, 'a') ? 5 : i)));
    const x = { name: 'x', disk: diskOf('x'), zone: 'z', weight: 1, state: 'active' as const };
    const next = { ...FIVE, epoch: 2, members: [...FIVE.members, x], owners };
    for (const each of net.pods.values())
      net.tell(
        each,
        { name: 'x', toBoot: each.boot },
        { kind: 'topologyTold', document: encodeTopology(next) },
      );
    expect(held(net, e)).toEqual(['x 1']);
    const heir = net.start('x', { store: storeWith('x', next) });
    net.run(30_000);
    expect([writes(stored(heir)), held(net, e)]).toEqual([[1], []]);
  });

  it('whose hint row is corrupt keeps it, counts it, and goes on with the others', () => {
    const { net, e } = withoutA();
    for (const key of [KEY, OTHER]) net.ask(e, lead(net, copyOf(1), { key, owedSlots: FOR_A }));
    damage(e, 'hints', locate(KEY));
    net.start('e', { store: e.store });
    const a = startA(net);
    net.run(30_000);
    expect([stored(a).siblings.length, writes(stored(a, OTHER))]).toEqual([0, [1]]);
    expect(e.store.count('hints')).toBe(1);
    expect(net.ask(net.pod('e'), read(net))).toMatchObject([{ as: 'holder', what: 'suspect' }]);
  });

  it('whose hint row is damaged while it runs counts what takes its place once, and in the end owes nothing', () => {
    const { net, e } = withoutA();
    for (const key of [KEY, OTHER]) net.ask(e, lead(net, copyOf(1), { key, owedSlots: FOR_A }));
    damage(e, 'hints', locate(KEY));
    net.ask(e, lead(net, copyOf(2), { owedSlots: FOR_A }));
    expect(held(net, e)).toEqual(['a 2', 'b 1', 'c 1']);
    startA(net);
    net.run(20_000);
    expect([held(net, e), e.store.count('hints')]).toEqual([[], 0]);
  });

  // The row said whom it was owed to. A write that it had for B may be told by nobody else.
  it.each([
    ['lead', (net: Net) => lead(net, copyOf(2), { owedSlots: FOR_A })],
    ['merge', (net: Net) => merge(net, elsewhere(2), { owedSlots: FOR_A })],
  ])('whose hint row is corrupt owes what a %s puts in its place to every slot', (_, message) => {
    const net = readyNet(FIVE, {}, ['c', 'd', 'e']);
    const e = net.pod('e');
    net.ask(e, lead(net, copyOf(1), { owedSlots: FOR_B }));
    damage(e, 'hints', locate(KEY));
    net.start('e', { store: e.store });
    net.run(3000);
    const holder = net.pod('e');
    expect(held(net, holder)).toEqual([]);
    net.ask(holder, message(net));
    expect(held(net, holder)).toEqual(['a 1', 'b 1', 'c 1']);
    expect(net.ask(holder, read(net))).toMatchObject([{ as: 'holder', what: 'suspect' }]);
    net.run(20_000);
    // C has it at once; A and B when they are back.
    expect([writes(stored(net.pod('c'))), held(net, holder)]).toEqual([[2], ['a 1', 'b 1']]);
    startA(net);
    net.start('b', { store: storeWith('b', FIVE) });
    net.run(30_000);
    expect(['a', 'b'].map((name) => writes(stored(net.pod(name))))).toEqual([[2], [2]]);
    expect([held(net, holder), holder.store.count('hints')]).toEqual([[], 0]);
  });

  it('whose hint row is corrupt still takes only what it is asked to hold for an owner', () => {
    const { net, e } = withoutA({ hintKeysMax: 1 });
    net.ask(e, lead(net, copyOf(1), { owedSlots: FOR_A }));
    damage(e, 'hints', locate(KEY));
    for (const owedSlots of [0, 0b1000, 0b1001]) {
      expect(refusals(net.ask(e, lead(net, copyOf(2), { owedSlots })))).toEqual(['not_owner']);
    }
    // It has a place in the ledger already, full or not.
    expect(net.ask(e, lead(net, copyOf(2), { owedSlots: FOR_A }))).toMatchObject([{ outcome: 'minted' }]);
    expect(e.store.count('hints')).toBe(1);
  });

  it('whose hint row is whole owes what is put into it to those that it was and is asked for', () => {
    const { net, e } = withoutA();
    net.ask(e, lead(net, copyOf(1), { owedSlots: FOR_A }));
    net.ask(e, merge(net, elsewhere(2), { owedSlots: FOR_A }));
    expect(held(net, e)).toEqual(['a 1']);
  });

  it('of a ring with fewer members than copies owes to every slot that there is, and no other', () => {
    const two = topologyOf(['a', 'b']);
    const net = readyNet({ ...two, owners: two.owners.map(() => [0]), replicas: 1 }, {}, ['b']);
    const key = keyOf('any');
    net.ask(net.pod('b'), lead(net, copyOf(1), { key, owedSlots: FOR_A }));
    damage(net.pod('b'), 'hints', locate(key));
    const b = net.start('b', { store: net.pod('b').store });
    net.run(3000);
    expect(refusals(net.ask(b, lead(net, copyOf(2), { key, owedSlots: FOR_B })))).toEqual(['not_owner']);
    net.ask(b, lead(net, copyOf(2), { key, owedSlots: FOR_A }));
    expect(held(net, b)).toEqual(['a 1']);
  });

  it('mints a new actor for a key that it led, handed off and dropped', () => {
    const { net, e } = withoutA();
    net.ask(e, lead(net, copyOf(1), { owedSlots: FOR_A }));
    const a = startA(net);
    net.run(20_000);
    net.ask(e, lead(net, copyOf(2), { owedSlots: FOR_A }));
    net.run(20_000);
    expect(stored(a).history.actors).toHaveLength(2);
    expect(writes(stored(a))).toEqual([1, 2]);
  });
});

const like = (of: Pod) => ({ epoch: of.epoch, topology: of.topology });

function pulling(): {
  readonly net: Net;
  readonly a: Pod;
  readonly page: (entries: MessageOf<'hintPage'>['entries']) => readonly Message[];
} {
  const net = readyNet(FIVE);
  const a = net.pod('a');
  const [pull] = net.tell(a, { name: 'e', ...like(a) }, { kind: 'hintOffer', keys: 1 });
  const id = pull?.kind === 'hintPull' ? pull.id : -1;
  const page = (entries: MessageOf<'hintPage'>['entries']) =>
    net.tell(
      a,
      { name: 'e', ...like(a) },
      { kind: 'hintPage', id, entries, more: true, next: new Uint8Array(0) },
    );
  return { net, a, page };
}

function entry(net: Net, key = KEY, n = 1): MessageOf<'hintPage'>['entries'][number] {
  const state = elsewhere(n);
  const probe = net.pod('e');
  net.ask(probe, merge(net, state, { key, owedSlots: FOR_A }));
  const found = probe.store.get('hints', locate(key));
  const row = found.kind === 'found' ? decodeRow(found.value) : undefined;
  return {
    key,
    digest: row?.digest ?? '',
    part: 0,
    parts: 1,
    sole: [],
    requires: [],
    state: row?.state ?? new Uint8Array(0),
  };
}

describe('hint messages that nobody should send', () => {
  it('a page that was not asked for, or comes from another', () => {
    const { net, a, page } = pulling();
    const entries = [entry(net)];
    const message = { kind: 'hintPage' as const, id: 1, entries, more: false, next: new Uint8Array(0) };
    expect(net.tell(a, { name: 'e', ...like(a) }, message)).toEqual([]);
    expect(net.tell(a, { name: 'd', ...like(a) }, message)).toEqual([]);
    expect(a.store.count('rows')).toBe(0);
    expect(page(entries)).toMatchObject([{ kind: 'hintAck' }]);
  });

  it('a page twice: the second time it changes nothing', () => {
    const { net, a, page } = pulling();
    const entries = [entry(net)];
    const first = page(entries);
    const after = stored(a);
    expect(page(entries)).toEqual(first);
    expect(stored(a)).toEqual(after);
  });

  it('an entry whose digest is not its state’s is neither merged nor acknowledged, and the others are', () => {
    const { net, a, page } = pulling();
    const good = entry(net, OTHER, 2);
    const bad = [
      { ...entry(net), digest: 'x'.repeat(16) },
      { ...entry(net), state: entry(net).state.subarray(1) },
      { ...entry(net), key: new Uint8Array(0) },
      { ...entry(net), key: keyOfOthers(ring(FIVE), 'a') },
    ];
    for (const each of bad) {
      expect(page([each, good])).toEqual([
        { kind: 'hintAck', entries: [{ key: OTHER, digest: good.digest }] },
      ]);
    }
    expect(net.events('a').filter((event) => event === 'bad_state')).toHaveLength(4);
    expect(a.store.count('rows')).toBe(1);
  });

  it('an entry that needs what has not arrived is not acknowledged: its holder keeps it (rule 6)', () => {
    const { net, a, page } = pulling();
    const good = entry(net, OTHER, 2);
    const early = { ...entry(net), requires: [{ actor: makeActor('b', 'AAAAAAAAAAA', 7), counter: 1 }] };
    expect(page([early, good])).toEqual([
      { kind: 'hintAck', entries: [{ key: OTHER, digest: good.digest }] },
    ]);
    expect(a.store.count('rows')).toBe(1);
  });

  it('an ack for what is not held, an offer of nothing, a pull from nowhere', () => {
    const { net, a } = pulling();
    const from = { name: 'e', ...like(a) };
    expect(
      net.tell(a, from, {
        kind: 'hintAck',
        entries: [
          { key: KEY, digest: 'x'.repeat(16) },
          { key: new Uint8Array(0), digest: 'y'.repeat(16) },
        ],
      }),
    ).toEqual([{ kind: 'hintOffer', keys: 0 }]);
    expect(net.tell(a, from, { kind: 'hintOffer', keys: 0 })).toEqual([]);
    expect(net.tell(a, from, { kind: 'hintPull', id: 7, after: Uint8Array.of(1, 2) })).toEqual([]);
    expect(net.events('a')).toEqual(['bad_message']);
    expect(net.tell(a, from, { kind: 'hintPull', id: 7, after: keyOf('zzz') })).toMatchObject([
      { kind: 'hintPage', id: 7, entries: [] },
    ]);
  });

  it('offers from names that are no members: they would be listed with every answer, without end', () => {
    const { net, a } = pulling();
    for (let i = 0; i < 300; i++) {
      expect(net.tell(a, { name: `stranger-${i}`, ...like(a) }, { kind: 'hintOffer', keys: 1 })).toEqual([]);
    }
    const [answer] = net.ask(a, read(net));
    expect(answer?.kind === 'found' ? answer.owedBy : []).toEqual(['e']);
  });
});
