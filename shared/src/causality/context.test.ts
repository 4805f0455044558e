import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../assert.ts';
import { DecodeError, Reader, toHex, Writer } from '../codec/bytes.ts';
import { bitFlips, cuts, readOrRefusal } from '../codec/damage.case.ts';
import {
  type Context,
  contextOf,
  contextSchema,
  contextWith,
  delta,
  emptyContext,
  soleWrites,
} from './context.ts';
import { type Dot, makeActor } from './dot.ts';
import { everyMerge, type Execution, execute, plans, writeIdOf } from './executions.case.ts';
import { covers, hasDot } from './history.ts';
import { emptyState, type KeyState, merge, only, type Sibling, type WriteId } from './key-state.ts';
import { completed, partsOf } from './parts.ts';
import { encodeState } from './state-codec.ts';

const NONE: ReadonlySet<WriteId> = new Set();

/** Write `n`, led by `lead` under its dot `counter`. */
function write(n: number, lead: string, counter: number): Sibling {
  const dots = [{ actor: makeActor(lead, 'AAAAAAAAAAA', 0), counter }];
  return { writeId: writeIdOf(n), dots, deleted: false, writtenAtMs: n, check: n, body: Uint8Array.of(n) };
}

const join = (...states: KeyState[]) => states.reduce((a, b) => merge(a, b, NONE).state, emptyState);
const ids = (state: KeyState) => state.siblings.map(({ writeId }) => writeId);
const hex = (state: KeyState) => toHex(encodeState(state));

/** Every dot that was minted in an execution. */
const minted = ({ messages }: Execution): readonly Dot[] =>
  messages.flatMap(({ part }) => part.state.siblings.flatMap(({ dots }) => dots));

function encode(context: Context): Uint8Array {
  const writer = new Writer();
  contextSchema.write(writer, context);
  return writer.finish();
}

function decode(bytes: Uint8Array): Context {
  const reader = new Reader(bytes);
  const context = contextSchema.read(reader);
  reader.finish();
  return context;
}

/** A write that no execution makes. */
const next = write(200, 'next', 1);

describe('the context of a put (law 4)', () => {
  it('covers exactly what was sent and its own write, though the replica holds more', () => {
    fc.assert(
      fc.property(plans, fc.nat({ max: 3 }), fc.nat({ max: 3 }), (plan, from, at) => {
        const execution = execute(plan);
        const { replicas, sole } = execution;
        const sent = contextOf(must(replicas[from % replicas.length], 'a replica'), sole);
        const put = delta(sent, next);
        const lead = merge(must(replicas[at % replicas.length], 'a replica'), put, sole).state;
        const returned = contextWith(sent, next.writeId, next.dots, true);
        expect(covers(lead.history, returned.history)).toBe(true);
        for (const dot of minted(execution)) {
          expect(hasDot(returned.history, dot)).toBe(hasDot(sent.history, dot));
        }
        expect(next.dots.every((dot) => hasDot(returned.history, dot))).toBe(true);
        expect(returned.writes).toEqual([
          ...sent.writes.filter(({ sole: isSole }) => !isSole),
          { writeId: next.writeId, sole: true },
        ]);
      }),
      { numRuns: 200 },
    );
  });

  it("keeps a sibling that its holder never saw; with the replica's whole history the next put would lose it", () => {
    const unseen = delta(emptyContext, write(0, 'a', 1));
    const blind = write(1, 'a', 2);
    const replica = join(unseen, delta(emptyContext, blind));

    const returned = contextWith(emptyContext, blind.writeId, blind.dots, false);
    expect(ids(join(replica, delta(returned, write(2, 'a', 3))))).toEqual(
      [writeIdOf(0), writeIdOf(2)].toSorted(),
    );

    const tooMuch = contextOf(replica, NONE);
    expect(ids(join(replica, delta(tooMuch, write(2, 'a', 3))))).toEqual([writeIdOf(2)]);
  });

  it('lets the next put replace this one and nothing else', () => {
    const first = write(0, 'a', 1);
    const context = contextWith(emptyContext, first.writeId, first.dots, true);
    const other = delta(emptyContext, write(1, 'b', 1));
    const state = join(delta(emptyContext, first), other, delta(context, write(2, 'a', 2)));
    expect(ids(state)).toEqual([writeIdOf(1), writeIdOf(2)].toSorted());
  });

  it('holds every dot that attempts are known to have minted', () => {
    const dots = [...write(0, 'a', 1).dots, ...write(0, 'b', 1).dots];
    const context = contextWith(emptyContext, writeIdOf(0), dots, false);
    expect(dots.every((dot) => hasDot(context.history, dot))).toBe(true);
    expect(context.writes).toEqual([{ writeId: writeIdOf(0), sole: false }]);
  });

  it('names its write once, however often the put is made', () => {
    const once = contextWith(emptyContext, next.writeId, next.dots, false);
    expect(contextWith(once, next.writeId, next.dots, false)).toEqual(once);
  });
});

