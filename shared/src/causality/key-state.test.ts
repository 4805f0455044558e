import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../assert.ts';
import { toHex } from '../codec/bytes.ts';
import { contextOf, contextWith, delta, emptyContext } from './context.ts';
import { makeActor } from './dot.ts';
import {
  everyMerge,
  type Execution,
  execute,
  plans,
  plansWithLosses,
  reachable,
  shownBy,
  solePlans,
  statesOf,
  uncut,
  writeIdOf,
} from './executions.case.ts';
import { covers, hasDot, historyOf, lastCounter } from './history.ts';
import {
  emptyState,
  findWrite,
  type KeyState,
  liveSiblings,
  merge,
  only,
  type Sibling,
  type WriteId,
} from './key-state.ts';
import { completed, partsOf } from './parts.ts';
import { encodeState } from './state-codec.ts';

const NONE: ReadonlySet<WriteId> = new Set();

/** `n` names the write, `lead` and `counter` the dot under which this attempt at it was made. */
function attempt(n: number, lead: string, counter: number, more: Partial<Sibling> = {}): Sibling {
  const dots = [{ actor: makeActor(lead, 'AAAAAAAAAAA', 0), counter }];
  return {
    writeId: writeIdOf(n),
    dots,
    deleted: false,
    writtenAtMs: n,
    check: n,
    body: Uint8Array.of(n),
    ...more,
  };
}

const join = (...states: KeyState[]) => states.reduce((a, b) => merge(a, b, NONE).state, emptyState);
const read = (...states: KeyState[]) => contextOf(join(...states), NONE);
const ids = (state: KeyState) => state.siblings.map(({ writeId }) => writeId);
const hex = (state: KeyState) => toHex(encodeState(state));

/**
 * The model of law 5 (design/models/collapse.mjs), with states merged, written and read by the code that ships: its
 * 3,948 states are ours. Those of which writes superseded which, and not only whether, are told apart too, for
 * invariants.md I4: no read of one or two replicas shows a write beside one that had seen it.
 */
