import { isDeepStrictEqual } from 'node:util';
import type { FrameHeader } from '@circlet/shared/protocol/frame.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';
import { INCARNATION_JUMP_MAX } from '@circlet/shared/membership/member.ts';
import { NO_TOPOLOGY } from '@circlet/shared/ring/topology.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StorageEvent } from './effects.ts';
import { MemoryStore } from './memory-store.ts';
import { messages, type Sender, senders } from './messages.case.ts';
import { copyOf } from './one-key.case.ts';
import { type Pod, readyNet, ring, wired } from './pods.case.ts';
import { FIVE, five, isUntouched, lead, read } from './requests.case.ts';
import { keyOf, ownersOf } from './ring.case.ts';
import { decodeRow } from './row.ts';
import type { Limits, Locator, Lookup, Part, Table } from './store.ts';

const MEMBERS = FIVE.members.map(({ name }) => name);

const gossip = (updates: Extract<Message, { kind: 'swim' }>['updates'], incarnation = 0): Message => ({
  kind: 'swim',
  step: 'ping',
  seq: 1,
  incarnation,
  target: [],
  reached: false,
  updates,
});

const like = (of: Pod) => ({ epoch: of.epoch, topology: of.topology });

function statuses(of: Pod, made = five().made): readonly string[] {
  const [answer] = made.ask(of, { kind: 'echo', id: 1, sentMs: 0 });
  return answer?.kind === 'echoed' ? answer.members.map(({ name, status }) => `${name} ${status}`) : [];
}

/** The rows of invariants.md, section 5, that are about the machine and have no test elsewhere in this directory. */
describe('a peer that lies', () => {
  it('that all others are dead is not believed without a look of one’s own', () => {
    const { made, a } = five();
    const dead = MEMBERS.map((name) => ({ name, status: 'down' as const, incarnation: 0 }));
    for (let i = 0; i < 20; i++) made.tell(a, { name: 'e', ...like(a) }, gossip(dead));
    expect(statuses(a, made).filter((line) => line.endsWith('down'))).toEqual([]);
    made.run(20_000);
    expect(statuses(a, made)).toEqual(MEMBERS.map((name) => `${name} alive`));
  });

  it.each<[string, Message]>([
    ['of another', gossip([{ name: 'b', status: 'suspect', incarnation: Number.MAX_SAFE_INTEGER }])],
    [
      'of the one who hears it',
      gossip([{ name: 'a', status: 'suspect', incarnation: Number.MAX_SAFE_INTEGER }]),
    ],
    ['of itself', gossip([], Number.MAX_SAFE_INTEGER)],
  ])('with a version %s beyond all measure is noticed and not taken, and all goes on', (_, message) => {
    const { made, a } = five();
    made.tell(a, { name: 'e', ...like(a) }, message);
    expect(made.events('a')).toEqual(['bad_gossip']);
    const [answer] = made.ask(a, { kind: 'echo', id: 1, sentMs: 0 });
    const members = answer?.kind === 'echoed' ? answer.members : [];
    expect(members.map(({ name, status }) => `${name} ${status}`)).toEqual(
      MEMBERS.map((name) => `${name} alive`),
    );
    expect(Math.max(...members.map(({ incarnation }) => incarnation))).toBeLessThanOrEqual(
      INCARNATION_JUMP_MAX + 1,
    );
    made.run(30_000);
    expect(made.ask(a, lead(made, copyOf(1)))).toMatchObject([{ outcome: 'minted' }]);
    expect(statuses(a, made).filter((line) => line.endsWith('down'))).toEqual([]);
  });

  it('about who it is: gossip from outside the topology has no say', () => {
    const { made, a } = five();
    made.tell(a, { name: 'stranger', ...like(a) }, gossip([{ name: 'b', status: 'down', incarnation: 0 }]));
    expect(made.events('a')).toEqual(['bad_gossip']);
    expect(statuses(a, made)).toEqual(MEMBERS.map((name) => `${name} alive`));
  });

  it('by saying what only a coordinator or only a peer may say is counted and ignored', () => {
    const { made, a } = five();
    const ping = gossip([]);
    expect(made.ask(a, ping)).toEqual([]);
    expect(made.ask(a, { kind: 'hintAck', entries: [] })).toEqual([]);
    expect(made.tell(a, { name: 'b', ...like(a) }, { kind: 'merged', id: 1 })).toEqual([]);
    expect(made.events('a')).toEqual(['unexpected_message', 'unexpected_message', 'unexpected_message']);
  });

  it('about a key that is none is dropped and counted', () => {
    const { made, a } = five();
    for (const key of [
      new Uint8Array(0),
      Uint8Array.of(0, 1),
      Uint8Array.of(200, 1),
      keyOf('x').subarray(0, 2),
    ]) {
      expect(made.ask(a, lead(made, copyOf(1), { key }))).toEqual([]);
      expect(made.ask(a, read(made, { key }))).toEqual([]);
    }
    expect(new Set(made.events('a'))).toEqual(new Set(['bad_state']));
    expect(isUntouched(a)).toBe(true);
  });
});

