import { contextWith, emptyContext } from '@circlet/shared/causality/context.ts';
import { makeActor } from '@circlet/shared/causality/dot.ts';
import { historyOf, lastCounter } from '@circlet/shared/causality/history.ts';
import { emptyState, type KeyState } from '@circlet/shared/causality/key-state.ts';
import { partsOf } from '@circlet/shared/causality/parts.ts';
import { sipKey } from '@circlet/shared/hash/siphash.ts';
import {
  CLOCK_ERROR_MS,
  CLOSED_MAX,
  CLOSED_RESERVE,
  TIMEOUT_MS_MAX,
} from '@circlet/shared/protocol/limits.ts';
import { describe, expect, it } from 'vitest';
import {
  copyOf,
  DIGEST_KEY,
  exchange,
  joined,
  leadOf,
  put,
  Replica,
  seen,
  writeIdOf,
  writes,
} from './one-key.case.ts';
import { mergeInto } from './replica.ts';
import { decodeRow, encodeRow, seal, soleOf, stateOf } from './row.ts';

const [X, Y, Z] = [copyOf(1), copyOf(2), copyOf(3)];
const tombstone = (n: number) => copyOf(n, { deleted: true, body: new Uint8Array(0) });
const actors = (replica: Replica) => replica.state.history.actors;

describe('a lead', () => {
  it('counts up within one actor while it keeps the row', () => {
    const a = new Replica('a');
    const dots = [X, Y, Z].map((copy) => put(a, copy).dots);
    const actor = makeActor('a', a.boot, 1);
    expect(dots).toEqual([[{ actor, counter: 1 }], [{ actor, counter: 2 }], [{ actor, counter: 3 }]]);
    expect(a.row.own).toEqual({ actor, last: 3 });
    expect(writes(a.state)).toEqual([1, 2, 3]);
  });

  it('starts another actor for every key, so that no dot means two writes', () => {
    const a = new Replica('a');
    put(a, X);
    a.bytes = undefined;
    put(a, Y);
    expect(actors(a)).toEqual([makeActor('a', a.boot, 2)]);
  });

  it('takes nothing from a context but the writes that it has seen', () => {
    const [a, b] = [new Replica('a'), new Replica('b')];
    const x = put(a, X);
    put(a, Y, x.returned);
    const z = put(b, Z, x.returned);
    b.merge(a.state);
    expect(writes(b.state)).toEqual([2, 3]);
    expect(z.delta.closed).toEqual([X.writeId]);
  });
});

