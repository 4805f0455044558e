import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../assert.ts';
import { toHex, Writer } from '../codec/bytes.ts';
import { FRAME_BYTES_MAX, FULL_KEY_BYTES_MAX, STATE_PART_BYTES_MAX } from '../protocol/limits.ts';
import { merge as mergeMessage } from '../protocol/replica.ts';
import { contextOf, delta, emptyContext } from './context.ts';
import { type Dot, makeActor } from './dot.ts';
import {
  bothOf,
  type Execution,
  execute,
  type Meaning,
  type Message,
  NOTHING,
  plansWithLosses,
  reachable,
  shownBy,
  statesOf,
  writeIdOf,
} from './executions.case.ts';
import { hasDot, historyOf } from './history.ts';
import {
  emptyState,
  findWrite,
  type KeyState,
  merge,
  only,
  type Sibling,
  type WriteId,
} from './key-state.ts';
import { assemble, completed, lastTellsAll, partsOf, type StatePart } from './parts.ts';
import { decodeState, encodeState } from './state-codec.ts';

const NONE: ReadonlySet<WriteId> = new Set();
const A = makeActor('a', 'AAAAAAAAAAA', 0);

/** A write called `name`, led by `lead` under its dot `counter`. Names sort as their write-ids do. */
function write(name: string, lead: string, counter: number): Sibling {
  const dots = [{ actor: makeActor(lead, 'AAAAAAAAAAA', 0), counter }];
  return {
    writeId: name.padEnd(16, '.'),
    dots,
    deleted: false,
    writtenAtMs: 1,
    check: 1,
    body: Uint8Array.of(1),
  };
}

const blind = (name: string, lead: string, counter: number) =>
  delta(emptyContext, write(name, lead, counter));
const join = (...states: KeyState[]) => states.reduce((a, b) => merge(a, b, NONE).state, emptyState);
const read = (...states: KeyState[]) => contextOf(join(...states), NONE);
const hex = (state: KeyState) => toHex(encodeState(state));
const ids = (state: KeyState) => state.siblings.map(({ writeId }) => writeId);
const names = (state: KeyState) => ids(state).map((id) => id.replaceAll('.', ''));

/** A replica that is sent a part: it merges it, or answers `incomplete`. */
function sent(own: KeyState, part: StatePart, sole = NONE): KeyState | 'incomplete' {
  const incoming = completed(own, part);
  return incoming === undefined ? 'incomplete' : merge(own, incoming, sole).state;
}

/** After parts that may be refused. */
const after = (own: KeyState, parts: readonly StatePart[], sole = NONE): KeyState =>
  parts.reduce((state, part) => {
    const next = sent(state, part, sole);
    return next === 'incomplete' ? state : next;
  }, own);

/** The two parts of a state that is cut in two. */
function twoParts(state: KeyState): readonly [StatePart, StatePart] {
  const [first, last, ...more] = partsOf(state, 1);
  expect(more).toEqual([]);
  return [must(first, 'a first part'), must(last, 'a last part')];
}

describe('a part that arrives alone', () => {
  const x = blind('x', 'a', 1);

  // K has superseded X; S is unrelated. The sender holds K and S, the receiver acknowledged X and holds nothing else.
  const senderOf = (k: string, s: string) => join(x, delta(read(x), write(k, 'b', 1)), blind(s, 'c', 1));

  it('X survives on a receiver when S arrives and K, which superseded X, is lost with the disk of its sender', () => {
    const [withS, withK] = twoParts(senderOf('s2-k', 's1-s'));
    expect(names(withS.state)).toEqual(['s1-s']);
    const receiver = after(x, [withS]);
    expect(names(receiver)).toEqual(['s1-s', 'x']);
    // All that the receiver spreads says so too.
    expect(names(join(x, receiver, blind('y', 'd', 1)))).toEqual(['s1-s', 'x', 'y']);
    expect(names(after(receiver, [withK]))).toEqual(['s1-s', 's2-k']);
  });

  it('nor is X lost when S comes in the last part, with everything the sender knows: it is refused', () => {
    const [withK, withS] = twoParts(senderOf('s1-k', 's2-s'));
    expect(names(withS.state)).toEqual(['s2-s']);
    expect(sent(x, withS)).toBe('incomplete');
    // Of K the first part says nothing but that it is: beside X it is a false sibling, until the last part comes.
    expect(names(after(x, [withS, withK]))).toEqual(['s1-k', 'x']);
    expect(names(after(x, [withS, withK, withS]))).toEqual(['s1-k', 's2-s']);
  });

  it("with the whole history less K's dot, as rule 3 has it, X would be dead and K nowhere", () => {
    const sender = senderOf('s2-k', 's1-s');
    const dots: readonly Dot[] = ['a', 'c'].map((lead) => ({
      actor: makeActor(lead, 'AAAAAAAAAAA', 0),
      counter: 1,
    }));
    const part: KeyState = { ...sender, siblings: sender.siblings.slice(0, 1), history: historyOf(dots) };
    expect(names(join(x, part))).toEqual(['s1-s']);
  });

  it('closes nothing: a second attempt at X lives until what closed X arrives', () => {
    const [withS, withK] = twoParts(senderOf('s2-k', 's1-s'));
    const twin = blind('x', 'd', 1);
    expect(withS.state.closed).toEqual([]);
    expect(names(after(twin, [withS]))).toEqual(['s1-s', 'x']);
    expect(names(after(twin, [withS, withK]))).toEqual(['s1-s', 's2-k']);
  });
});