function headerOf(to: Pod, { role, name, boot, life, epoch }: Sender): FrameHeader {
  const shown = { this: to.epoch, older: 0, newer: to.epoch + 1 }[epoch] ?? 0;
  const topology = { this: to.topology, older: NO_TOPOLOGY, newer: 'x'.repeat(16) }[epoch] ?? NO_TOPOLOGY;
  const toBoot = { this: to.boot, another: 'CCCCCCCCCCC', any: undefined }[life];
  return { cluster: 'cluster!', role, name, boot, toBoot, number: 0, epoch: shown, topology };
}

/** A message as it would arrive: through a frame. */
function eventOf(to: Pod, message: Message, sender: Sender): StorageEvent {
  const [heard] = wired(headerOf(to, sender), message);
  return { kind: 'message', from: heard?.header ?? headerOf(to, sender), message: heard?.message ?? message };
}

describe('anything at all', () => {
  it('is handled without a throw, answered with what fits a frame, and leaves the pod serving', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ message: messages, sender: senders, waitMs: fc.nat({ max: 300 }) }), {
          maxLength: 60,
          size: 'max',
        }),
        (said) => {
          const made = readyNet(FIVE, {}, ['a', 'b', 'c']);
          const a = made.pod('a');
          for (const { message, sender, waitMs } of said) {
            made.handle(a, eventOf(a, message, sender));
            made.run(waitMs);
          }
          expect(a.node.readiness.ready).toBe(true);
          expect(made.ask(a, lead(made, copyOf(200)))).toMatchObject([{ outcome: 'minted' }]);
          expect(made.ask(a, read(made))).toMatchObject([{ kind: 'found' }]);
        },
      ),
      { numRuns: 150 },
    );
  });
});

/** A store that fails at the n-th call from now, whatever the call. */
class FailingStore extends MemoryStore {
  callsLeft = Number.POSITIVE_INFINITY;

  override get(table: Table, at: Locator): Lookup {
    this.fail();
    return super.get(table, at);
  }

  override put(table: Table, at: Locator, value: Uint8Array): void {
    this.fail();
    super.put(table, at, value);
  }

  override delete(table: Table, at: Locator): void {
    this.fail();
    super.delete(table, at);
  }

  override scanWithin(table: Table, after: Locator | undefined, limits: Limits): Part {
    this.fail();
    return super.scanWithin(table, after, limits);
  }

  override count(table: Table): number {
    this.fail();
    return super.count(table);
  }

  override bytes(): number {
    this.fail();
    return super.bytes();
  }

  override writeMeta(name: string, value: Uint8Array): void {
    this.fail();
    super.writeMeta(name, value);
  }

  private fail(): void {
    if (--this.callsLeft < 0) throw new Error('the store fails');
  }
}

function contents(store: FailingStore): unknown {
  store.callsLeft = Number.POSITIVE_INFINITY;
  return [
    store.scan('rows', undefined, 1000),
    store.scan('hints', undefined, 1000),
    store.readMeta('topology'),
  ];
}