describe('law 3: no dot is issued twice', () => {
  // A leads X and loses its row (a bad checksum, a truncated WAL). B still has X. If A counted from 1 again, Y would
  // have X's dot: whoever has seen one would take the other for dead.
  it('amnesiac owner: the row is lost, the next write gets another actor, and nothing that B has dies', () => {
    const [a, b] = [new Replica('a'), new Replica('b')];
    b.merge(put(a, X).delta);
    a.bytes = undefined;
    const y = put(a, Y);
    b.merge(y.delta);
    exchange(a, b);
    expect(writes(a.state)).toEqual([1, 2]);
    expect(writes(b.state)).toEqual([1, 2]);
    expect(y.dots).toEqual([{ actor: makeActor('a', a.boot, 2), counter: 1 }]);
  });

  it('amnesiac owner: the row is corrupt, and X comes back from B beside Y', () => {
    const [a, b] = [new Replica('a'), new Replica('b')];
    const x = put(a, X);
    b.merge(x.delta);
    a.bytes = 'corrupt';
    const y = put(a, Y);
    b.merge(y.delta);
    exchange(a, b);
    expect(writes(a.state)).toEqual([1, 2]);
    expect(y.dots).not.toEqual(x.dots);
  });

  // F leads X for the absent A, hands it off, is acknowledged and drops the row. That is routine. F then leads Y.
  it('routine fallback: it led, handed off and dropped the row, and the next write survives', () => {
    const [a, f] = [new Replica('a'), new Replica('f')];
    const x = put(f, X);
    a.merge(f.state, f.sole);
    f.bytes = undefined;
    const y = put(f, Y);
    a.merge(y.delta);
    expect(writes(a.state)).toEqual([1, 2]);
    expect(y.dots).not.toEqual(x.dots);
  });

  // X is deleted with its context: tombstone T everywhere. A loses the row with T and leads Z, which nobody deleted. If A
  // began again at its first dot, B, which has seen that dot die, would refuse Y for ever.
  it('doomstone: a tombstone lost at one replica does not kill the next write', () => {
    const [a, b] = [new Replica('a'), new Replica('b')];
    const x = put(a, X);
    const t = put(a, tombstone(2), x.returned);
    for (const message of [x, t]) b.merge(message.delta);
    a.bytes = undefined;
    b.merge(put(a, Z).delta);
    exchange(a, b);
    expect(writes(a.state)).toEqual([2, 3]);
    expect(writes(b.state)).toEqual([2, 3]);
  });

  // Yesterday's file is put back under a pod that has issued dots 2 and 3 since.
  it('a restored older row does not mint old dots again', () => {
    const [a, b] = [new Replica('a'), new Replica('b')];
    put(a, X);
    const yesterday = a.bytes;
    const since = [put(a, Y), put(a, Z)];
    for (const { delta } of since) b.merge(delta);
    a.bytes = yesterday;
    a.restart();
    const next = put(a, copyOf(4));
    expect(since.flatMap(({ dots }) => dots)).not.toContainEqual(next.dots[0]);
    exchange(a, b);
    expect(writes(a.state)).toEqual([1, 2, 3, 4]);
  });

  it('a row that was kept across a restart is not extended: its end is not provably clean', () => {
    const a = new Replica('a');
    put(a, X);
    a.restart();
    put(a, Y);
    expect(a.row.own).toEqual({ actor: makeActor('a', a.boot, 1), last: 1 });
    expect(actors(a)).toHaveLength(2);
  });

  it('two pods under one name never issue one dot, though one runs on a copy of the other’s disk', () => {
    const [first, second] = [new Replica('a'), new Replica('a')];
    put(first, X);
    second.bytes = first.bytes;
    const dots = [put(first, Y), put(second, Z)].flatMap((each) => each.dots);
    expect(dots[0]).not.toEqual(dots[1]);
    exchange(first, second);
    expect(writes(first.state)).toEqual([1, 2, 3]);
  });

  // Rule 4c. The row says that it issued dot 1 last, yet contains 3: it looks intact and is not.
  it('after the merge the row contains its own higher counter, and a new serial starts', () => {
    const a = new Replica('a');
    put(a, X);
    const { actor } = a.row.own ?? { actor: '' };
    const ahead = { ...a.state, history: historyOf([1, 2, 3].map((counter) => ({ actor, counter }))) };
    a.bytes = encodeRow({ ...a.row, ...seal(DIGEST_KEY, ahead, new Set()) });
    expect(put(a, Y).dots).toEqual([{ actor: makeActor('a', a.boot, 2), counter: 1 }]);
  });

  // The same, but it is the client's context that shows how far the actor had come.
  it('a context in which its own actor is ahead of the row starts a new serial too', () => {
    const a = new Replica('a');
    const x = put(a, X);
    const stale = a.bytes;
    const y = put(a, Y, x.returned);
    a.bytes = stale;
    expect(put(a, Z, y.returned).dots).toEqual([{ actor: makeActor('a', a.boot, 2), counter: 1 }]);
  });

  // Only a reap round may do that, and there are none yet. A dot of such an actor may be known anywhere, but not here.
  it('an actor that has left the history is never extended', () => {
    const a = new Replica('a');
    put(a, X);
    a.bytes = encodeRow({ ...a.row, ...seal(DIGEST_KEY, emptyState, new Set()) });
    expect(put(a, Y).dots).toEqual([{ actor: makeActor('a', a.boot, 2), counter: 1 }]);
  });

  it('an actor on a row that was damaged is never extended, also when a merge brings its dots back', () => {
    for (const isRepaired of [false, true]) {
      const a = new Replica('a');
      const x = put(a, X);
      a.bytes = 'corrupt';
      if (isRepaired) a.merge(x.delta);
      const dots = [put(a, Y), put(a, Z)].flatMap((each) => each.dots);
      // The row in its place begins one, and extends that: it would else begin one with each write until it is healed.
      const actor = makeActor('a', a.boot, 2);
      expect(dots).toEqual([
        { actor, counter: 1 },
        { actor, counter: 2 },
      ]);
      expect(isSuspect(a)).toBe(true);
    }
  });

  it('nor is the actor that a suspect row began when it is damaged in its turn', () => {
    const a = new Replica('a');
    const dots = [X, Y, Z].flatMap((copy) => {
      const { dots: its } = put(a, copy);
      a.bytes = 'corrupt';
      return its;
    });
    expect(new Set(dots.map(({ actor }) => actor)).size).toBe(3);
  });
});