describe('every execution of two attempts at one write and two overwrites on three replicas', () => {
  const X = writeIdOf(0);
  const overwrites = [writeIdOf(1), writeIdOf(2)];
  const sole = new Set(overwrites);
  const READS = [[0], [1], [2], [0, 1], [0, 2], [1, 2]];

  interface Model {
    readonly replicas: readonly KeyState[];
    readonly attempts: readonly [boolean, boolean];
    /** For each overwrite what its context had seen, sorted. */
    readonly seenBy: readonly (readonly WriteId[])[];
  }

  const superseded = ({ seenBy }: Model) => [...new Set(seenBy.flat())].toSorted();

  /** As collapse.mjs tells states apart. */
  const nameThere = (state: Model) =>
    [...state.replicas.map(hex), state.attempts.join(), state.seenBy.length, superseded(state).join()].join(
      ':',
    );

  const nameHere = (state: Model) => [nameThere(state), ...state.seenBy.map((seen) => seen.join())].join(':');

  const merged = (a: KeyState, b: KeyState) => merge(a, b, sole).state;

  const viewOf = (state: Model, from: readonly number[]): KeyState =>
    from.map((i) => must(state.replicas[i], 'a replica')).reduce(merged);

  /** What a client that is shown these writes has seen: with each, all that it had superseded. */
  const seenIn = (state: Model, shown: readonly WriteId[]): readonly WriteId[] => [
    ...new Set([...shown, ...shown.flatMap((id) => state.seenBy[overwrites.indexOf(id)] ?? [])]),
  ];

  const led = (state: Model, at: number, put: KeyState): readonly KeyState[] =>
    state.replicas.map((replica, i) => (i === at ? merged(replica, put) : replica));

  function* next(state: Model): Generator<Model> {
    const [first, second] = state.attempts;
    if (!first) {
      yield {
        ...state,
        attempts: [true, second],
        replicas: led(state, 0, delta(emptyContext, attempt(0, 'a', 1))),
      };
    }
    if (!second) {
      const lead = must(state.replicas[1], 'replica B');
      const known = findWrite(lead, X) !== undefined || lead.closed.includes(X);
      const replicas = known ? state.replicas : led(state, 1, delta(emptyContext, attempt(0, 'b', 1)));
      yield { ...state, attempts: [first, true], replicas };
    }
    const n = state.seenBy.length + 1;
    if (n <= 2) {
      for (const from of READS) {
        const view = viewOf(state, from);
        const seenBy = [...state.seenBy, seenIn(state, ids(view)).toSorted()];
        for (const at of [0, 1, 2]) {
          const put = delta(contextOf(view, sole), attempt(n, 'y', n));
          yield { ...state, seenBy, replicas: led(state, at, put) };
        }
      }
    }
    for (const from of [0, 1, 2]) {
      for (const to of [0, 1, 2]) {
        if (from !== to)
          yield { ...state, replicas: led(state, to, must(state.replicas[from], 'a replica')) };
      }
    }
  }

  const start: Model = {
    replicas: [emptyState, emptyState, emptyState],
    attempts: [false, false],
    seenBy: [],
  };
  const states = reachable(start, nameHere, next);

  it('has as many states as the model in the design', () => {
    expect(new Set(states.map(nameThere)).size).toBe(3948);
    expect(states.length).toBe(4529);
  });

  it('loses nothing, resurrects nothing, and does not depend on the order of merging', () => {
    const wrong: string[] = [];
    for (const state of states) {
      const written = [
        ...(state.attempts.includes(true) ? [X] : []),
        ...overwrites.slice(0, state.seenBy.length),
      ];
      const dead = superseded(state);
      const expected = written.filter((id) => !dead.includes(id)).toSorted();
      const all = everyMerge(state.replicas, sole);
      const final = state.replicas.reduce(merged);
      if (all.length !== 1) wrong.push(`order matters: ${nameHere(state)}`);
      if (ids(final).join() !== expected.join()) wrong.push(`wrong siblings: ${nameHere(state)}`);
    }
    expect(wrong).toEqual([]);
  });

  it('shows no write beside one that had seen it, whichever one or two replicas are read (I4)', () => {
    let siblings = 0;
    const wrong = states.flatMap((state) =>
      READS.flatMap((from) => {
        const shown = ids(viewOf(state, from));
        if (shown.length > 1) siblings++;
        const seen = new Set(shown.flatMap((id) => state.seenBy[overwrites.indexOf(id)] ?? []));
        return shown.some((id) => seen.has(id)) ? [`${from.join()} of ${nameHere(state)}`] : [];
      }),
    );
    expect(wrong).toEqual([]);
    expect(siblings).toBeGreaterThan(1000);
  });
});

