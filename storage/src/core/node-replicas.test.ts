import { contextOf } from '@circlet/shared/causality/context.ts';
import { compareDots, makeActor } from '@circlet/shared/causality/dot.ts';
import { historyOf, writeHistory } from '@circlet/shared/causality/history.ts';
import { emptyState, type KeyState } from '@circlet/shared/causality/key-state.ts';
import { assemble } from '@circlet/shared/causality/parts.ts';
import { decodeState, encodeState } from '@circlet/shared/causality/state-codec.ts';
import { Writer } from '@circlet/shared/codec/bytes.ts';
import {
  BODY_BYTES_MAX,
  CLOSED_MAX,
  CONTEXT_BYTES_MAX,
  FRAME_BYTES_MAX,
} from '@circlet/shared/protocol/limits.ts';
import type { MessageOf } from '@circlet/shared/protocol/message.ts';
import { NO_DIGEST } from '@circlet/shared/protocol/replica.ts';
import { describe, expect, it } from 'vitest';
import { locate } from './hint-ledger.ts';
import { copyOf, writes } from './one-key.case.ts';
import { damage, type Net, type Pod, readyNet } from './pods.case.ts';
import {
  elsewhere,
  five,
  isUntouched,
  KEY,
  lead,
  merge,
  OTHER,
  read,
  refusals,
  stored,
} from './requests.case.ts';
import { topologyOf } from './ring.case.ts';

const keyed = (content: string) => copyOf(1, { writeId: '--------'.concat(content.padEnd(8, '.')) });

describe('a lead', () => {
  it('gives a dot, keeps the write, and says the dot', () => {
    const { made, a } = five();
    const message = lead(made, copyOf(1));
    const dots = [{ actor: makeActor('a', a.boot, 1), counter: 1 }];
    expect(made.ask(a, message)).toEqual([
      {
        kind: 'led',
        id: message.id,
        outcome: 'minted',
        dots,
        writtenAtMs: 1001,
        part: 0,
        parts: 1,
        state: new Uint8Array(0),
      },
    ]);
    expect(stored(a).siblings).toMatchObject([{ dots, ...copyOf(1) }]);
  });

  it('gives every key an actor of its own', () => {
    const { made, a } = five();
    made.ask(a, lead(made, copyOf(1)));
    made.ask(a, lead(made, copyOf(2), { key: OTHER }));
    expect(stored(a, OTHER).history.actors).toEqual([makeActor('a', a.boot, 2)]);
  });

  it('of a write that is held says its dots; of one that is closed, all there is, so that copies can be proven', () => {
    const { made, a } = five();
    const [led] = made.ask(a, lead(made, copyOf(1)));
    const held = made.ask(a, lead(made, copyOf(1)))[0];
    expect(held).toMatchObject({ outcome: 'held', dots: led?.kind === 'led' ? led.dots : [] });
    made.ask(a, lead(made, copyOf(2), { context: contextOf(stored(a), new Set()) }));
    const [closed] = made.ask(a, lead(made, copyOf(1)));
    expect(closed).toMatchObject({ outcome: 'closed', dots: [], part: 0, parts: 1 });
    expect(closed?.kind === 'led' && decodeState(closed.state)).toEqual(stored(a));
    expect(writes(stored(a))).toEqual([2]);
  });

  it('of a closed write whose key is larger than a frame says it in parts', () => {
    const { made, a } = five();
    made.ask(a, lead(made, copyOf(1)));
    made.ask(a, lead(made, copyOf(2), { context: contextOf(stored(a), new Set()) }));
    for (const n of [3, 4, 5]) made.ask(a, lead(made, copyOf(n, { body: new Uint8Array(500_000).fill(n) })));
    const closed = made
      .ask(a, lead(made, copyOf(1)))
      .flatMap((answer) => (answer.kind === 'led' ? [answer] : []));
    expect(closed.length).toBeGreaterThan(1);
    expect(closed.map(({ part, parts }) => [part, parts])).toEqual(closed.map((_, i) => [i, closed.length]));
    const whole = assemble(closed.map(({ state }) => decodeState(state)));
    expect(Buffer.compare(encodeState(whole), encodeState(stored(a)))).toBe(0);
  });

  it('refuses another content under one idempotency key, and a sibling too many', () => {
    const { made, a } = five();
    made.ask(a, lead(made, keyed('v1'), { keyed: true }));
    expect(refusals(made.ask(a, lead(made, keyed('v2'), { keyed: true })))).toEqual(['idempotency_mismatch']);
    expect(refusals(made.ask(a, lead(made, copyOf(3), { siblingsMax: 1 })))).toEqual(['too_many_siblings']);
    expect(stored(a).siblings).toHaveLength(1);
  });
});