describe('law 4: a context covers exactly what its holder saw', () => {
  // Client 2 never saw X. A context from its put that said "everything of a up to 2" would delete X with the next put.
  it('over-covering put context: a put after a put of one’s own keeps the sibling that was never shown', () => {
    const a = new Replica('a');
    put(a, X);
    const mine = put(a, Y);
    put(a, Z, mine.returned);
    expect(writes(a.state)).toEqual([1, 3]);
    expect(lastCounter(mine.returned.history, makeActor('a', a.boot, 1))).toBe(2);
  });

  it('a put with the context of a get replaces all that the get showed', () => {
    const a = new Replica('a');
    put(a, X);
    put(a, Y);
    put(a, Z, seen(a));
    expect(writes(a.state)).toEqual([3]);
  });
});

describe('law 5: a sibling is a write, not a dot', () => {
  // P leads X through A, whose answer is lost, then through B. Both dots turn up everywhere.
  it('a retry through another lead collapses to one write', () => {
    const [a, b] = [new Replica('a'), new Replica('b')];
    const first = put(a, X);
    const second = put(b, X);
    exchange(a, b);
    for (const replica of [a, b]) {
      expect(replica.state.siblings).toHaveLength(1);
      expect(replica.state.siblings[0]?.dots).toEqual([...first.dots, ...second.dots]);
    }
  });

  // The twin at A is behind a partition while X is read at B and deleted. Nothing that B has names A's dot.
  it('a twin that turns up after the write was deleted stays dead', () => {
    const [a, b] = [new Replica('a'), new Replica('b')];
    put(a, X);
    put(b, X);
    put(b, tombstone(2), seen(b));
    exchange(a, b);
    expect(writes(a.state)).toEqual([2]);
    expect(a.state.closed).toEqual([X.writeId]);
  });

  it('a second attempt where the write is held mints nothing and says the dots there are', () => {
    const a = new Replica('a');
    const { dots } = put(a, X);
    const before = a.bytes;
    const again = a.lead(leadOf({ ...X, writtenAtMs: 9999 }));
    expect(again).toMatchObject({ kind: 'led', outcome: 'held', dots, writtenAtMs: X.writtenAtMs });
    expect(a.bytes).toBe(before);
    expect(again).not.toHaveProperty('row');
  });

  it('a second attempt where the write is closed mints nothing and has no dot to say', () => {
    const a = new Replica('a');
    put(a, X);
    put(a, Y, seen(a));
    const before = a.bytes;
    expect(a.lead(leadOf(X))).toMatchObject({ kind: 'led', outcome: 'closed', dots: [] });
    expect(a.bytes).toBe(before);
  });
});

/** The first half of the id names the client's key, the second what was sent under it. */
const keyed = (key: string, content: string) =>
  copyOf(0, { writeId: key.padEnd(8, '-') + content.padEnd(8, '-') });

const attempt = (a: Replica, key: string, content: string, isKeyed = true) =>
  a.lead(leadOf(keyed(key, content), emptyContext, { keyed: isKeyed }));