describe('merging, in any execution', () => {
  it('comes to the same bytes in every order and grouping', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const { replicas, sole } = execute(plan);
        expect(everyMerge(replicas, sole)).toHaveLength(1);
      }),
      { numRuns: 500 },
    );
  });

  it('changes nothing when repeated, with whatever was ever sent', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const execution = execute(plan);
        const { replicas, messages, sole } = execution;
        const final = replicas.reduce((a, b) => merge(a, b, sole).state);
        for (const old of statesOf(execution)) expect(hex(merge(old, old, sole).state)).toBe(hex(old));
        for (const { part, whole } of messages) {
          // Whoever has seen everything has seen what a part requires.
          const again = must(completed(final, part), 'a part that is taken');
          for (const old of [again, whole]) {
            expect(hex(merge(final, old, sole).state)).toBe(hex(final));
            expect(hex(merge(old, final, sole).state)).toBe(hex(final));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('ends with exactly the writes that no attempted write had seen', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const execution = execute(plan);
        const final = execution.replicas.reduce((a, b) => merge(a, b, execution.sole).state);
        expect(ids(final)).toEqual(execution.expected());
      }),
      { numRuns: 2000 },
    );
  });

  it('shows everywhere and at any time exactly the writes merged there less those that their contexts cover', () => {
    fc.assert(
      fc.property(plansWithLosses, (plan) => {
        const { wrong, replicas, meanings } = execute(plan);
        expect(wrong).toEqual([]);
        expect(replicas.map(ids)).toEqual(meanings.map(shownBy));
      }),
      { numRuns: 3000 },
    );
  });

  it('shows no write beside one that had seen it, on any replica, where nothing is cut into pages or parts', () => {
    fc.assert(
      fc.property(plansWithLosses.map(uncut), (plan) => {
        const execution = execute(plan);
        expect(execution.replicas.flatMap((replica) => falseSiblings(execution, replica))).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });

  it('where something is, may do so on a replica that is behind, until it merges anything that covers the false sibling', () => {
    const count = { false: 0, ended: 0 };
    fc.assert(
      fc.property(plansWithLosses, (plan) => {
        const execution = execute(plan);
        const { replicas, meanings, writes, messages, sole } = execution;
        for (const [i, replica] of replicas.entries()) {
          const own = must(meanings[i], 'what the replica means');
          for (const id of falseSiblings(execution, replica)) {
            count.false++;
            // Behind: there is a write whose context names this one, and nothing that was merged here covers it.
            expect(writes.some((write) => write.covers.has(id))).toBe(true);
            expect(own.covered.has(id)).toBe(false);
            for (const { part, means } of messages) {
              const incoming = completed(replica, part);
              if (incoming === undefined) continue;
              const next = merge(replica, incoming, sole).state;
              if (means.covered.has(id)) count.ended++;
              expect(findWrite(next, id) === undefined).toBe(means.covered.has(id));
            }
          }
        }
      }),
      { numRuns: 5000, seed: 1 },
    );
    expect(count.false).toBeGreaterThan(20);
    expect(count.ended).toBeGreaterThan(20);
  });

  it('closes no id when every write was attempted once', () => {
    fc.assert(
      fc.property(solePlans, (plan) => {
        const { replicas } = execute(plan);
        expect(replicas.flatMap(({ closed }) => closed)).toEqual([]);
      }),
    );
  });

  it('never meets a dot under two writes', () => {
    fc.assert(
      fc.property(plansWithLosses, (plan) => {
        const { replicas, messages, sole } = execute(plan);
        for (const replica of replicas) {
          for (const { part, whole } of messages) {
            for (const state of [whole, completed(replica, part) ?? part.state])
              expect(merge(replica, state, sole).doubleDots).toBe(0);
          }
        }
      }),
    );
  });

  it('keeps siblings sorted, their dots in the history and their ids open', () => {
    fc.assert(
      fc.property(plansWithLosses, (plan) => {
        for (const state of statesOf(execute(plan))) {
          expect(ids(state)).toEqual([...new Set(ids(state))].toSorted());
          expect(state.closed).toEqual([...new Set(state.closed)].toSorted());
          expect(state.closed.filter((id) => ids(state).includes(id))).toEqual([]);
          expect(state.siblings.flatMap(({ dots }) => dots).every((dot) => hasDot(state.history, dot))).toBe(
            true,
          );
        }
      }),
    );
  });
});

/** Siblings that another one shown beside them had seen, or that something between the two had (invariants.md, I4). */
function falseSiblings(execution: Execution, state: KeyState): readonly WriteId[] {
  const seen = new Set(ids(state).flatMap((id) => [...execution.write(id).supersedes]));
  return ids(state).filter((id) => seen.has(id));
}

describe('two attempts at one write (protocol.md, rule 1)', () => {
  // X, led by A and, when A's answer was lost, by B: one write with two dots.
  const atA = delta(emptyContext, attempt(0, 'a', 1));
  const atB = delta(emptyContext, attempt(0, 'b', 1));
  const tombstone = (seen: KeyState) =>
    delta(read(seen), attempt(1, 'b', 2, { deleted: true, body: new Uint8Array(0) }));

  it('a write acknowledged through its second attempt and then deleted stays dead when the first attempt turns up', () => {
    const deleted = join(atB, tombstone(atB));
    for (const healed of [join(atA, deleted), join(deleted, atA)]) {
      expect(ids(healed)).toEqual([writeIdOf(1)]);
      expect(liveSiblings(healed)).toEqual([]);
      expect(healed.closed).toEqual([writeIdOf(0)]);
    }
  });

  it('a write deleted through its first attempt stays dead when the second one turns up', () => {
    expect(liveSiblings(join(tombstone(atA), atB))).toEqual([]);
    expect(liveSiblings(join(atB, tombstone(atA)))).toEqual([]);
  });

  it('which replica merges first does not matter when a write has two dots', () => {
    const states = [atA, atB, tombstone(atA)];
    expect(everyMerge(states, NONE)).toHaveLength(1);
    expect(ids(join(...states))).toEqual([writeIdOf(1)]);
  });

  it('die with one dot that was seen to die, though nobody has seen the other', () => {
    const both = join(atA, atB);
    // It superseded A's attempt and names no ids: what it had seen was cut, as contexts with many closed writes are.
    const next = delta({ history: atA.history, writes: [] }, attempt(1, 'c', 1));
    expect(ids(join(both, next))).toEqual([writeIdOf(1)]);
    expect(join(both, next).closed).toEqual([writeIdOf(0)]);
    expect(everyMerge([both, next, atB], NONE)).toHaveLength(1);
  });

  it('make one sibling that holds both dots', () => {
    const both = join(atA, atB);
    expect(both.siblings).toEqual([
      { ...attempt(0, 'a', 1), dots: [...attempt(0, 'a', 1).dots, ...attempt(0, 'b', 1).dots] },
    ]);
    expect(hex(join(atB, atA))).toBe(hex(both));
  });

  it('keep the earlier copy where a retry made them differ, and of two equally early the smaller check', () => {
    const copies = [
      attempt(0, 'a', 1, { writtenAtMs: 5, check: 1 }),
      attempt(0, 'b', 1, { writtenAtMs: 4, check: 3, body: Uint8Array.of(7) }),
      attempt(0, 'c', 1, { writtenAtMs: 4, check: 4 }),
    ].map((copy) => delta(emptyContext, copy));
    expect(everyMerge(copies, NONE)).toHaveLength(1);
    expect(join(...copies).siblings).toMatchObject([{ writtenAtMs: 4, check: 3, body: Uint8Array.of(7) }]);
  });

  it('need no closed id where there was only one: a dead sole write is forgotten but for its dot', () => {
    const sole = new Set([writeIdOf(0)]);
    const overwrite = delta(contextOf(atA, sole), attempt(1, 'b', 1));
    expect(merge(atA, overwrite, sole).state).toMatchObject({
      siblings: [{ writeId: writeIdOf(1) }],
      closed: [],
    });
    expect(merge(atA, overwrite, NONE).state.closed).toEqual([writeIdOf(0)]);
  });
});

describe('some siblings of a state (protocol.md, rule 3)', () => {
  const x = delta(emptyContext, attempt(0, 'a', 1));
  const whole = join(...[0, 1, 2, 3].map((n) => delta(emptyContext, attempt(n, 'a', n + 1))));
  const chunk = only(whole.siblings.slice(0, 2));

  it('a chunk of a state does not kill the siblings it does not carry', () => {
    expect(ids(chunk)).toHaveLength(2);
    expect(hex(join(whole, chunk))).toBe(hex(whole));
    expect(hex(join(chunk, whole))).toBe(hex(whole));
  });

  it('with the full history it would have killed them', () => {
    const wrong = { ...chunk, history: whole.history };
    expect(ids(join(whole, wrong))).toEqual(ids(chunk));
  });

  it('nor what a sibling that it does not carry had superseded', () => {
    const later = join(x, delta(read(x), attempt(1, 'b', 1)), delta(emptyContext, attempt(2, 'c', 1)));
    const part = only(later.siblings.filter(({ writeId }) => writeId === writeIdOf(2)));
    expect(ids(join(x, part))).toEqual([writeIdOf(0), writeIdOf(2)].toSorted());
    expect(ids(join(x, part, later))).toEqual([writeIdOf(1), writeIdOf(2)].toSorted());
  });

  it('have seen just their own dots, with all attempts, and close nothing', () => {
    const twice = join(x, delta(emptyContext, attempt(0, 'b', 1)));
    const later = join(whole, delta(read(whole), attempt(4, 'b', 7)), twice);
    expect(later.closed).toHaveLength(4);
    for (const sibling of [...later.siblings, ...twice.siblings]) {
      expect(only([sibling])).toEqual({ siblings: [sibling], history: historyOf(sibling.dots), closed: [] });
    }
    expect(only([])).toEqual(emptyState);
  });

  it('bring to a replica whatever it has not seen', () => {
    fc.assert(
      fc.property(plansWithLosses, fc.nat({ max: 255 }), (plan, mask) => {
        const execution = execute(plan);
        const { replicas, sole } = execution;
        for (const from of replicas) {
          const some = only(from.siblings.filter((_, i) => ((mask >> (i % 8)) & 1) === 1));
          for (const to of replicas) {
            const { state } = merge(to, some, sole);
            // Nothing dies, and what the whole state kills or brings, it kills or brings ever after.
            expect(ids(state)).toEqual(expect.arrayContaining([...ids(to)]));
            const all = merge(to, from, sole).state;
            expect(ids(state)).toEqual(expect.arrayContaining(ids(some).filter((id) => findWrite(all, id))));
            expect(hex(merge(state, from, sole).state)).toBe(hex(all));
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('what a replica shows before it has merged the rest', () => {
  const x = delta(emptyContext, attempt(0, 'a', 1));

  it('is no second attempt beside a write made two overwrites later: its context names what was closed too', () => {
    const overwritten = join(x, delta(read(x), attempt(1, 'a', 2)));
    const later = delta(read(overwritten), attempt(2, 'c', 1));
    const twin = delta(emptyContext, attempt(0, 'b', 1));
    expect(ids(join(twin, later))).toEqual([writeIdOf(2)]);
    expect(everyMerge([overwritten, later, twin], NONE)).toHaveLength(1);
    expect(ids(join(overwritten, later, twin))).toEqual([writeIdOf(2)]);
  });

  it('is a false sibling where a write made from a page arrives before what the page had superseded', () => {
    // K has superseded X; a page shows K and hides S; Z is put with it. The replica has X and nothing else.
    const k = delta(read(x), attempt(1, 'b', 1));
    const all = join(x, k, delta(emptyContext, attempt(2, 'c', 1)));
    const page = only(all.siblings.filter(({ writeId }) => writeId === writeIdOf(1)));
    const z = delta(read(page), attempt(3, 'b', 2));
    const behind = join(x, z);
    expect(ids(behind)).toEqual([writeIdOf(0), writeIdOf(3)].toSorted());
    // K itself ends it, though K is dead by then; so does any state that has merged K.
    expect(ids(join(behind, k))).toEqual([writeIdOf(3)]);
    expect(ids(join(behind, all))).toEqual([writeIdOf(2), writeIdOf(3)].toSorted());
    expect(ids(join(behind, delta(read(k), attempt(4, 'd', 1))))).toEqual(
      [writeIdOf(3), writeIdOf(4)].toSorted(),
    );
    expect(everyMerge([x, k, all, z], NONE)).toHaveLength(1);
  });
});

describe('a delta', () => {
  it("kills a stale replica's superseded value when it arrives with the context", () => {
    const stale = delta(emptyContext, attempt(0, 'a', 1));
    const next = delta(read(stale), attempt(1, 'b', 1));
    expect(ids(join(stale, next))).toEqual([writeIdOf(1)]);
    expect(ids(join(next, stale))).toEqual([writeIdOf(1)]);
  });

  it('keeps a concurrent tombstone and value side by side', () => {
    const first = delta(emptyContext, attempt(0, 'a', 1));
    const deleted = delta(read(first), attempt(1, 'a', 2, { deleted: true, body: new Uint8Array(0) }));
    const rewritten = delta(read(first), attempt(2, 'b', 1));
    const both = join(first, deleted, rewritten);
    expect(ids(both)).toEqual([writeIdOf(1), writeIdOf(2)].toSorted());
    expect(liveSiblings(both)).toMatchObject([{ writeId: writeIdOf(2) }]);
  });
});

describe('one dot under two different writes (law 3 broken by somebody)', () => {
  const x = delta(emptyContext, attempt(0, 'a', 1));
  const y = delta(emptyContext, attempt(1, 'a', 1));

  it('two different writes under one dot are both kept and reported', () => {
    for (const { state, doubleDots } of [merge(x, y, NONE), merge(y, x, NONE)]) {
      expect(ids(state)).toEqual([writeIdOf(0), writeIdOf(1)].toSorted());
      expect(state.closed).toEqual([]);
      expect(doubleDots).toBeGreaterThan(0);
    }
  });

  it('two bodies of one write under one dot are reported, and every replica keeps the same one', () => {
    const [one, two] = [4, 3].map((check) => delta(emptyContext, attempt(0, 'a', 1, { check })));
    const [left, right] = [merge(x, must(one, 'a copy'), NONE), merge(must(two, 'a copy'), x, NONE)];
    expect([left.doubleDots, right.doubleDots]).toEqual([1, 1]);
    expect(merge(must(one, 'a copy'), must(two, 'a copy'), NONE).state.siblings).toMatchObject([
      { check: 3 },
    ]);
    expect(everyMerge([must(one, 'a copy'), must(two, 'a copy'), x], NONE)).toHaveLength(1);
  });

  it('both survive meeting either of them again', () => {
    const both = join(x, y);
    expect(hex(join(both, x))).toBe(hex(both));
    expect(hex(join(y, both))).toBe(hex(both));
  });

  it('both survive a part that carries one of them', () => {
    const both = join(x, y);
    for (const shown of both.siblings) {
      const part = only([shown]);
      expect(part.siblings.every(({ dots }) => dots.every((dot) => hasDot(part.history, dot)))).toBe(true);
      expect(hex(join(both, part))).toBe(hex(both));
    }
    for (const part of partsOf(both, 1)) {
      expect(hex(join(both, must(completed(both, part), 'a part that is taken')))).toBe(hex(both));
    }
  });

  it('a write that has seen both supersedes both', () => {
    const both = join(x, y);
    expect(ids(join(both, delta(read(both), attempt(2, 'b', 1))))).toEqual([writeIdOf(2)]);
  });
});

describe('siblings are exact (invariants.md, I4)', () => {
  it('n blind puts give exactly n siblings', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), fc.integer(), (n, seed) => {
        const random = xorshift(seed);
        const puts = Array.from({ length: n }, (_, i) =>
          delta(emptyContext, attempt(i, 'abc'.charAt(i % 3), 1 + i)),
        );
        const replicas = [emptyState, emptyState];
        for (const put of [...puts, ...puts]) {
          const to = random() % 2;
          replicas[to] = join(replicas[to] ?? emptyState, put);
        }
        expect(ids(join(...replicas, ...puts))).toEqual(puts.flatMap(ids).toSorted());
      }),
      { numRuns: 50 },
    );
  });

  it('two clients doing 1,000 read-modify-writes on one key never see more than two siblings', () => {
    // Each client leads through its own replica; every delta reaches the other one late, out of order, and twice.
    const sole = new Set<WriteId>();
    const clients = ['a', 'b'].map((lead) => ({
      lead,
      replica: emptyState,
      context: emptyContext,
      inbox: [] as KeyState[],
    }));
    const random = xorshift(7);
    let most = 0;
    for (let n = 0; n < 2000; n++) {
      const me = must(clients[random() % 2], 'two clients');
      const other = must(clients[me === clients[0] ? 1 : 0], 'two clients');
      while (me.inbox.length > 0 && random() % 3 === 0) {
        const at = random() % me.inbox.length;
        me.replica = merge(me.replica, must(me.inbox[at], 'a message'), sole).state;
        if (random() % 2 === 0) me.inbox.splice(at, 1);
      }
      most = Math.max(
        most,
        me.replica.siblings.length,
        merge(me.replica, other.replica, sole).state.siblings.length,
      );
      // Half the time from what the last put returned, without reading again.
      if (random() % 2 === 0) me.context = contextOf(me.replica, sole);
      const counter = lastCounter(me.replica.history, makeActor(me.lead, 'AAAAAAAAAAA', 0)) + 1;
      const write = attempt(0, me.lead, counter, { writeId: String(n).padStart(16, '0') });
      sole.add(write.writeId);
      const put = delta(me.context, write);
      me.replica = merge(me.replica, put, sole).state;
      me.context = contextWith(me.context, write.writeId, write.dots, true);
      expect(covers(me.replica.history, me.context.history)).toBe(true);
      other.inbox.push(put);
    }
    expect(most).toBe(2);
  });
});

function xorshift(seed: number): () => number {
  let x = seed || 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}