describe('the context of a get', () => {
  it('covers exactly the dots of a page, so that a put keeps the other pages', () => {
    const whole = join(...[0, 1, 2].map((n) => delta(emptyContext, write(n, 'a', n + 1))));
    const page = only(whole.siblings.slice(0, 1));
    const put = delta(contextOf(page, NONE), next);
    expect(ids(join(whole, put))).toEqual([...ids(whole).slice(1), next.writeId].toSorted());
  });

  it('of a page covers nothing that is dead: what a hidden sibling superseded is not lost with the hidden one', () => {
    const x = delta(emptyContext, write(0, 'a', 1));
    const hidden = delta(contextOf(x, NONE), write(1, 'b', 1));
    const whole = join(x, hidden, delta(emptyContext, write(2, 'c', 1)));
    const page = only(whole.siblings.filter(({ writeId }) => writeId === writeIdOf(2)));
    const put = delta(contextOf(page, NONE), next);
    expect(put.closed).toEqual([writeIdOf(2)]);
    expect(ids(join(x, put))).toEqual([writeIdOf(0), next.writeId].toSorted());
    expect(ids(join(x, whole, put))).toEqual([writeIdOf(1), next.writeId].toSorted());
  });

  it('says of each write shown whether it is sole', () => {
    const state = join(delta(emptyContext, write(0, 'a', 1)), delta(emptyContext, write(1, 'b', 1)));
    const context = contextOf(state, new Set([writeIdOf(1)]));
    expect(context.history).toBe(state.history);
    expect(context.writes).toEqual(
      ids(state).map((writeId) => ({ writeId, sole: writeId === writeIdOf(1) })),
    );
    expect(soleWrites(context)).toEqual([writeIdOf(1)]);
  });
});

/**
 * A key overwritten `times` times under Idempotency-Keys through one lead, each time after a get of all there is. Every
 * write but the last is closed; the ids are numbers, so the sorted ones of a context are those of the first writes.
 */
function overwritten(times: number): KeyState {
  let state = emptyState;
  for (let n = 0; n < times; n++) state = join(state, delta(contextOf(state, NONE), keyed(n, 'a', n + 1)));
  return state;
}

const keyed = (n: number, lead: string, counter: number): Sibling => ({
  ...write(n, lead, counter),
  writeId: String(n).padStart(16, '0'),
});

describe('the closed ids of a context', () => {
  it('are all there are, up to 64', () => {
    const state = overwritten(65);
    expect(state.closed).toHaveLength(64);
    const context = contextOf(state, new Set(state.closed));
    expect(context.writes).toEqual(
      [...state.closed, ...ids(state)].map((writeId) => ({ writeId, sole: false })),
    );
    expect(delta(context, next).closed).toEqual([...ids(state), ...state.closed].toSorted());
    expect(soleWrites(context)).toEqual([]);
  });

  it('are 64 when there are more, and take about 1 KiB', () => {
    const state = overwritten(1000);
    const context = contextOf(state, NONE);
    expect(context.writes.map(({ writeId }) => writeId)).toEqual([
      ...state.closed.slice(0, 64),
      ...ids(state),
    ]);
    expect(context.history).toBe(state.history);
    const without = encode({ ...context, writes: context.writes.slice(-1) });
    expect(encode(context).length - without.length).toBe(64 * 17);
  });

  it('close second attempts before anything else of what closed them has arrived', () => {
    const state = overwritten(65);
    const put = delta(contextOf(state, NONE), next);
    for (let n = 0; n < 65; n++) {
      const twin = delta(emptyContext, keyed(n, 'b', 1));
      expect(ids(join(twin, put))).toEqual([next.writeId]);
      expect(ids(join(put, twin))).toEqual([next.writeId]);
    }
  });

  it('beyond 64 cost a false sibling that the next merge ends, and nothing else', () => {
    const state = overwritten(70);
    const put = delta(contextOf(state, NONE), next);
    for (let n = 0; n < 70; n++) {
      // A replica that has only the second attempt at a write closed since, and then the put.
      const attempt = keyed(n, 'b', 1);
      const twin = delta(emptyContext, attempt);
      const isLeftOut = state.closed.indexOf(attempt.writeId) >= 64;
      expect(isLeftOut).toBe(n >= 64 && n < 69);
      const behind = join(twin, put);
      expect(ids(behind)).toEqual([...(isLeftOut ? [attempt.writeId] : []), next.writeId].toSorted());
      // Whatever it merges next from a replica that knows of the closing ends it: whole, in parts, or as a later put.
      expect(everyMerge([state, put, twin], NONE)).toHaveLength(1);
      expect(ids(join(behind, state))).toEqual([next.writeId]);
      const caughtUp = join(state, delta(emptyContext, write(0, 'c', 1)));
      const inParts = partsOf(caughtUp, 1).reduce(
        (own, part) => join(own, must(completed(own, part), 'parts in order are taken')),
        behind,
      );
      expect(hex(inParts)).toBe(hex(join(behind, caughtUp)));
      expect(ids(inParts)).toEqual([writeIdOf(0), next.writeId].toSorted());
      // So does whoever reads both and writes again.
      expect(ids(join(behind, delta(contextOf(behind, NONE), write(201, 'next', 2))))).toEqual([
        writeIdOf(201),
      ]);
    }
  });

  it('of a put are the newest 64 that it was sent with, of those that need closing', () => {
    const got = contextOf(overwritten(70), NONE);
    const put = contextWith(got, next.writeId, next.dots, true);
    expect(put.writes).toEqual([...got.writes.slice(1), { writeId: next.writeId, sole: true }]);
    expect(put.writes.map(({ writeId }) => writeId)).toContain(keyed(69, 'a', 70).writeId);
    const after = contextWith(put, writeIdOf(201), write(201, 'next', 2).dots, false);
    expect(after.writes).toEqual([...got.writes.slice(1), { writeId: writeIdOf(201), sole: false }]);
  });

  it('do not grow with a client that puts with the context of its last put, and cost it no more than that', () => {
    let context = emptyContext;
    let state = emptyState;
    for (let n = 0; n < 70; n++) {
      const attempt = keyed(n, 'a', n + 1);
      state = join(state, delta(context, attempt));
      context = contextWith(context, attempt.writeId, attempt.dots, false);
    }
    expect(context.writes.map(({ writeId }) => writeId)).toEqual(
      Array.from({ length: 65 }, (_, i) => keyed(5 + i, 'a', 1).writeId),
    );
    for (let n = 0; n < 70; n++) {
      const twin = delta(emptyContext, keyed(n, 'b', 1));
      const behind = join(twin, delta(context, next));
      expect(ids(behind)).toEqual([...(n < 5 ? ids(twin) : []), next.writeId].toSorted());
      expect(ids(join(behind, state))).toEqual([next.writeId]);
    }
  });

  it('beyond 64 never take a write with them that the context did not cover', () => {
    const state = overwritten(70);
    const put = delta(contextOf(state, NONE), next);
    const unseen = delta(emptyContext, write(1, 'c', 1));
    expect(ids(join(state, unseen, put))).toEqual([writeIdOf(1), next.writeId].toSorted());
  });
});