describe('rule 2: an idempotency key', () => {
  it('sent twice with one content is one write', () => {
    const a = new Replica('a');
    expect(attempt(a, '1', 'v1')).toMatchObject({ outcome: 'minted' });
    expect(attempt(a, '1', 'v1')).toMatchObject({ outcome: 'held' });
    expect(a.state.siblings).toHaveLength(1);
  });

  it('sent with other content is a mismatch, and nothing is minted', () => {
    const a = new Replica('a');
    attempt(a, '1', 'v1');
    const before = a.bytes;
    expect(attempt(a, '1', 'v2')).toEqual({ kind: 'refused', reason: 'idempotency_mismatch' });
    expect([a.bytes, a.serial]).toEqual([before, 1]);
  });

  it('is still known after its write was overwritten', () => {
    const a = new Replica('a');
    attempt(a, '1', 'v1');
    put(a, Y, seen(a));
    expect(attempt(a, '1', 'v2')).toEqual({ kind: 'refused', reason: 'idempotency_mismatch' });
    expect(attempt(a, '1', 'v1')).toMatchObject({ outcome: 'closed' });
  });

  it('of another name, or none at all, never collapses and never mismatches', () => {
    const a = new Replica('a');
    attempt(a, '1', 'v1');
    expect(attempt(a, '2', 'v2')).toMatchObject({ outcome: 'minted' });
    // Without the header ids are random; that two begin alike means nothing.
    expect(attempt(a, '1', 'random', false)).toMatchObject({ outcome: 'minted' });
    expect(a.state.siblings).toHaveLength(3);
  });
});

describe('rule 19: the cap on siblings', () => {
  const capped = { siblingsMax: 2 };

  it('refuses a put that adds one, and mints nothing for it', () => {
    const a = new Replica('a');
    for (const copy of [X, Y]) put(a, copy);
    const before = a.bytes;
    expect(a.lead(leadOf(Z, emptyContext, capped))).toEqual({ kind: 'refused', reason: 'too_many_siblings' });
    expect(a.bytes).toBe(before);
    expect(put(a, Z).dots[0]?.counter).toBe(3);
  });

  it('lets a put pass that resolves as many as it adds, even far above the cap', () => {
    const a = new Replica('a');
    for (let n = 1; n <= 9; n++) put(a, copyOf(n));
    const one = contextWith(
      emptyContext,
      writeIdOf(1),
      a.state.siblings.find((s) => s.writeId === writeIdOf(1))?.dots ?? [],
      false,
    );
    expect(a.lead(leadOf(copyOf(10), one, capped))).toMatchObject({ outcome: 'minted' });
    expect(a.state.siblings).toHaveLength(9);
    expect(a.lead(leadOf(copyOf(11), seen(a), capped))).toMatchObject({ outcome: 'minted' });
    expect(writes(a.state)).toEqual([11]);
  });

  it('never stops a merge', () => {
    const [a, b] = [new Replica('a'), new Replica('b')];
    for (let n = 1; n <= 5; n++) put(a, copyOf(n));
    for (let n = 6; n <= 10; n++) put(b, copyOf(n));
    expect(a.merge(b.state)).toMatchObject({ kind: 'merged' });
    expect(a.state.siblings).toHaveLength(10);
  });
});

/** A replica that knows this many closed writes. */
function closing(count: number, first = 0): KeyState {
  const closed = Array.from({ length: count }, (_, i) => String(first + i).padStart(16, '#'));
  return { ...emptyState, closed };
}