describe('a merge', () => {
  it('is kept and confirmed, and a duplicate or an older state changes nothing', () => {
    const { made, a } = five();
    const message = merge(made, elsewhere(1, 2));
    expect(made.ask(a, message)).toEqual([{ kind: 'merged', id: message.id }]);
    const after = stored(a);
    expect(made.ask(a, message)).toEqual([{ kind: 'merged', id: message.id }]);
    expect(stored(a)).toEqual(after);
    expect(writes(after)).toEqual([1, 2]);
  });

  it('of a last part without the others is refused, and of undecodable bytes dropped and counted', () => {
    const { made, a } = five();
    const requires = [{ actor: makeActor('b', 'x'.repeat(11), 1), counter: 1 }];
    expect(refusals(made.ask(a, merge(made, elsewhere(1), { requires })))).toEqual(['incomplete']);
    const good = encodeState(elsewhere(1));
    for (const state of [new Uint8Array(0), good.subarray(1), Uint8Array.of(...good, 0)]) {
      expect(made.ask(a, merge(made, emptyState, { state }))).toEqual([]);
    }
    expect(made.events('a').filter((event) => event === 'bad_state')).toHaveLength(3);
    expect(isUntouched(a)).toBe(true);
  });

  // Each of the two states is sound, and their merge could be written but never read again.
  it('that gives one write more dots than a row may hold is dropped, and the key goes on', () => {
    const { made, a } = five();
    const attempts = (first: number) => {
      const dots = Array.from({ length: 40 }, (_, i) => ({
        actor: makeActor('b', 'AAAAAAAAAAA', first + i),
        counter: 1,
      }));
      const sibling = { ...copyOf(1), dots: dots.toSorted(compareDots) };
      return merge(made, { ...emptyState, siblings: [sibling], history: historyOf(dots) });
    };
    expect(made.ask(a, attempts(100))).toMatchObject([{ kind: 'merged' }]);
    expect(made.ask(a, attempts(200))).toEqual([]);
    expect(made.events('a')).toEqual(['bad_state']);
    expect(made.ask(a, lead(made, copyOf(2)))).toMatchObject([{ outcome: 'minted' }]);
    expect(writes(stored(a))).toEqual([1, 2]);
  });

  it('with a dot of this very life that was never issued is refused, with an alarm', () => {
    const { made, a } = five();
    const state = { ...emptyState, history: historyOf([{ actor: makeActor('a', a.boot, 9), counter: 1 }]) };
    expect(refusals(made.ask(a, merge(made, state)))).toEqual(['internal']);
    expect(made.notices.filter(({ level }) => level === 'alarm').map(({ event }) => event)).toEqual([
      'identity_clone',
    ]);
    expect(isUntouched(a)).toBe(true);
  });

  it('in which a dot stands for two writes keeps both, with an alarm', () => {
    const { made, a } = five();
    const state = elsewhere(1);
    made.ask(a, merge(made, state));
    made.ask(
      a,
      merge(made, {
        ...state,
        siblings: state.siblings.map((sibling) => ({ ...sibling, writeId: copyOf(9).writeId })),
      }),
    );
    expect(writes(stored(a))).toEqual([1, 9]);
    expect(made.events('a')).toContain('dot_issued_twice');
  });
});

const found = (made: Net, of: Pod, more: Partial<MessageOf<'read'>> = {}) =>
  made.ask(of, read(made, more)).flatMap((answer) => (answer.kind === 'found' ? [answer] : []));