/** Write `n` of a model. */
const writeOf = (n: number, lead: string, counter: number): Sibling => ({
  ...write('', lead, counter),
  writeId: writeIdOf(n),
});

/** All orders of `items`. */
function orders<T>(items: readonly T[]): readonly (readonly T[])[] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, i) => orders(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

describe('the last part', () => {
  const four = join(...['p', 'q', 'r', 's'].map((name, i) => blind(name, 'a', i + 1)));

  it('is refused until all others were seen, and merged ever after', () => {
    const parts = partsOf(four, 1);
    const last = must(parts.at(-1), 'a last part');
    expect(parts.map(({ requires }) => requires.length)).toEqual([0, 0, 0, 3]);
    for (const order of orders(parts)) {
      let own = emptyState;
      for (const [i, part] of order.entries()) {
        const next = sent(own, part);
        expect(next === 'incomplete').toBe(part === last && i < parts.length - 1);
        if (next !== 'incomplete') own = next;
      }
      expect(hex(after(own, [last]))).toBe(hex(four));
      expect(hex(after(own, [last, ...order]))).toBe(hex(four));
    }
  });

  it('is refused when one attempt at a write in the others was not seen', () => {
    const twice = join(blind('p', 'a', 1), blind('p', 'b', 1), blind('q', 'a', 2));
    const [first, last] = twoParts(twice);
    expect(sent(blind('p', 'a', 1), last)).toBe('incomplete');
    expect(sent(blind('p', 'b', 1), last)).toBe('incomplete');
    expect(hex(after(blind('p', 'a', 1), [first, last]))).toBe(hex(twice));
  });

  it('is refused by a disk that was lost after the others had arrived', () => {
    const parts = partsOf(four, 1);
    expect(names(after(emptyState, parts.slice(0, -1)))).toEqual(['p', 'q', 'r']);
    expect(sent(emptyState, must(parts.at(-1), 'a last part'))).toBe('incomplete');
  });

  it('is merged where the others are known without having been sent', () => {
    const known = join(blind('p', 'a', 1), blind('q', 'a', 2), blind('r', 'a', 3));
    expect(hex(after(known, partsOf(four, 1).slice(-1)))).toBe(hex(four));
  });

  it('kills no sibling that the parts before brought', () => {
    const parts = partsOf(four, 1);
    expect(names(after(emptyState, parts))).toEqual(['p', 'q', 'r', 's']);
    // Without what it requires it would.
    const last = must(parts.at(-1), 'a last part');
    expect(names(join(four, last.state))).toEqual(['s']);
  });

  it('does not bring back what the receiver saw die since, nor kill what killed it', () => {
    const parts = partsOf(four, 1);
    const before = after(emptyState, parts.slice(0, -1));
    const newer = join(before, delta(read(before), write('z', 'b', 1)));
    expect(names(newer)).toEqual(['z']);
    expect(names(after(newer, parts.slice(-1)))).toEqual(['s', 'z']);
    expect(hex(after(newer, parts.slice(-1)))).toBe(hex(join(newer, four)));
  });

  it('is the whole state where all fits one part', () => {
    expect(partsOf(four, encodeState(four).length)).toEqual([{ state: four, requires: [] }]);
    expect(completed(emptyState, { state: four, requires: [] })).toBe(four);
  });

  it('says of a write in the others no more than the sender knew of it', () => {
    // K has two dots. A reader of the second, and of 70 writes since, hands out a context too short to close K by its
    // id; a put with it leaves K alive beside it where only the first dot is, but knowing that the second is dead.
    const first = blind('y-k', 'a', 1);
    const second = blind('y-k', 'b', 1);
    const overwritten = Array.from({ length: 70 }).reduce<KeyState>(
      (state, _, i) => join(state, delta(read(state), write(`x${100 + i}`, 'b', i + 2))),
      second,
    );
    const sender = join(first, delta(read(overwritten), write('z', 'c', 1)));
    expect(names(sender)).toEqual(['y-k', 'z']);
    // The receiver has both dots: merged whole, the state kills K there; in parts it must do the same.
    const receiver = join(first, second);
    expect(names(join(receiver, sender))).toEqual(['z']);
    expect(hex(after(receiver, twoParts(sender)))).toBe(hex(join(receiver, sender)));
  });
});

describe('one dot under two different writes (law 3 broken by somebody)', () => {
  it('both survive in parts, in any order', () => {
    const both = join(blind('x', 'a', 1), blind('y', 'a', 1));
    const [first, last] = twoParts(both);
    expect(hex(after(both, [last, first, last]))).toBe(hex(both));
    expect(hex(after(emptyState, [last, first, last]))).toBe(hex(both));
    expect(names(after(blind('y', 'a', 1), [last, first]))).toEqual(['x', 'y']);
    // What the receiver holds under the dot that is required sorts behind the part itself.
    const [before, other] = twoParts(join(blind('b', 'a', 1), blind('c', 'b', 1)));
    const later = blind('x', 'a', 1);
    expect(names(after(later, [other]))).toEqual(['c', 'x']);
    expect(names(after(later, [other, before, other]))).toEqual(['b', 'c', 'x']);
  });
});

/** A receiver and the parts of a state, which arrive in any order, some never, some more than once. */
const deliveries = fc.record({
  plan: plansWithLosses,
  receiver: fc.nat({ max: 400 }),
  sender: fc.nat({ max: 400 }),
  maxBytes: fc.oneof(fc.constant(1), fc.integer({ min: 100, max: 500 })),
  arriving: fc.array(fc.nat({ max: 20 }), { maxLength: 12 }),
});

function pick<T>(items: readonly T[], at: number): T {
  return must(items[at % items.length], 'something to pick from');
}

/** Every sibling of `before` that is gone has been superseded by one that `now` shows. */
function lostWrites(execution: Execution, before: KeyState, now: KeyState): readonly WriteId[] {
  const superseded = new Set(ids(now).flatMap((id) => [...execution.write(id).supersedes]));
  return ids(before).filter((id) => findWrite(now, id) === undefined && !superseded.has(id));
}

describe('parts, in any execution', () => {
  it('take from a receiver only what a sibling that it then holds has superseded', () => {
    fc.assert(
      fc.property(plansWithLosses, fc.nat({ max: 400 }), (plan, at) => {
        const execution = execute(plan);
        const { replicas, messages, sole } = execution;
        const arriving = [...messages.map(({ part }) => part), ...partsOf(pick(sendersOf(execution), at), 1)];
        const lost = [emptyState, ...replicas].flatMap((own) =>
          arriving.flatMap((part) => lostWrites(execution, own, after(own, [part], sole))),
        );
        expect(lost).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });

  it('but for the last take nothing at all, and the last does what the whole state would', () => {
    fc.assert(
      fc.property(plansWithLosses, (plan) => {
        const { replicas, messages, sole } = execute(plan);
        const wrong = [emptyState, ...replicas].flatMap((own) =>
          messages.flatMap((message) => wrongMerge(own, message, sole) ?? []),
        );
        expect(wrong).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('in any order, with losses and repetitions, come to the whole state or to nothing that it would not say', () => {
    const count = { whole: 0, refused: 0 };
    fc.assert(
      fc.property(deliveries, ({ plan, receiver, sender, maxBytes, arriving }) => {
        const execution = execute(plan);
        const { sole } = execution;
        const own = pick([emptyState, ...execution.replicas], receiver);
        const state = pick(sendersOf(execution), sender);
        const parts = partsOf(state, maxBytes);
        const merged = merge(own, state, sole).state;
        let isWhole = false;
        let now = own;
        for (const part of arriving.map((at) => pick(parts, at))) {
          const next = sent(now, part, sole);
          if (next !== 'incomplete') now = next;
          isWhole ||= part === parts.at(-1) && next !== 'incomplete';
          count.whole += Number(isWhole && parts.length > 1);
          count.refused += Number(next === 'incomplete');
          // Until the whole has arrived nothing dies, and then it is as if it had come at once.
          expect(hex(now) === hex(merged) || (!isWhole && keepsAll(own, now))).toBe(true);
        }
        // What did arrive has done no harm, and the rest is as welcome as before.
        expect(hex(merge(now, state, sole).state)).toBe(hex(merged));
        expect(hex(after(now, parts, sole))).toBe(hex(merged));
        expect(hex(after(now, [...parts.toReversed(), ...parts], sole))).toBe(hex(merged));
      }),
      { numRuns: 2000 },
    );
    // A run in which nothing was cut or nothing refused has shown nothing.
    expect(count.whole).toBeGreaterThan(100);
    expect(count.refused).toBeGreaterThan(20);
  });

  it('travelled through the executions themselves: last parts were merged, and others were refused', () => {
    const total = { merged: 0, refused: 0 };
    for (const plan of fc.sample(plansWithLosses, { seed: 1, numRuns: 500 })) {
      const { lastParts } = execute(plan);
      total.merged += lastParts.merged;
      total.refused += lastParts.refused;
    }
    expect(total.merged).toBeGreaterThan(50);
    expect(total.refused).toBeGreaterThan(20);
  });
});

/** What anybody may send: its own state, a put, or the merge of all replicas. */
function sendersOf({ replicas, messages, sole }: Execution): readonly KeyState[] {
  return [
    replicas.reduce((a, b) => merge(a, b, sole).state),
    ...replicas,
    ...messages.map(({ whole }) => whole),
  ];
}

/** What is wrong with how a receiver takes a message. */
function wrongMerge(own: KeyState, { part, whole }: Message, sole: ReadonlySet<WriteId>): string | undefined {
  const next = sent(own, part, sole);
  const isReady = part.requires.every((dot) => hasDot(own.history, dot));
  if (next === 'incomplete') return isReady ? 'refused though all it requires was seen' : undefined;
  if (!isReady) return 'merged without what it requires';
  // The last part is the one that knows all the sender knows.
  if (part.state.history === whole.history) {
    return hex(next) === hex(merge(own, whole, sole).state) ? undefined : 'not as the whole state';
  }
  if (next.closed.some((id) => findWrite(own, id) !== undefined)) return 'closed a write';
  return keepsAll(own, next) ? undefined : 'killed a sibling';
}

/** Every sibling of `before` lives. */
const keepsAll = (before: KeyState, now: KeyState) =>
  ids(before).every((id) => findWrite(now, id) !== undefined);

/**
 * Every execution of X, which may be attempted twice, a blind S, and overwrites, on three replicas that send each other
 * nothing but single parts; overwrites are made from a read of one or two replicas, or from a page of it.
 */
describe('every execution in parts', () => {
  interface Replica {
    readonly state: KeyState;
    readonly means: Meaning;
  }

  interface Model {
    readonly replicas: readonly Replica[];
    /** Attempts made: of X at A, of S at C, of X at B. */
    readonly attempted: readonly boolean[];
    readonly overwritten: number;
    readonly lost: number;
  }

  interface Bounds {
    readonly twice: boolean;
    readonly overwrites: number;
    readonly disksLost: number;
  }

  const BLIND = [
    { n: 0, at: 0, lead: 'a' },
    { n: 1, at: 2, lead: 'c' },
    { n: 0, at: 1, lead: 'b' },
  ];
  const READS = [[0], [1], [2], [0, 1], [0, 2], [1, 2]];
  const EMPTY: Replica = { state: emptyState, means: NOTHING };
  function explore({ twice, overwrites, disksLost }: Bounds) {
    const sole = new Set(Array.from({ length: overwrites }, (_, i) => writeIdOf(2 + i)));
    const delivered = { refused: 0, mergedLast: 0 };
    const called = new WeakMap<Replica, string>();
    const nameOf = (replica: Replica): string => {
      const known = called.get(replica);
      if (known !== undefined) return known;
      const { merged, covered } = replica.means;
      const name = [hex(replica.state), [...merged].toSorted().join(), [...covered].toSorted().join()].join(
        '/',
      );
      called.set(replica, name);
      return name;
    };
    const nameOfModel = ({ replicas, attempted, overwritten, lost }: Model) =>
      [...replicas.map(nameOf), attempted.join(), overwritten, lost].join(':');
    const both = (a: Replica, b: Replica): Replica => ({
      state: merge(a.state, b.state, sole).state,
      means: bothOf(a.means, b.means),
    });
    const into = ({ replicas }: Model, at: number, more: Replica): readonly Replica[] =>
      replicas.map((replica, i) => (i === at ? both(replica, more) : replica));

    function* next(model: Model): Generator<Model> {
      for (const [i, { n, at, lead }] of BLIND.entries()) {
        if (model.attempted[i] === true || (i === 2 && !twice)) continue;
        const { state } = must(model.replicas[at], 'a replica');
        const known = findWrite(state, writeIdOf(n)) !== undefined || state.closed.includes(writeIdOf(n));
        const put = {
          state: delta(emptyContext, writeOf(n, lead, 1)),
          means: { ...NOTHING, merged: new Set([writeIdOf(n)]) },
        };
        yield {
          ...model,
          attempted: model.attempted.with(i, true),
          replicas: known ? model.replicas : into(model, at, put),
        };
      }
      if (model.overwritten < overwrites) {
        for (const from of READS) {
          const view = from.map((i) => must(model.replicas[i], 'a replica')).reduce(both);
          for (const [shown, covered] of pagesOf(view)) {
            const n = 2 + model.overwritten;
            const put = delta(contextOf(shown, sole), writeOf(n, 'y', n));
            const means = { merged: new Set([writeIdOf(n)]), covered };
            for (const at of [0, 1, 2]) {
              yield {
                ...model,
                overwritten: model.overwritten + 1,
                replicas: into(model, at, { state: put, means }),
              };
            }
          }
        }
      }
      for (const from of [0, 1, 2]) {
        const sender = must(model.replicas[from], 'a replica');
        for (const part of partsOf(sender.state, 1)) {
          const isWhole = part.state.history === sender.state.history;
          const means = isWhole ? sender.means : { ...NOTHING, merged: new Set(ids(part.state)) };
          for (const to of [0, 1, 2]) {
            if (from === to) continue;
            const state = completed(must(model.replicas[to], 'a replica').state, part);
            if (state === undefined) delivered.refused++;
            else if (part.requires.length > 0) delivered.mergedLast++;
            if (state !== undefined) yield { ...model, replicas: into(model, to, { state, means }) };
          }
        }
      }
      if (model.lost < disksLost) {
        for (const at of [0, 1, 2]) {
          yield { ...model, lost: model.lost + 1, replicas: model.replicas.with(at, EMPTY) };
        }
      }
    }

    const start: Model = {
      replicas: [EMPTY, EMPTY, EMPTY],
      attempted: [false, false, false],
      overwritten: 0,
      lost: 0,
    };
    const states = reachable(start, nameOfModel, next);
    const wrong = states.filter(({ replicas }) =>
      replicas.some(({ state, means }) => ids(state).join() !== shownBy(means).join()),
    );
    return { states: states.length, wrong: wrong.map(nameOfModel), ...delivered };
  }

  /** A view with what its context covers: whole, and each sibling of several alone. */
  function* pagesOf({ state, means }: Replica): Generator<readonly [KeyState, ReadonlySet<WriteId>]> {
    yield [state, new Set([...means.merged, ...means.covered])];
    if (state.siblings.length < 2) return;
    for (const sibling of state.siblings) yield [only([sibling]), new Set([sibling.writeId])];
  }

  it.each([
    { bounds: { twice: false, overwrites: 2, disksLost: 0 }, states: 24_429 },
    { bounds: { twice: true, overwrites: 1, disksLost: 1 }, states: 16_388 },
  ])(
    'shows on every replica exactly what was merged there less what that covers: $states states with $bounds',
    ({ bounds, states }) => {
      const found = explore(bounds);
      expect(found.wrong).toEqual([]);
      expect(found.states).toBe(states);
      expect(found.refused).toBeGreaterThan(1000);
      expect(found.mergedLast).toBeGreaterThan(1000);
    },
    180_000,
  );
});

describe('a history too large to travel beside siblings', () => {
  const cut = (state: KeyState, maxBytes: number) => partsOf(state, maxBytes, 0);

  it('is cut too, and in any order, with losses and repetitions, takes only what a sibling held there has superseded', () => {
    const count = { cut: 0, refused: 0 };
    fc.assert(
      fc.property(deliveries, ({ plan, receiver, sender, maxBytes, arriving }) => {
        const execution = execute(plan);
        const { sole } = execution;
        const own = pick([emptyState, ...execution.replicas], receiver);
        const state = pick(sendersOf(execution), sender);
        const parts = cut(state, maxBytes);
        const merged = merge(own, state, sole).state;
        let now = own;
        for (const part of arriving.map((at) => pick(parts, at))) {
          const next = sent(now, part, sole);
          count.refused += Number(next === 'incomplete');
          if (next === 'incomplete') continue;
          expect(lostWrites(execution, now, next)).toEqual([]);
          now = next;
        }
        count.cut += Number(parts.filter(({ requires }) => requires.length > 0).length > 1);
        expect(hex(merge(now, state, sole).state)).toBe(hex(merged));
        expect(hex(after(now, parts, sole))).toBe(hex(merged));
        expect(hex(after(now, [...parts.toReversed(), ...parts], sole))).toBe(hex(merged));
        expect(assemble(parts.map((part) => decodeState(encodeState(part.state))))).toEqual(state);
      }),
      { numRuns: 2000 },
    );
    expect(count.cut).toBeGreaterThan(200);
    expect(count.refused).toBeGreaterThan(20);
  });

  it('is merged nowhere before all siblings are', () => {
    fc.assert(
      fc.property(plansWithLosses, (plan) => {
        for (const state of statesOf(execute(plan)).filter(({ siblings }) => siblings.length > 0)) {
          const parts = cut(state, 1);
          if (parts.length === 1) continue;
          const rest = parts.filter((part) => part.state.siblings.length === 0);
          expect(parts.slice(0, -rest.length).map((part) => ids(part.state))).toEqual(
            ids(state).map((id) => [id]),
          );
          const butOne = after(emptyState, parts.slice(1, -rest.length));
          for (const part of rest) expect(sent(butOne, part)).toBe('incomplete');
        }
      }),
      { numRuns: 200 },
    );
  });

  // Two dots, one of them of a write that is dead; of its twin only the closed id is known. Whoever has one of the last two
  // parts lacks what is in the other.
  it('has no last part that tells all, which others have', () => {
    const dead = join(blind('x', 'a', 1), blind('x', 'b', 1));
    const state = join(dead, delta(read(dead), write('y', 'c', 1)));
    expect(state.closed).toHaveLength(1);
    expect(lastTellsAll(cut(state, 1))).toBe(false);
    expect(lastTellsAll(cut(join(dead), 1))).toBe(false);
    expect(lastTellsAll(cut({ ...emptyState, closed: state.closed }, 1))).toBe(true);
    expect(lastTellsAll(cut({ ...emptyState, closed: ['a', 'b'].map((id) => id.padEnd(16)) }, 1))).toBe(
      false,
    );
    expect(lastTellsAll(partsOf(join(state, blind('z', 'd', 1)), 1))).toBe(true);
    expect(lastTellsAll(partsOf(state, 1))).toBe(true);
  });

  it('fits frames, whatever it is made of', () => {
    const ids_ = (n: number) => Array.from({ length: n }, (_, i) => String(i).padStart(16, '#'));
    const actor = (i: number) => makeActor('n'.repeat(63), 'AAAAAAAAAAA', 36 ** 5 + i);
    const holes = Array.from({ length: 60_000 }, (_, i) => [i * 1e10 + 1, i * 1e10 + 1]).flat();
    const actors = Array.from({ length: 12_000 }, (_, i) => actor(i)).toSorted();
    const siblings = Array.from({ length: 2_000 }, (_, i) => {
      const dots = [{ actor: must(actors[i], 'an actor'), counter: 1 }];
      return {
        ...write(String(i).padStart(16, '#'), 'a', 1),
        dots,
        body: new Uint8Array(i % 1_000 === 7 ? 520_000 : 9),
      };
    });
    const history = { actors, ranges: actors.map((_, i) => (i === 3 ? holes : [1, 2])) };
    for (const state of [
      { siblings: siblings.slice(0, 1), history, closed: ids_(90_000).map((id) => `x${id.slice(1)}`) },
      { siblings, history, closed: [] },
      { siblings: [], history, closed: ids_(90_000) },
    ]) {
      const parts = partsOf(state, STATE_PART_BYTES_MAX);
      expect(Math.max(...parts.map(bytesOf))).toBeLessThan(STATE_PART_BYTES_MAX);
      expect(parts.length).toBeLessThan(8);
      expect(hex(assemble(parts.map((part) => part.state)))).toBe(hex(state));
    }
  });
});

describe('assembling', () => {
  it('gives back the state, whatever it was and however it was cut', () => {
    fc.assert(
      fc.property(plansWithLosses, fc.integer({ min: 1, max: 500 }), (plan, maxBytes) => {
        for (const state of statesOf(execute(plan))) {
          const parts = partsOf(state, maxBytes).map((part) => decodeState(encodeState(part.state)));
          expect(assemble(parts)).toEqual(state);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('of one part is that part', () => {
    const state = blind('x', 'a', 1);
    expect(assemble([state])).toEqual(state);
    expect(assemble(partsOf(emptyState, 1).map((part) => part.state))).toEqual(emptyState);
  });

  it('leaves the parts as they were', () => {
    const parts = partsOf(join(blind('x', 'a', 1), blind('y', 'b', 1)), 1).map(({ state }) => state);
    const before = parts.map(hex);
    assemble(parts);
    assemble(parts.toReversed());
    expect(parts.map(hex)).toEqual(before);
  });
});

/** What a part takes in a message: its state, and what it requires. */
function bytesOf({ state, requires }: StatePart): number {
  const dots = requires.reduce((sum, { actor, counter }) => sum + 1 + actor.length + varintBytes(counter), 0);
  return encodeState(state).length + (requires.length === 0 ? 0 : varintBytes(requires.length) + dots);
}

function varintBytes(value: number): number {
  const writer = new Writer();
  writer.varint(value);
  return writer.size;
}

/** What is wrong with how a state is cut. */
function wrongParts(state: KeyState, maxBytes: number): readonly string[] {
  const parts = partsOf(state, maxBytes);
  const carried = parts.flatMap((part) => ids(part.state));
  const dotsBefore = parts.slice(0, -1).flatMap((part) => part.state.siblings.flatMap(({ dots }) => dots));
  const required = must(parts.at(-1), 'a last part').requires;
  const isTooMuch = (part: StatePart) => part.state.siblings.length > 1 && bytesOf(part) > maxBytes;
  const isDamaged = (part: StatePart) => hex(decodeState(encodeState(part.state))) !== hex(part.state);
  return [
    ...parts.filter(isDamaged).map((part) => `does not travel: ${hex(part.state)}`),
    ...parts.filter(isTooMuch).map((part) => `${bytesOf(part)} bytes instead of ${maxBytes}`),
    ...(carried.join() === ids(state).join() ? [] : ['not every sibling in one part, in order']),
    ...(parts.length === 1 || parts.every((part) => part.state.siblings.length > 0) ? [] : ['an empty part']),
    ...(parts.slice(0, -1).every((part) => part.requires.length === 0)
      ? []
      : ['a first part with requirements']),
    ...(dotNames(required).join() === dotNames(dotsBefore).toSorted().join()
      ? []
      : ['requires something else']),
    ...(encodeState(state).length > maxBytes || parts.length === 1 ? [] : ['cut though it fits']),
    ...(hex(after(emptyState, parts)) === hex(state) ? [] : ['in order they are not the whole']),
    ...(hex(after(emptyState, [...parts.toReversed(), ...parts])) === hex(state) ? [] : ['reversed neither']),
  ];
}

/** Counters padded, so that the names sort as the dots do. */
const dotNames = (dots: readonly Dot[]) =>
  dots.map(({ actor, counter }) => `${actor} ${String(counter).padStart(16, '0')}`);

describe('the parts of a state', () => {
  it('travel, fit the limit with what they require, and carry each sibling once, in order', () => {
    fc.assert(
      fc.property(plansWithLosses, fc.integer({ min: 1, max: 500 }), (plan, maxBytes) => {
        expect(statesOf(execute(plan)).flatMap((state) => wrongParts(state, maxBytes))).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  it('do that also when the dots of a part are holes in ranges of large counters', () => {
    const sibling = fc.record({
      counters: fc.uniqueArray(fc.integer({ min: 1, max: 2 ** 45 - 1 }), { minLength: 1, maxLength: 5 }),
      bodyBytes: fc.nat({ max: 500 }),
    });
    fc.assert(
      fc.property(
        fc.array(sibling, { maxLength: 20, size: 'max' }),
        fc.integer({ min: 200, max: 5000 }),
        (some, maxBytes) => {
          const siblings = some.map(({ counters, bodyBytes }, n): Sibling => {
            // Counters of different writes never meet.
            const dots = counters.toSorted((a, b) => a - b).map((k) => ({ actor: A, counter: k * 32 + n }));
            const body = new Uint8Array(bodyBytes);
            return { writeId: writeIdOf(n), dots, deleted: false, writtenAtMs: n, check: n, body };
          });
          siblings.sort((a, b) => (a.writeId < b.writeId ? -1 : 1));
          const state = { siblings, history: { actors: [A], ranges: [[1, 2 ** 51]] }, closed: [] };
          expect(wrongParts(state, maxBytes)).toEqual([]);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('hold one sibling each when nothing fits, and are one when all does', () => {
    const four = join(...['p', 'q', 'r', 's'].map((name, i) => blind(name, 'a', i + 1)));
    expect(partsOf(four, 1).map(({ state }) => names(state))).toEqual([['p'], ['q'], ['r'], ['s']]);
    expect(partsOf(four, encodeState(four).length)).toHaveLength(1);
    expect(partsOf(four, encodeState(four).length - 1).length).toBeGreaterThan(1);
    expect(partsOf(emptyState, 1)).toEqual([{ state: emptyState, requires: [] }]);
    expect(partsOf(blind('x', 'a', 1), 1)).toHaveLength(1);
  });

  it.each([
    { count: 1000, bodyBytes: 1500, largest: [] },
    { count: 3000, bodyBytes: 320, largest: [] },
    // What the last part requires would not fit beside as much as could be carried with the bodies alone in view.
    { count: 3000, bodyBytes: 0, largest: [520_000, 520_000, 300_000] },
  ])('fit a frame each under the longest of names, %o', ({ count, bodyBytes, largest }) => {
    const siblings = Array.from({ length: count }, (_, n): Sibling => {
      const actor = makeActor(
        `${'n'.repeat(62)}${'abc'.charAt(n % 3)}`,
        'AAAAAAAAAAA',
        Number.MAX_SAFE_INTEGER,
      );
      const body = new Uint8Array(largest[n - count + largest.length] ?? bodyBytes);
      // No two counters of an actor in a row: every dot is a range.
      return {
        ...write('', 'a', 1),
        writeId: String(n).padStart(16, '0'),
        dots: [{ actor, counter: 2 ** 40 + 6 * n }],
        body,
      };
    });
    const state = { siblings, history: historyOf(siblings.flatMap(({ dots }) => dots)), closed: [] };
    const parts = partsOf(state, STATE_PART_BYTES_MAX);
    expect(parts.length).toBeGreaterThan(1);
    for (const { state: part, requires } of parts) {
      const writer = new Writer();
      mergeMessage.write(writer, {
        id: Number.MAX_SAFE_INTEGER,
        deadlineMs: Number.MAX_SAFE_INTEGER,
        key: new Uint8Array(FULL_KEY_BYTES_MAX),
        owedSlots: 255,
        sole: ids(state).slice(0, 1000),
        heals: true,
        requires,
        state: encodeState(part),
      });
      expect(writer.size).toBeLessThan(FRAME_BYTES_MAX - 4096);
    }
    expect(hex(after(emptyState, parts))).toBe(hex(state));
  });
});