describe('the cap on closed writes', () => {
  const full = () => {
    const a = new Replica('a');
    a.merge(closing(CLOSED_MAX));
    return a;
  };

  it('refuses a put that would close one more, and mints nothing for it', () => {
    const a = full();
    put(a, X);
    const [before, serial] = [a.bytes, a.serial];
    expect(a.lead(leadOf(Y, seen(a)))).toEqual({ kind: 'refused', reason: 'history_full' });
    expect([a.bytes, a.serial]).toEqual([before, serial]);
    expect(put(a, Z).dots[0]?.counter).toBe(2);
  });

  it('lets a delete pass, up to a reserve: a value must not be there for good', () => {
    const a = full();
    put(a, X);
    expect(a.lead(leadOf(tombstone(2), seen(a)))).toMatchObject({ outcome: 'minted' });
    expect([writes(a.state), a.state.closed.length]).toEqual([[2], CLOSED_MAX + 1]);
    // A tombstone that is known to have no twin closes nothing when the next put replaces it.
    const { history } = seen(a);
    const sole = { history, writes: [{ writeId: tombstone(2).writeId, sole: true }] };
    expect(a.lead(leadOf(Z, sole))).toMatchObject({ outcome: 'minted' });
    a.merge(closing(CLOSED_RESERVE, CLOSED_MAX));
    expect(a.lead(leadOf(tombstone(4), seen(a)))).toEqual({ kind: 'refused', reason: 'history_full' });
  });

  it('lets the last one pass, and no two', () => {
    const a = new Replica('a');
    a.merge(closing(CLOSED_MAX - 1));
    put(a, X);
    const one = seen(a);
    put(a, Y);
    const both = seen(a);
    expect(a.lead(leadOf(Z, both))).toEqual({ kind: 'refused', reason: 'history_full' });
    expect(a.lead(leadOf(Z, one))).toMatchObject({ outcome: 'minted' });
    expect([writes(a.state), a.state.closed.length]).toEqual([[2, 3], CLOSED_MAX]);
  });

  it('lets a put pass that closes no more: a blind one, one over sole writes, one over what is closed already', () => {
    const a = full();
    const x = put(a, X);
    expect(a.lead(leadOf(Y))).toMatchObject({ outcome: 'minted' });
    const sole = { ...x.returned, writes: [{ writeId: X.writeId, sole: true }] };
    expect(a.lead(leadOf(Z, sole))).toMatchObject({ outcome: 'minted' });
    const known = a.state.closed.slice(0, 50).map((writeId) => ({ writeId, sole: false }));
    expect(a.lead(leadOf(copyOf(4), { ...emptyContext, writes: known }))).toMatchObject({
      outcome: 'minted',
    });
    expect([writes(a.state), a.state.closed.length]).toEqual([[2, 3, 4], CLOSED_MAX]);
  });

  it('says what it knows of a write that it has met, however full it is', () => {
    const a = full();
    const x = put(a, X);
    expect(a.lead(leadOf(X, seen(a)))).toMatchObject({ outcome: 'held', dots: x.dots });
    expect(a.lead(leadOf(copyOf(0, { writeId: a.state.closed[7] ?? '' })))).toMatchObject({
      outcome: 'closed',
    });
  });

  it('never stops a merge, and a replica that merges made overfull takes what closes no more', () => {
    const a = full();
    const b = new Replica('b');
    put(b, X);
    put(b, Y, seen(b));
    expect(a.merge(joined(closing(CLOSED_MAX, CLOSED_MAX), b.state))).toMatchObject({ kind: 'merged' });
    expect(a.state.closed).toHaveLength(2 * CLOSED_MAX + 1);
    expect(a.lead(leadOf(Z))).toMatchObject({ outcome: 'minted' });
    expect(a.lead(leadOf(copyOf(4), seen(a)))).toEqual({ kind: 'refused', reason: 'history_full' });
    expect(writes(a.state)).toEqual([2, 3]);
  });
});

const isSuspect = (replica: Replica) => replica.row.suspectSince !== undefined;

const suspect = () => {
  const [a, b] = [new Replica('a'), new Replica('b')];
  b.merge(put(a, X).delta);
  a.bytes = 'corrupt';
  return { a, b };
};