describe('rule 20: a machine throws only before its first mutation, or says that it mutated', () => {
  const steps = fc.array(
    fc.record({
      message: messages,
      sender: senders,
      failAt: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, fc.nat({ max: 3 })),
    }),
    { maxLength: 40, size: 'max' },
  );

  it('so that an event on which it threw might as well never have come', () => {
    const seen = { dropped: 0, discarded: 0, handled: 0 };
    fc.assert(
      fc.property(steps, (said) => {
        const twins = new Twins();
        for (const { message, sender, failAt } of said) {
          const outcome = twins.handle(message, sender, failAt);
          seen[outcome]++;
          expect(twins.differences()).toEqual([]);
          if (outcome === 'discarded') return;
        }
      }),
      { numRuns: 400 },
    );
    expect(seen.dropped).toBeGreaterThan(50);
    expect(seen.discarded).toBeGreaterThan(10);
    expect(seen.handled).toBeGreaterThan(1000);
  });

  it('also when the store fails between the hints of one acknowledgement', () => {
    for (let failAt = 0; failAt < 8; failAt++) {
      const twins = new Twins();
      const target = MEMBERS.toSorted((x, y) => twins.owedTo(y).length - twins.owedTo(x).length)[0] ?? '';
      const entries = twins.owedTo(target);
      expect(entries.length).toBeGreaterThan(1);
      const peer = {
        role: 'storage',
        name: target,
        boot: 'BBBBBBBBBBB',
        life: 'this',
        epoch: 'this',
      } as const;
      const outcome = twins.handle({ kind: 'hintAck', entries }, peer, failAt);
      if (outcome !== 'discarded') expect(twins.differences()).toEqual([]);
    }
  });
});

/** Two machines in step. What one of them throws on, unmutated, the other never sees: nobody may tell them apart. */
class Twins {
  private readonly victimStore = seeded();
  private readonly controlStore = seeded();
  private readonly victim = readyNet(FIVE, { store: this.victimStore }, ['a']).pod('a');
  private readonly control = readyNet(FIVE, { store: this.controlStore }, ['a']).pod('a');
  private effects: readonly [victim: unknown, control: unknown] = [undefined, undefined];
  private nowMs = 4000;

  handle(message: Message, sender: Sender, failAt: number | undefined): 'handled' | 'dropped' | 'discarded' {
    const now = { monoMs: this.nowMs++, wallMs: 1_700_000_000_000 };
    const event = eventOf(this.victim, message, sender);
    const before = this.victim.node.mutations;
    this.victimStore.callsLeft = failAt ?? Number.POSITIVE_INFINITY;
    this.victimStore.begin();
    try {
      const effects = this.victim.node.handle(event, now);
      this.victimStore.commit();
      this.effects = [effects, this.control.node.handle(event, now)];
      return 'handled';
    } catch {
      if (this.victim.node.mutations === before) {
        this.victimStore.commit();
        return 'dropped';
      }
      // The host discards the machine and undoes the turn.
      this.victimStore.rollback();
      return 'discarded';
    }
  }

  /** What the pod with this name would acknowledge. */
  owedTo(name: string): readonly { readonly key: Uint8Array; readonly digest: string }[] {
    return this.victimStore.scan('hints', undefined, 1000).flatMap((entry) => {
      if (entry.kind === 'corrupt') return [];
      const { owed, digest } = decodeRow(entry.value);
      const slot = ownersOf(ring(FIVE), entry.at.key).indexOf(name);
      return slot >= 0 && (owed & (1 << slot)) !== 0 ? [{ key: entry.at.key, digest }] : [];
    });
  }

  differences(): readonly string[] {
    const [left, right] = this.effects;
    const effects = isDeepStrictEqual(left, right) ? [] : ['effects'];
    const stores = isDeepStrictEqual(contents(this.victimStore), contents(this.controlStore))
      ? []
      : ['stores'];
    return [...effects, ...stores];
  }
}

/** A store of A with the topology and some rows and hints. */
function seeded(): FailingStore {
  const store = new FailingStore(FIVE.members.find(({ name }) => name === 'a')?.disk);
  const { made, a } = five();
  for (let i = 0; i < 6; i++) made.ask(a, lead(made, copyOf(i), { key: keyOf(`key ${i}`), owedSlots: 3 }));
  store.begin();
  for (const table of ['rows', 'hints'] as const) {
    for (const entry of a.store.scan(table, undefined, 100)) {
      if (entry.kind === 'found') store.put(table, entry.at, entry.value);
    }
  }
  store.writeMeta('topology', a.store.readMeta('topology') ?? new Uint8Array(0));
  store.commit();
  return store;
}