describe('a read', () => {
  it('of an owner says what there is: nothing, its digest, or the state', () => {
    const { made, a } = five();
    expect(found(made, a)).toMatchObject([
      { as: 'owner', what: 'absent', digest: NO_DIGEST, part: 0, parts: 1, owedBy: [] },
    ]);
    made.ask(a, lead(made, copyOf(1)));
    const [whole] = found(made, a);
    expect(whole).toMatchObject({ as: 'owner', what: 'state', sole: 0 });
    expect(writes(decodeState(whole?.state ?? new Uint8Array(0)))).toEqual([1]);
    expect(found(made, a, { want: 'digest' })).toMatchObject([
      { what: 'digest', digest: whole?.digest, state: new Uint8Array(0) },
    ]);
  });

  it('of another pod says whether it holds the key as a hint: an empty fallback counts for nothing', () => {
    const { made, e } = five();
    expect(found(made, e)).toMatchObject([{ as: 'stranger', what: 'absent' }]);
    made.ask(e, lead(made, copyOf(1), { owedSlots: 0b001 }));
    expect(found(made, e)).toMatchObject([{ as: 'holder', what: 'state' }]);
  });

  it('of a state larger than a frame comes in parts', () => {
    const { made, a } = five();
    for (const n of [1, 2, 3]) made.ask(a, lead(made, copyOf(n, { body: new Uint8Array(500_000).fill(n) })));
    const parts = found(made, a);
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.map(({ part, parts: of }) => [part, of])).toEqual(parts.map((_, i) => [i, parts.length]));
    const whole = assemble(parts.map(({ state }) => decodeState(state)));
    expect(Buffer.compare(encodeState(whole), encodeState(stored(a)))).toBe(0);
  });

  it('says which writes are known to be sole', () => {
    const { made, a } = five();
    made.ask(a, lead(made, copyOf(1)));
    made.ask(a, merge(made, stored(a), { sole: [copyOf(1).writeId] }));
    expect(found(made, a)).toMatchObject([{ sole: 1 }]);
    expect(found(made, a, { want: 'digest' })).toMatchObject([{ sole: 1 }]);
  });

  it('of a row that is corrupt says so, with an alarm, until a merge of everything has healed it', () => {
    const { made, a } = five();
    made.ask(a, lead(made, copyOf(1)));
    const before = stored(a);
    damage(a, 'rows', locate(KEY));
    const suspect = [{ as: 'owner', what: 'suspect', digest: NO_DIGEST, state: new Uint8Array(0) }];
    expect(found(made, a)).toMatchObject(suspect);
    expect(found(made, a, { want: 'digest' })).toMatchObject(suspect);
    expect(made.events('a')).toContain('row_suspect');
    // Neither a lead nor a partial merge makes it whole: what it acknowledged may still be missing. What it has it shows.
    const shown = () => found(made, a).map((reply) => [reply.what, writes(decodeState(reply.state))]);
    expect(made.ask(a, lead(made, copyOf(2)))).toMatchObject([{ outcome: 'minted' }]);
    expect(shown()).toEqual([['suspect', [2]]]);
    expect(found(made, a, { want: 'digest' })).toMatchObject([{ what: 'suspect' }]);
    made.ask(a, merge(made, elsewhere(3)));
    expect(shown()).toEqual([['suspect', [2, 3]]]);
    const heal = () => made.ask(a, merge(made, before, { heals: true }));
    heal();
    expect(shown()).toEqual([['suspect', [1, 2, 3]]]);
    // Two deadlines: that of the last write from before the damage, and that of the read, which began so long ago at most.
    made.run(130_000);
    heal();
    expect(shown()).toEqual([['suspect', [1, 2, 3]]]);
    made.run(10_000);
    heal();
    expect(found(made, a)).toMatchObject([{ what: 'state' }]);
    expect(writes(stored(a))).toEqual([1, 2, 3]);
  });
});

/** As many closed writes as puts may make, as much other history as a context has room for, and the largest value. */
function fullState(): KeyState {
  const actors = Array.from({ length: 720 }, (_, i) =>
    makeActor(`${String(i).padStart(4, '0')}${'x'.repeat(59)}`, 'AAAAAAAAAAA', 36 ** 5 + i),
  );
  const history = { actors, ranges: actors.map(() => [1, Number.MAX_SAFE_INTEGER - 1]) };
  const writer = new Writer();
  writeHistory(writer, history);
  expect(writer.size).toBeGreaterThan(CONTEXT_BYTES_MAX - 1000);
  const dots = [{ actor: actors[0] ?? '', counter: 1 }];
  const sibling = { ...copyOf(1, { body: new Uint8Array(BODY_BYTES_MAX).fill(7) }), dots };
  const closed = Array.from({ length: CLOSED_MAX }, (_, i) => String(i).padStart(16, '#'));
  return { siblings: [sibling], history, closed };
}