describe('a suspect row', () => {
  it('stays suspect through a lead and through a merge of less than everything', () => {
    const { a, b } = suspect();
    put(a, Y);
    expect(isSuspect(a)).toBe(true);
    a.merge(b.state);
    expect(isSuspect(a)).toBe(true);
    a.restart();
    put(a, Z);
    expect(isSuspect(a)).toBe(true);
  });

  it('is made of a corrupt one by a merge, not healed by it', () => {
    const { a, b } = suspect();
    a.merge(b.state);
    expect([isSuspect(a), writes(a.state)]).toEqual([true, [1]]);
    expect(a.row.suspectSince).toEqual({ boot: a.boot, monoMs: a.monoMs });
  });

  it('is whole again after a merge of all that every other owner had when no write from before could be on its way', () => {
    const { a, b } = suspect();
    const afterMs = a.monoMs + TIMEOUT_MS_MAX + CLOCK_ERROR_MS;
    a.merge(b.state, [], Number.POSITIVE_INFINITY);
    expect(isSuspect(a)).toBe(true);
    a.monoMs += 1_000_000;
    put(a, Y);
    a.merge(b.state, [], afterMs);
    expect(isSuspect(a)).toBe(true);
    a.merge(b.state, [], afterMs + 1);
    expect([isSuspect(a), writes(a.state)]).toEqual([false, [1, 2]]);
  });

  it('waits anew in each life, by whose clock it waits, and when it fails its checksum again', () => {
    const { a, b } = suspect();
    a.merge(b.state);
    a.restart();
    a.monoMs = 70;
    a.merge(b.state, [], Number.POSITIVE_INFINITY);
    expect(a.row.suspectSince).toEqual({ boot: a.boot, monoMs: 70 });
    a.bytes = 'corrupt';
    a.monoMs = 80.5;
    a.merge(b.state, [], Number.POSITIVE_INFINITY);
    expect(a.row.suspectSince).toEqual({ boot: a.boot, monoMs: 80 });
  });

  it('is not made by a merge that says it heals into a row that is whole, or into none', () => {
    const [a, b] = [new Replica('a'), new Replica('b')];
    a.merge(put(b, X).delta, [], Number.POSITIVE_INFINITY);
    expect(isSuspect(a)).toBe(false);
    a.merge(put(b, Y).delta);
    expect(isSuspect(a)).toBe(false);
  });

  it('is no row at all when it is healed and nobody has anything; until then it is one', () => {
    const { a } = suspect();
    expect(a.merge(emptyState, [], Number.POSITIVE_INFINITY)).toHaveProperty('row');
    expect([isSuspect(a), writes(a.state)]).toEqual([true, []]);
    expect(a.merge(emptyState)).not.toHaveProperty('row');
    expect(a.merge(emptyState, [], Number.POSITIVE_INFINITY)).toEqual({ kind: 'vacant' });
    expect(a.merge(emptyState)).toEqual({ kind: 'vacant' });
    a.merge(emptyState);
    expect(a.before).toBeUndefined();
  });

  it('is written even when the merge brings nothing new but the healing', () => {
    const { a, b } = suspect();
    a.merge(b.state);
    expect(a.merge(b.state, [], Number.POSITIVE_INFINITY)).toHaveProperty('row');
    expect(a.merge(b.state, [], Number.POSITIVE_INFINITY)).not.toHaveProperty('row');
  });
});

const foreign = (actor: string, counter: number): KeyState => ({
  ...emptyState,
  history: historyOf([{ actor, counter }]),
});

describe('the clone alarm', () => {
  it('is raised for a dot of this very life that was never issued: by counter, by serial', () => {
    const a = new Replica('a');
    put(a, X);
    const before = a.bytes;
    expect(a.merge(foreign(makeActor('a', a.boot, 1), 2))).toEqual({ kind: 'clone' });
    expect(a.merge(foreign(makeActor('a', a.boot, 2), 1))).toEqual({ kind: 'clone' });
    expect(new Replica('a').merge(foreign(makeActor('a', a.boot, 1), 1))).toMatchObject({ kind: 'merged' });
    expect(a.bytes).toBe(before);
  });

  it('is not raised for dots of an earlier life, of another node, or that were issued in this one', () => {
    const [a, b] = [new Replica('a'), new Replica('b')];
    const old = a.boot;
    const x = put(a, X);
    a.restart();
    const y = put(a, Y);
    const fine = [
      foreign(makeActor('a', old, 9), 99),
      foreign(makeActor('ab', a.boot, 99), 1),
      x.delta,
      y.delta,
    ];
    for (const state of fine) expect(a.merge(state)).toMatchObject({ kind: 'merged' });
    // Issued, and the row lost since: the serial is known, the counter cannot be.
    a.bytes = undefined;
    expect(a.merge(y.delta)).toMatchObject({ kind: 'merged' });
    expect(b.merge(y.delta)).toMatchObject({ kind: 'merged' });
  });
});

const big = (n: number) => copyOf(n, { body: new Uint8Array(1000).fill(n) });

describe('parts of a state', () => {
  it('are merged in order, and the last only where the others have arrived', () => {
    const [a, b] = [new Replica('a'), new Replica('b')];
    for (const n of [1, 2, 3]) put(a, big(n));
    const parts = partsOf(a.state, 1500);
    const deliver = (i: number) => {
      const part = parts[i] ?? { state: emptyState, requires: [] };
      const result = mergeInto(b.before, part, [], undefined, b.minter, { owed: 0, wallMs: 0 });
      if (result.kind === 'merged' && result.row !== undefined) b.bytes = encodeRow(result.row);
      return result.kind;
    };
    expect(parts).toHaveLength(3);
    expect(deliver(2)).toBe('incomplete');
    expect(b.bytes).toBeUndefined();
    expect([deliver(0), deliver(2), deliver(1), deliver(2)]).toEqual([
      'merged',
      'incomplete',
      'merged',
      'merged',
    ]);
    expect(b.row.digest).toBe(a.row.digest);
  });
});