describe('the delta of a put', () => {
  it('gives the same wherever, whenever and however often it is merged', () => {
    fc.assert(
      fc.property(
        plans,
        fc.array(fc.nat({ max: 3 }), { maxLength: 5 }),
        fc.nat({ max: 3 }),
        (plan, extra, from) => {
          const { replicas, messages, sole } = execute(plan);
          const sent = contextOf(must(replicas[from % replicas.length], 'a replica'), sole);
          const put = delta(sent, next);
          const into = (states: readonly KeyState[], at: number) =>
            states.map((state, i) => (i === at % states.length ? merge(state, put, sole).state : state));
          const final = (states: readonly KeyState[]) =>
            hex(states.reduce((a, b) => merge(a, b, sole).state));
          const once = final(into(replicas, 0));
          expect(final(extra.reduce(into, into(replicas, 1)))).toBe(once);
          const wholes = messages.map(({ whole }) => whole);
          expect(final([put, ...replicas, ...wholes, put])).toBe(once);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('closes the writes it has seen, but for sole ones and itself', () => {
    const seen = [0, 1, 2].map((n) => ({ writeId: writeIdOf(n), sole: n === 1 }));
    const put = delta({ ...emptyContext, writes: seen }, write(2, 'a', 1));
    expect(put.closed).toEqual([writeIdOf(0)]);
  });

  it('closes in sorted order, each id once', () => {
    const seen = [3, 1, 2, 1].map((n) => ({ writeId: writeIdOf(n), sole: false }));
    expect(delta({ ...emptyContext, writes: seen }, next).closed).toEqual(
      [1, 2, 3].map(writeIdOf).toSorted(),
    );
  });
});

describe('an encoded context', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const { replicas, sole } = execute(plan);
        for (const replica of replicas) {
          const context = contextOf(replica, sole);
          expect(decode(encode(context))).toEqual(context);
        }
      }),
    );
  });

  it('throws a DecodeError wherever it is cut, and on any changed bit or reads as exactly that', () => {
    const whole = join(...[0, 1, 2].map((n) => delta(emptyContext, write(n, 'abc'.charAt(n), 2 * n + 1))));
    const bytes = encode(contextOf(whole, new Set([writeIdOf(1)])));
    for (const cut of cuts(bytes)) expect(() => decode(cut)).toThrow(DecodeError);
    for (const flipped of bitFlips(bytes)) {
      const context = readOrRefusal(() => decode(flipped));
      if (context instanceof DecodeError) continue;
      expect(encode(context)).toEqual(flipped);
    }
  });
});
