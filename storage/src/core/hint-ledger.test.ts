import { must } from '@circlet/shared/assert.ts';
import { emptyContext } from '@circlet/shared/causality/context.ts';
import { emptyState } from '@circlet/shared/causality/key-state.ts';
import { completed } from '@circlet/shared/causality/parts.ts';
import { decodeState, encodeState } from '@circlet/shared/causality/state-codec.ts';
import type { HintPage } from '@circlet/shared/protocol/hint.ts';
import { STATE_PART_BYTES_MAX } from '@circlet/shared/protocol/limits.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import { begun, finished, switched } from '@circlet/shared/ring/change.ts';
import { Ring, type Topology } from '@circlet/shared/ring/topology.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inside } from '../sqlite/inside.case.ts';
import { SqliteStore } from '../sqlite/sqlite-store.ts';
import { readsOf } from './anti-entropy/rows.case.ts';
import { HintLedger, locate } from './hint-ledger.ts';
import { MemoryStore } from './memory-store.ts';
import { type Copy, copyOf, DIGEST_KEY, joined, leadOf, Replica } from './one-key.case.ts';
import { diskOf, keyOf, keysOwnedBy, ownersOf, ringOf } from './ring.case.ts';
import { decodeRow, type Row, stateOf } from './row.ts';
import { turn } from './store.case.ts';
import type { Store } from './store.ts';

const RING = ringOf(['a', 'b', 'c', 'd', 'e']);
const NO_KEY = new Uint8Array(0);

/** A fallback with its hints: what `node.ts` does with a ledger, less everything else. */
class Holder {
  readonly store: Store;
  ledger: HintLedger;
  private readonly self = new Replica('f');
  private writes = 0;

  constructor(store: Store = new MemoryStore(), ring = RING) {
    this.store = store;
    this.ledger = new HintLedger(store, ring);
  }

  row(key: FullKey): Row | undefined {
    const found = this.store.get('hints', locate(key));
    return found.kind === 'found' ? decodeRow(found.value) : undefined;
  }

  /** Leads a write for the owners in `owed`, one bit each. */
  take(key: FullKey, owed: number, copy: Copy = copyOf(this.writes++ % 250)): Row {
    const before = this.row(key);
    const lookup = this.store.get('hints', locate(key));
    this.self.bytes = lookup.kind === 'found' ? lookup.value : undefined;
    const led = this.self.lead(leadOf(copy, emptyContext, { key }), owed);
    const row = must(led.kind === 'led' ? led.row : undefined, 'the write is led');
    turn(this.store, () => this.ledger.put(locate(key), before, row));
    return row;
  }

  restart(ring = RING): void {
    this.ledger = new HintLedger(this.store, ring);
  }

  discharge(target: string, key: FullKey, digest: string): void {
    turn(this.store, () => this.ledger.discharge(target, key, digest));
  }

  /** All pages for a target, with nothing acknowledged in between. */
  pages(target: string): readonly Omit<HintPage, 'id'>[] {
    const all: Omit<HintPage, 'id'>[] = [];
    for (let after: FullKey = NO_KEY; ; ) {
      const frames = this.ledger.page(target, after);
      all.push(...frames);
      after = must(frames.at(-1), 'an answer has a frame').next;
      if (after.length === 0) return all;
      must(all.length < 1000 ? true : undefined, 'the pages come to an end');
    }
  }

  /** Keys in the order in which they are sent. */
  sent(target: string): readonly FullKey[] {
    return this.pages(target).flatMap((page) => page.entries.map(({ key }) => key));
  }
}

const [KEY = NO_KEY, OTHER = NO_KEY] = keysOwnedBy(RING, ['a', 'b', 'c'], 2);
const large = (n: number, bytes = 400_000) => copyOf(n, { body: new Uint8Array(bytes).fill(n) });