describe('a row', () => {
  it('that a merge would not change is not written again', () => {
    const [a, b] = [new Replica('a'), new Replica('b')];
    const { delta } = put(a, X);
    expect(b.merge(delta)).toHaveProperty('row');
    expect(b.merge(delta)).not.toHaveProperty('row');
    expect(a.merge(b.state)).not.toHaveProperty('row');
  });

  it('keeps its own actor through merges, so that the next put extends it', () => {
    const [a, b] = [new Replica('a'), new Replica('b')];
    put(a, X);
    a.merge(put(b, Y).delta);
    expect(put(a, Z).dots).toEqual([{ actor: makeActor('a', a.boot, 1), counter: 2 }]);
  });

  it('keeps what is known to be sole through leads and merges, outside its digest', () => {
    const [a, b] = [new Replica('a'), new Replica('b')];
    const x = put(a, X);
    a.merge(x.delta, [X.writeId]);
    b.merge(x.delta);
    expect([...a.sole]).toEqual([X.writeId]);
    expect(a.row.digest).toBe(b.row.digest);
    put(a, Y);
    a.merge(put(b, Z).delta);
    expect([...a.sole]).toEqual([X.writeId]);
    // Sole, so it has no twin that could turn up: its id is not remembered when it dies.
    put(a, copyOf(4), seen(a));
    expect(a.state.closed).not.toContain(X.writeId);
    expect(a.state.closed).toContain(Y.writeId);
  });

  it('learns that a write is sole although the merge brings nothing else', () => {
    const a = new Replica('a');
    const { delta } = put(a, X);
    expect(a.merge(delta, [X.writeId])).toHaveProperty('row');
    expect([...a.sole]).toEqual([X.writeId]);
  });

  it('marks the first 32 siblings at most, and the 32nd of them too', () => {
    const a = new Replica('a');
    for (let n = 1; n <= 40; n++) put(a, copyOf(n));
    const ids = a.state.siblings.map(({ writeId }) => writeId);
    a.merge(a.state, ids.slice(31));
    expect(a.row.sole).toBe(2 ** 31);
    expect(soleOf(a.state, a.row.sole)).toEqual(ids.slice(31, 32));
    a.merge(a.state, ids);
    expect(soleOf(a.state, a.row.sole)).toEqual(ids.slice(0, 32));
  });

  it('of two replicas with one state has one digest, which only the cluster’s key gives', () => {
    const [a, b] = [new Replica('a'), new Replica('b')];
    b.merge(put(a, X).delta);
    expect(b.row.digest).toBe(a.row.digest);
    expect(seal(sipKey(new Uint8Array(16).fill(8)), a.state, new Set()).digest).not.toBe(a.row.digest);
    put(b, Y);
    expect(b.row.digest).not.toBe(a.row.digest);
  });

  it('comes back from its bytes as it was', () => {
    const a = new Replica('a');
    put(a, X);
    const suspectSince = { boot: a.boot, monoMs: 2 ** 50 };
    const full = { ...a.row, suspectSince, owed: 5, hintedAtMs: 1_700_000_000_000, sole: 2 ** 31 + 1 };
    for (const row of [a.row, full, { ...full, own: undefined, state: new Uint8Array(0) }]) {
      expect(decodeRow(encodeRow(row))).toEqual(row);
    }
    expect(stateOf(decodeRow(encodeRow(a.row)))).toEqual(a.state);
  });

  it('is young again only when nothing was owed: a hint has the age of its oldest write', () => {
    const f = new Replica('f');
    f.lead(leadOf(X), 0b001);
    expect([f.row.owed, f.row.hintedAtMs]).toEqual([0b001, 50]);
    const later = mergeInto(f.before, { state: joined(), requires: [] }, [], undefined, f.minter, {
      owed: 0b100,
      wallMs: 99,
    });
    expect(later).toMatchObject({ row: { owed: 0b101, hintedAtMs: 50 } });
  });
});