describe('a key with a full history and a value of the largest size', () => {
  const state = fullState();

  // What travels here goes through frames, which throw on what they cannot carry.
  it('is merged, read, answered to who repeats a closed write, and handed off, in one frame each', () => {
    const { made, a, e } = five();
    expect(made.ask(a, merge(made, state))).toMatchObject([{ kind: 'merged' }]);
    expect(encodeState(stored(a))).toEqual(encodeState(state));
    const whole = found(made, a);
    expect(whole).toMatchObject([{ what: 'state', part: 0, parts: 1 }]);
    expect(decodeState(whole[0]?.state ?? new Uint8Array(0))).toEqual(state);

    const again = made.ask(a, lead(made, copyOf(9, { writeId: state.closed[5] ?? '' })));
    expect(again).toMatchObject([{ kind: 'led', outcome: 'closed', part: 0, parts: 1 }]);
    expect(again[0]?.kind === 'led' && decodeState(again[0].state)).toEqual(state);

    made.ask(e, merge(made, state, { key: OTHER, owedSlots: 0b001 }));
    made.run(5000);
    expect(e.store.count('hints')).toBe(0);
    expect(encodeState(stored(a, OTHER))).toEqual(encodeState(state));
  });

  it('is refused a put that would close its value, and takes one beside it', () => {
    const { made, a } = five();
    made.ask(a, merge(made, state));
    const context = contextOf(stored(a), new Set());
    expect(refusals(made.ask(a, lead(made, copyOf(2), { context })))).toEqual(['history_full']);
    expect(writes(stored(a))).toEqual([1]);
    expect(made.ask(a, lead(made, copyOf(2)))).toMatchObject([{ outcome: 'minted' }]);
    expect(found(made, a)).toMatchObject([{ what: 'state' }]);
    // The value is known to be sole: nothing need be remembered of it, and it can be replaced.
    const sole = contextOf(stored(a), new Set(state.siblings.map(({ writeId }) => writeId)));
    const writesSeen = sole.writes.filter(({ writeId }) => writeId === copyOf(1).writeId);
    const replacing = { ...sole, writes: writesSeen, history: historyOf(state.siblings[0]?.dots ?? []) };
    expect(made.ask(a, lead(made, copyOf(3), { context: replacing }))).toMatchObject([{ outcome: 'minted' }]);
    expect(writes(stored(a))).toEqual([2, 3]);
  });
});

describe('a restart', () => {
  it('keeps what was confirmed, and begins new actors', () => {
    const made = readyNet(topologyOf(['a']));
    const a = made.pod('a');
    made.ask(a, lead(made, copyOf(1)));
    const next = made.start('a', { store: a.store });
    made.run(100);
    made.ask(next, lead(made, copyOf(2)));
    expect(stored(next).history.actors).toEqual(
      [makeActor('a', a.boot, 1), makeActor('a', next.boot, 1)].toSorted(),
    );
    expect(writes(stored(next))).toEqual([1, 2]);
  });
});

describe('a key of which two sides of a partition filled the history', () => {
  // Each side is within what its leads may close; the merge is not, and merges are never refused (rule 19).
  const sides = (): readonly KeyState[] => {
    const full = fullState();
    const closed = full.closed.map((id) => `+${id.slice(1)}`);
    return [
      full,
      { ...emptyState, closed },
      { ...emptyState, closed: full.closed.map((id) => `-${id.slice(1)}`) },
    ];
  };

  it('is merged, read, answered to who repeats a closed write, and handed off, in parts', () => {
    const { made, a, e } = five();
    for (const side of sides()) {
      expect(made.ask(a, merge(made, side))).toMatchObject([{ kind: 'merged' }]);
      expect(made.ask(e, merge(made, side, { key: OTHER, owedSlots: 0b001 }))).toMatchObject([
        { kind: 'merged' },
      ]);
    }
    const whole = encodeState(stored(a));
    expect(whole.length).toBeGreaterThan(FRAME_BYTES_MAX);
    const read_ = found(made, a).map(({ state }) => decodeState(state));
    expect(Buffer.compare(encodeState(assemble(read_)), whole)).toBe(0);

    const again = made.ask(a, lead(made, copyOf(9, { writeId: sides()[1]?.closed[5] ?? '' })));
    expect(again.length).toBeGreaterThan(1);
    const told = again.map((led) => decodeState(led.kind === 'led' ? led.state : new Uint8Array(0)));
    expect(Buffer.compare(encodeState(assemble(told)), whole)).toBe(0);

    made.run(5_000);
    expect(e.store.count('hints')).toBe(0);
    expect(Buffer.compare(encodeState(stored(a, OTHER)), whole)).toBe(0);
  });
});