describe('a hint', () => {
  it('is owed to the slots it was taken for, and goes when each of them covers it', () => {
    const holder = new Holder();
    const { digest } = holder.take(KEY, 0b011);
    expect(holder.ledger.owed()).toEqual([
      { target: 'a', keys: 1 },
      { target: 'b', keys: 1 },
    ]);
    holder.discharge('b', KEY, digest);
    expect(holder.ledger.owed()).toEqual([{ target: 'a', keys: 1 }]);
    expect(holder.row(KEY)?.owed).toBe(0b001);
    holder.discharge('a', KEY, digest);
    expect(holder.ledger.owed()).toEqual([]);
    expect([holder.ledger.held, holder.row(KEY)]).toEqual([0, undefined]);
  });

  // Rule 5a: F leads w1 for A and B, w2 for A only; A covers both and is discharged. With a row for each target, B's
  // would still say that dot 1 was the last, and w3 would get dot 2 again.
  it('is one state for all targets: minting again never repeats a dot', () => {
    const holder = new Holder();
    holder.take(KEY, 0b011);
    const both = holder.take(KEY, 0b001);
    holder.discharge('a', KEY, both.digest);
    const third = holder.take(KEY, 0b010);
    const dots = stateOf(third).siblings.flatMap((sibling) => sibling.dots.map(({ counter }) => counter));
    expect(dots.toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
    expect([holder.ledger.held, third.owed]).toEqual([1, 0b010]);
  });

  // Rule 5b: A pulls s1; before its ack is here, F merges w2 into the hint. The ack names s1.
  it('into which something was merged after the page went out is not discharged by its ack', () => {
    const holder = new Holder();
    const first = holder.take(KEY, 0b001);
    const second = holder.take(KEY, 0b001);
    holder.discharge('a', KEY, first.digest);
    expect(holder.row(KEY)?.digest).toBe(second.digest);
    expect(holder.ledger.owedToNode('a')).toBe(1);
    holder.discharge('a', KEY, second.digest);
    expect(holder.ledger.held).toBe(0);
  });

  it('does not care who else acknowledges, what else, or how often', () => {
    const holder = new Holder();
    const { digest } = holder.take(KEY, 0b001);
    holder.take(OTHER, 0b001);
    holder.discharge('b', KEY, digest);
    holder.discharge('e', KEY, digest);
    holder.discharge('nobody', KEY, digest);
    holder.discharge('a', OTHER, digest);
    holder.discharge('a', keyOf('never held'), digest);
    holder.discharge('a', NO_KEY, digest);
    expect(holder.ledger.owed()).toEqual([{ target: 'a', keys: 2 }]);
    holder.discharge('a', KEY, digest);
    holder.discharge('a', KEY, digest);
    expect(holder.ledger.owed()).toEqual([{ target: 'a', keys: 1 }]);
  });

  it('taken again for another slot is owed to both, and counted once for each', () => {
    const holder = new Holder();
    holder.take(KEY, 0b001);
    holder.take(KEY, 0b101);
    expect(holder.ledger.owed()).toEqual([
      { target: 'a', keys: 1 },
      { target: 'c', keys: 1 },
    ]);
    expect(holder.ledger.held).toBe(1);
  });

  // Rule 6: A was replaced. Its hints are owed to whoever has its slot now.
  it('follows its slot when the owners change', () => {
    const holder = new Holder();
    const { digest } = holder.take(KEY, 0b001);
    const next = ringOf(['b', 'c', 'd', 'e', 'x', 'y']);
    const heir = must(ownersOf(next, KEY)[0], 'a vnode has owners');
    expect(heir).not.toBe('a');
    holder.restart(next);
    expect(holder.ledger.owed()).toEqual([{ target: heir, keys: 1 }]);
    holder.discharge('a', KEY, digest);
    expect(holder.sent(heir)).toEqual([KEY]);
    holder.discharge(heir, KEY, digest);
    expect(holder.ledger.held).toBe(0);
  });
});

describe('pages', () => {
  it('carry what is owed to the target and nothing else, in ring order', () => {
    const holder = new Holder();
    const mine = keysOwnedBy(RING, ['a'], 20);
    for (const key of mine) holder.take(key, 0b001);
    for (const key of keysOwnedBy(RING, ['b'], 20)) holder.take(key, 0b001);
    const ordered = mine.toSorted((a, b) => locate(a).prefix - locate(b).prefix);
    expect(holder.sent('a')).toEqual(ordered);
    expect(holder.sent('e').length).toBe(holder.ledger.owedToNode('e'));
  });

  it('are empty, and final, for a target that is owed nothing', () => {
    const holder = new Holder();
    expect(holder.ledger.page('a', NO_KEY)).toEqual([{ entries: [], more: false, next: NO_KEY }]);
    holder.take(KEY, 0b001);
    expect(holder.ledger.page('e', NO_KEY)).toEqual([{ entries: [], more: false, next: NO_KEY }]);
    expect(holder.ledger.page('nobody', NO_KEY)).toEqual([{ entries: [], more: false, next: NO_KEY }]);
  });

  it('end with a cursor that goes on behind them, also when its key was discharged meanwhile', () => {
    const holder = new Holder();
    const keys = keysOwnedBy(RING, ['a'], 8);
    for (const key of keys) holder.take(key, 0b001, large(1, 100_000));
    const [first] = holder.ledger.page('a', NO_KEY);
    expect(first?.entries).toHaveLength(2);
    expect(first?.next).toEqual(first?.entries[1]?.key);
    for (const { key, digest } of first?.entries ?? []) holder.discharge('a', key, digest);
    const [second] = holder.ledger.page('a', first?.next ?? NO_KEY);
    expect(second?.entries).toHaveLength(2);
    expect(holder.sent('a')).toHaveLength(6);
  });

  it('that find much for others may be empty and still go on', () => {
    const holder = new Holder();
    for (const key of keysOwnedBy(RING, ['b'], 2500)) holder.take(key, 0b001);
    const onlyOne = keysOwnedBy(RING, ['a'], 1);
    for (const key of onlyOne) holder.take(key, 0b001);
    expect(holder.sent('a')).toEqual(onlyOne);
    expect(holder.ledger.page('a', NO_KEY)[0]?.next.length).toBeGreaterThan(0);
  });

  it('hold one state that is larger than a page, in parts for frames of their own, which make it whole again', () => {
    const holder = new Holder();
    for (let n = 1; n <= 6; n++) holder.take(KEY, 0b001, large(n));
    holder.take(OTHER, 0b001);
    const frames = holder.pages('a');
    const parts = frames.flatMap((page) => page.entries.filter(({ key }) => Buffer.compare(key, KEY) === 0));
    const whole = must(holder.row(KEY), 'the hint is held');
    expect(parts.map(({ part, digest }) => [part, digest])).toEqual(
      [0, 1, 2].map((part) => [part, whole.digest]),
    );
    for (const frame of frames) {
      expect(frame.entries.reduce((sum, { state, key }) => sum + state.length + key.length, 0)).toBeLessThan(
        STATE_PART_BYTES_MAX,
      );
    }
    let received = emptyState;
    for (const { state, requires } of parts) {
      const part = must(completed(received, { state: decodeState(state), requires }), 'parts come in order');
      received = joined(received, part);
    }
    expect(Buffer.compare(encodeState(received), whole.state)).toBe(0);
  });

  it('say "more" on every frame but the last of an answer, and the cursor on the last only', () => {
    const holder = new Holder();
    for (let n = 1; n <= 6; n++) holder.take(KEY, 0b001, large(n));
    holder.take(OTHER, 0b001, large(7));
    const frames = holder.ledger.page('a', NO_KEY);
    expect(frames.length).toBeGreaterThan(1);
    frames.forEach(({ more, next }, i) => {
      const isLast = i === frames.length - 1;
      expect([more, next.length > 0 || isLast]).toEqual([!isLast, isLast]);
    });
  });

  it('together hold every key that is owed, once, however large they are and wherever pages end', () => {
    const sizes = fc.array(
      fc.record({ owed: fc.integer({ min: 1, max: 7 }), bytes: fc.nat({ max: 200_000 }) }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(sizes, (hints) => {
        const holder = new Holder();
        hints.forEach(({ owed, bytes }, i) => holder.take(keyOf(`k${i}`), owed, large(i, bytes)));
        for (const target of ['a', 'b', 'c', 'd', 'e']) {
          const keys = holder.sent(target).map((key) => Buffer.from(key).toString());
          expect(new Set(keys).size).toBe(keys.length);
          expect(keys).toHaveLength(holder.ledger.owedToNode(target));
        }
        const total = holder.ledger.owed().reduce((sum, { keys }) => sum + keys, 0);
        expect(total).toBe(
          hints.reduce((sum, { owed }) => sum + owed.toString(2).replaceAll('0', '').length, 0),
        );
      }),
      { numRuns: 40 },
    );
  });
});

describe('a restart', () => {
  it('finds all counts and the oldest age in the rows, however many there are', () => {
    const holder = new Holder();
    for (const key of keysOwnedBy(RING, ['a'], 1200)) holder.take(key, 0b011);
    const before = holder.ledger.owed();
    holder.restart();
    expect(holder.ledger.owed()).toEqual(before);
    expect(holder.ledger.oldestAtMs).toBe(50);
    expect(holder.ledger.held).toBe(1200);
  });

  it('finds nothing where nothing is held', () => {
    const holder = new Holder();
    expect([holder.ledger.owed(), holder.ledger.held, holder.ledger.oldestAtMs]).toEqual([[], 0, undefined]);
  });
});

const age = (holder: Holder, key: FullKey, hintedAtMs: number) => {
  const row = holder.take(key, 0b001);
  turn(holder.store, () => holder.ledger.put(locate(key), row, { ...row, hintedAtMs }));
  return row;
};

describe('a hint for a slot that moves (rule 10)', () => {
  /** Everything that a has goes to g. */
  const filling = begun(RING.topology, {
    kind: 'replace',
    name: 'a',
    by: { name: 'g', disk: diskOf('g'), zone: 'z', weight: 1 },
    isDead: false,
  });
  const ringIn = (topology: Topology) => new Ring(topology, DIGEST_KEY);
  const [key = NO_KEY] = keysOwnedBy(RING, ['a'], 1);
  const slot = 1 << ownersOf(RING, key).indexOf('a');
  const owedTo = ({ ledger }: Holder) => ['a', 'g'].map((name) => ledger.owedToNode(name));

  it('is owed to both nodes of a slot that moves, and goes when both cover it', () => {
    const holder = new Holder(undefined, ringIn(filling));
    const { digest } = holder.take(key, slot);
    expect(owedTo(holder)).toEqual([1, 1]);
    holder.discharge('a', key, digest);
    expect(owedTo(holder)).toEqual([0, 1]);
    expect([holder.sent('a'), holder.sent('g')]).toEqual([[], [key]]);
    // Also in the next life of its holder.
    holder.restart(ringIn(filling));
    expect(owedTo(holder)).toEqual([0, 1]);
    holder.discharge('g', key, digest);
    expect([...owedTo(holder), holder.ledger.held]).toEqual([0, 0, 0]);
  });

  it('is owed to both anew when another write is merged into it', () => {
    const holder = new Holder(undefined, ringIn(filling));
    holder.discharge('a', key, holder.take(key, slot).digest);
    holder.take(key, slot);
    expect(owedTo(holder)).toEqual([1, 1]);
  });

  it('that was taken before it moved is owed to the new one too, and not to the old one when that is gone', () => {
    const holder = new Holder();
    const { digest } = holder.take(key, slot);
    holder.restart(ringIn(filling));
    expect(owedTo(holder)).toEqual([1, 1]);
    holder.discharge('g', key, digest);
    holder.restart(ringIn(finished(switched(filling))));
    expect([...owedTo(holder), holder.ledger.held]).toEqual([0, 0, 1]);
    turn(holder.store, () => holder.ledger.observe());
    expect(holder.ledger.held).toBe(0);
  });

  it('is owed to the disk of a name, and again when that has another', () => {
    const holder = new Holder(undefined, ringIn(filling));
    holder.discharge('g', key, holder.take(key, slot).digest);
    const members = filling.members.map((of) => (of.name === 'g' ? { ...of, disk: 'f'.repeat(32) } : of));
    holder.restart(ringIn({ ...filling, epoch: filling.epoch + 1, members }));
    expect(owedTo(holder)).toEqual([1, 1]);
  });
});

describe('the age of the oldest hint', () => {
  it('is known at once, renewed after a pass over all rows, and undefined when none is held', () => {
    const holder = new Holder();
    const keys = keysOwnedBy(RING, ['a'], 700);
    const rows = keys.map((key, i) => age(holder, key, 1000 - i));
    holder.restart();
    expect(holder.ledger.oldestAtMs).toBe(301);
    holder.discharge('a', must(keys.at(-1), 'a key'), must(rows.at(-1), 'a row').digest);
    holder.ledger.observe();
    expect(holder.ledger.oldestAtMs).toBe(301);
    holder.ledger.observe();
    expect(holder.ledger.oldestAtMs).toBe(302);
    keys.forEach((key, i) => holder.discharge('a', key, must(rows[i], 'a row').digest));
    expect([holder.ledger.held, holder.ledger.oldestAtMs]).toEqual([0, undefined]);
  });

  it('is that of all of them when few are looked at in a call because they are large', () => {
    const holder = new Holder();
    const keys = keysOwnedBy(RING, ['a'], 60).toSorted((a, b) => locate(a).prefix - locate(b).prefix);
    const rows = keys.map((key) => holder.take(key, 0b001, large(1, 100_000)));
    const oldest = must(rows[50], 'a row');
    const at = locate(must(keys[50], 'a key'));
    turn(holder.store, () => holder.ledger.put(at, oldest, { ...oldest, hintedAtMs: 1 }));
    holder.restart();
    const reads = readsOf(holder.store);
    for (let call = 0; call < 6; call++) holder.ledger.observe();
    expect(holder.ledger.oldestAtMs).toBe(1);
    holder.ledger.page('a', NO_KEY);
    expect(reads.mostAtOnce).toBeLessThan(1_200_000);
  });
});

/** The engine that cannot say which key a corrupt row had. */
const damaged = (count: number, which: readonly number[], restarts = true) => {
  const store = new SqliteStore({ path: ':memory:', cacheKiB: 1024 });
  const holder = new Holder(store);
  const keys = keysOwnedBy(RING, ['a'], count).toSorted((a, b) => locate(a).prefix - locate(b).prefix);
  for (const key of keys) holder.take(key, 0b001, large(1, 30_000));
  for (const i of which) {
    inside(store)
      .prepare("UPDATE hints SET d = x'00' WHERE h = ?")
      .run(locate(must(keys[i], 'a key')).prefix);
  }
  if (restarts) holder.restart();
  return { holder, keys };
};

describe('a hint row that is corrupt', () => {
  it('stays, is counted, and is owed to nobody, for nobody can say to whom', () => {
    const { holder } = damaged(5, [1, 3]);
    expect([holder.ledger.corrupt, holder.ledger.held, holder.ledger.owedToNode('a')]).toEqual([2, 5, 3]);
    expect(holder.sent('a')).toHaveLength(3);
    holder.ledger.observe();
    holder.restart();
    expect([holder.ledger.corrupt, holder.ledger.held]).toEqual([2, 5]);
  });

  it('while its holder runs is found within a pass over all, once, and offered no more', () => {
    const { holder } = damaged(5, [1, 3], false);
    expect(holder.ledger.owedToNode('a')).toBe(5);
    expect(holder.ledger.observe()).toBe(2);
    expect([holder.ledger.corrupt, holder.ledger.owedToNode('a')]).toEqual([2, 3]);
    expect(holder.ledger.observe()).toBe(0);
  });

  // Pages of 8 states each: a page that ended on the corrupt row would have no cursor, and say that it is the last.
  it('does not end the pages early where one of them would have ended', () => {
    for (let i = 0; i < 20; i++) {
      const { holder, keys } = damaged(20, [i]);
      expect(holder.sent('a')).toEqual(keys.filter((_, k) => k !== i));
    }
  });

  it('is not discharged by any ack', () => {
    const { holder, keys } = damaged(1, [0]);
    holder.discharge('a', must(keys[0], 'a key'), '0'.repeat(16));
    expect(holder.ledger.held).toBe(1);
  });
});
