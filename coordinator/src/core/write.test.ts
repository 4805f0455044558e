import { historyOf, withDot } from '@circlet/shared/causality/history.ts';
import { only } from '@circlet/shared/causality/key-state.ts';
import { encodeState } from '@circlet/shared/causality/state-codec.ts';
import { describe, expect, it } from 'vitest';
import type { Quorum } from './client.ts';
import { dotOf, idOf, lettersIn, ScriptedDesk, sibling, stateWith } from './scripted-desk.case.ts';
import { begin, contexts, failure, merges } from './write.case.ts';

describe('a write', () => {
  it('is led by the first owner, copied to the others, and answered when W have it', () => {
    const writing = begin();
    const { desk, operation } = writing;
    expect(desk.questions()).toEqual(['a lead']);
    desk.led(operation, 'a');
    expect(desk.questions()).toEqual(['a lead', 'b merge', 'c merge']);
    expect(writing.results).toEqual([]);
    desk.merged(operation, 'b');
    expect(contexts(writing)).toEqual([
      { history: historyOf([dotOf('a')]), writes: [{ writeId: idOf('X'), sole: true }] },
    ]);
    // The last copy is still worth waiting for.
    expect(desk.finishedAtMs).toBeUndefined();
    desk.merged(operation, 'c');
    expect(desk.finishedAtMs).toBe(0);
  });

  it('tells the others its dot, its context, and that it is sole', () => {
    const context = {
      history: historyOf([dotOf('b', 4)]),
      writes: [
        { writeId: idOf('S'), sole: true },
        { writeId: idOf('T'), sole: false },
      ],
    };
    const writing = begin({}, new ScriptedDesk(), {}, context);
    writing.desk.led(writing.operation, 'a');
    for (const { owedSlots, heals, sole, state } of merges(writing)) {
      expect([owedSlots, heals]).toEqual([0, false]);
      expect(sole).toEqual([idOf('S'), idOf('X')]);
      expect(state.closed).toEqual([idOf('T')]);
      expect(state.history).toEqual(historyOf([dotOf('a'), dotOf('b', 4)]));
      expect(lettersIn(state)).toEqual(['X']);
    }
  });

  it('goes to the owner that is clearly the fastest, and to the first when there is only noise between them', () => {
    const desk = new ScriptedDesk();
    for (let i = 0; i < 20; i++) {
      desk.node('a').writes.add(3);
      desk.node('b').writes.add(2);
      desk.node('c').writes.add(1.5);
    }
    expect(begin({}, desk).desk.questions()).toEqual(['a lead']);
    const hurt = new ScriptedDesk();
    for (let i = 0; i < 20; i++) {
      hurt.node('a').writes.add(40);
      hurt.node('b').writes.add(2);
      hurt.node('c').writes.add(1.5);
    }
    expect(begin({}, hurt).desk.questions()).toEqual(['b lead']);
  });
});

describe('a write with owners missing', () => {
  it('has a fallback for each, which owes the slot of the one it stands in for', () => {
    const writing = begin({}, new ScriptedDesk(['b', 'd', 'e']));
    const { desk, operation } = writing;
    expect(desk.questions()).toEqual(['b lead']);
    desk.led(operation, 'b');
    expect(merges(writing).map(({ node, owedSlots }) => [node, owedSlots])).toEqual([
      ['d', 0b001],
      ['e', 0b100],
    ]);
  });

  it('is led by a fallback when there is no owner, and only in sloppy mode', () => {
    const { desk } = begin({}, new ScriptedDesk(['d', 'e']));
    expect(desk.questions()).toEqual(['d lead']);
    const { question } = desk.to('d', 'lead');
    expect(question.kind === 'lead' && question.owedSlots).toBe(0b001);
    const strict = begin({ sloppy: false, w: 1 }, new ScriptedDesk(['d', 'e']));
    expect(strict.desk.questions()).toEqual([]);
    expect(failure(strict)).toMatchObject([{ need: 1, got: 0, from: 'owners', outcome: 'none' }]);
    expect(strict.desk.finishedAtMs).toBe(0);
  });

  it('passes the slots of a fallback that fails on to the next, and then to nobody', () => {
    const writing = begin({ w: 3 }, new ScriptedDesk(['a', 'b', 'd', 'e']));
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    desk.refuse(operation, 'd', 'merge', 'busy');
    expect(merges(writing).map(({ node, owedSlots }) => [node, owedSlots])).toEqual([
      ['b', 0],
      ['d', 0b100],
      ['e', 0b100],
    ]);
    desk.merged(operation, 'b');
    desk.refuse(operation, 'e', 'merge', 'unreachable');
    expect(failure(writing)).toMatchObject([
      { code: 'quorum_unavailable', need: 3, got: 2, outcome: 'unknown' },
    ]);
  });

  it('goes on placing copies after it was answered, also as a failure', () => {
    const writing = begin({ w: 3, sloppy: false });
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    desk.refuse(operation, 'c', 'merge', 'not_ready');
    expect(failure(writing)).toMatchObject([{ need: 3, got: 1, outcome: 'unknown' }]);
    expect(desk.questions(3)).toEqual(['d merge']);
    desk.merged(operation, 'd');
    desk.merged(operation, 'b');
    desk.pass(operation, 600);
    expect(desk.finishedAtMs).toBeDefined();
    expect(writing.results).toHaveLength(1);
  });

  it('says what there was before anything is sent', () => {
    const cases: readonly (readonly [Partial<Quorum>, object])[] = [
      [
        { w: 3, sloppy: false },
        { need: 3, got: 1, from: 'owners' },
      ],
      [
        { w: 1, pw: 2 },
        { need: 2, got: 1, from: 'owners' },
      ],
      [{ w: 3 }, { need: 3, got: 2, from: 'any' }],
    ];
    for (const [quorum, expected] of cases) {
      const writing = begin(quorum, new ScriptedDesk(['b', 'd']));
      expect(failure(writing)).toEqual([{ code: 'quorum_unavailable', outcome: 'none', ...expected }]);
      expect(writing.desk.asked).toEqual([]);
    }
  });
});

describe('a lead that refuses', () => {
  it('is followed by the next at once, and its slot goes to a fallback', () => {
    const writing = begin();
    const { desk, operation } = writing;
    desk.refuse(operation, 'a', 'lead', 'expired');
    expect(desk.questions()).toEqual(['a lead', 'b lead']);
    desk.led(operation, 'b');
    expect(desk.questions(2)).toEqual(['c merge', 'd merge']);
    desk.merged(operation, 'c');
    // Two were asked, so there may be a twin.
    expect(contexts(writing)).toMatchObject([{ writes: [{ sole: false }] }]);
  });

  it('means `none` when all of them do, and `overloaded` when all were busy', () => {
    const writing = begin({ sloppy: false });
    const { desk, operation } = writing;
    desk.refuse(operation, 'a', 'lead', 'busy');
    desk.refuse(operation, 'b', 'lead', 'not_ready');
    desk.refuse(operation, 'c', 'lead', 'unreachable');
    expect(failure(writing)).toMatchObject([
      { code: 'quorum_unavailable', outcome: 'none', need: 2, got: 0 },
    ]);
    expect(desk.finishedAtMs).toBe(0);
    const busy = begin();
    for (const node of ['a', 'b', 'c', 'd', 'e']) busy.desk.refuse(busy.operation, node, 'lead', 'busy');
    expect(failure(busy)).toEqual([{ code: 'overloaded', outcome: 'none', retryAfterMs: 1_000 }]);
  });

  it('for a reason that no other lead would see differently is the answer', () => {
    for (const code of ['too_many_siblings', 'idempotency_mismatch'] as const) {
      const writing = begin();
      writing.desk.refuse(writing.operation, 'a', 'lead', code);
      expect(failure(writing)).toEqual([{ code }]);
      expect(writing.desk.questions()).toEqual(['a lead']);
    }
  });

  it('but not when an attempt before was silent: that one may have been done', () => {
    const writing = begin();
    const { desk, operation } = writing;
    desk.pass(operation, 1_100);
    expect(desk.questions()).toEqual(['a lead', 'b lead']);
    desk.refuse(operation, 'b', 'lead', 'too_many_siblings');
    expect(failure(writing)).toMatchObject([{ code: 'quorum_unavailable', outcome: 'unknown' }]);
  });

  it('nor when one before had an error of its own, which may have done anything', () => {
    const writing = begin();
    writing.desk.refuse(writing.operation, 'a', 'lead', 'internal');
    writing.desk.refuse(writing.operation, 'b', 'lead', 'too_many_siblings');
    expect(failure(writing)).toMatchObject([{ code: 'quorum_unavailable', outcome: 'unknown' }]);
  });

  it('with an error of its own may have done anything, and a third is not tried after two', () => {
    const writing = begin();
    const { desk, operation } = writing;
    desk.refuse(operation, 'a', 'lead', 'internal');
    desk.refuse(operation, 'b', 'lead', 'internal');
    expect(desk.questions()).toEqual(['a lead', 'b lead']);
    expect(failure(writing)).toEqual([{ code: 'internal', outcome: 'unknown' }]);
  });

  it('in a later life than it was asked in may have done it before', () => {
    const writing = begin({ sloppy: false, w: 1 }, new ScriptedDesk(['a']));
    const { desk, operation } = writing;
    operation.mayBeDone(desk.to('a', 'lead').id);
    desk.refuse(operation, 'a', 'lead', 'not_ready');
    expect(failure(writing)).toMatchObject([{ outcome: 'unknown' }]);
    // Nor does a later life that is only busy undo what the one before may have committed.
    const busy = begin({ sloppy: false, w: 1 }, new ScriptedDesk(['a']));
    busy.operation.mayBeDone(busy.desk.to('a', 'lead').id);
    busy.desk.refuse(busy.operation, 'a', 'lead', 'busy');
    expect(failure(busy)).toMatchObject([{ code: 'quorum_unavailable', outcome: 'unknown' }]);
    const minted = begin({ w: 1 });
    minted.operation.mayBeDone(minted.desk.to('a', 'lead').id);
    minted.desk.led(minted.operation, 'a');
    expect(contexts(minted)).toMatchObject([{ writes: [{ sole: false }] }]);
  });
});

describe('every attempt at a write', () => {
  it('says the same of it, for all of that was fixed before the first (rule 1)', () => {
    const { desk, operation } = begin({}, new ScriptedDesk(), { writtenAtMs: 1_234 });
    desk.refuse(operation, 'a', 'lead', 'busy');
    desk.pass(operation, 1_100);
    expect(desk.questions()).toEqual(['a lead', 'b lead', 'c lead']);
    const [first, ...others] = desk.asked.map(({ question }) => question);
    expect(others).toEqual([first, first]);
  });
});

describe('a lead that is silent', () => {
  it('is given up after a quarter of the timeout, or what it took at worst, and never after more than half', () => {
    for (const [worstMs, expectedMs] of [
      [1, 1_000],
      [1_400, 1_500],
      [3_900, 2_000],
    ] as const) {
      const desk = new ScriptedDesk();
      for (const node of ['a', 'b', 'c']) for (let i = 0; i < 20; i++) desk.node(node).writes.add(worstMs);
      const { operation } = begin({}, desk);
      desk.pass(operation, expectedMs - 1);
      expect(desk.asked).toHaveLength(1);
      desk.pass(operation, 501);
      expect(desk.questions()).toEqual(['a lead', 'b lead']);
    }
  });

  it('is followed by one other, and then nobody: the write itself may be what breaks them', () => {
    const writing = begin();
    writing.desk.pass(writing.operation, 4_000);
    expect(writing.desk.questions()).toEqual(['a lead', 'b lead']);
    expect(failure(writing)).toEqual([{ code: 'timeout', need: 2, got: 0, from: 'any', outcome: 'unknown' }]);
    expect(writing.desk.finishedAtMs).toBe(4_000);
  });

  it('may still answer: both dots are in the context, and each node counts once', () => {
    const writing = begin({ w: 3, sloppy: false });
    const { desk, operation } = writing;
    desk.pass(operation, 1_100);
    desk.led(operation, 'b');
    desk.merged(operation, 'c');
    expect(writing.results).toEqual([]);
    desk.led(operation, 'a');
    expect(contexts(writing)).toMatchObject([
      { history: historyOf([dotOf('a'), dotOf('b')]), writes: [{ sole: false }] },
    ]);
  });

  it('and then refuses does not set another one off while its successor is at work', () => {
    const { desk, operation } = begin();
    desk.pass(operation, 1_100);
    desk.refuse(operation, 'a', 'lead', 'wrong_boot');
    expect(desk.questions()).toEqual(['a lead', 'b lead']);
    desk.refuse(operation, 'b', 'lead', 'not_ready');
    expect(desk.questions()).toEqual(['a lead', 'b lead', 'c lead']);
  });

  it('makes the outcome unknown for good, also when it refuses in the end (rule 14)', () => {
    const writing = begin({ sloppy: false, w: 1 }, new ScriptedDesk(['a', 'b']));
    const { desk, operation } = writing;
    desk.pass(operation, 1_100);
    expect(desk.questions()).toEqual(['a lead', 'b lead']);
    desk.refuse(operation, 'a', 'lead', 'busy');
    desk.refuse(operation, 'b', 'lead', 'busy');
    expect(failure(writing)).toMatchObject([{ outcome: 'unknown' }]);
  });

  it('is remembered by the coordinator', () => {
    const desk = new ScriptedDesk();
    desk.nowMs = 10;
    const { operation } = begin({}, desk);
    desk.pass(operation, 1_100);
    expect(desk.node('a').isUsable(desk.nowMs)).toBe(false);
    expect(desk.node('c').isUsable(desk.nowMs)).toBe(true);
  });

  it('that answers when all is over changes nothing', () => {
    const writing = begin();
    const { desk, operation } = writing;
    desk.pass(operation, 4_000);
    desk.led(operation, 'a');
    desk.merged(operation, 'b');
    expect(writing.results).toHaveLength(1);
    expect(desk.questions()).toEqual(['a lead', 'b lead']);
  });
});

describe('a lead that holds the write already', () => {
  it('tells its dots and its time, which the others get', () => {
    const writing = begin({}, new ScriptedDesk(), { keyed: true });
    const { desk, operation } = writing;
    desk.led(operation, 'a', { outcome: 'held', dots: [dotOf('a'), dotOf('c', 5)], writtenAtMs: 3 });
    for (const { state, sole } of merges(writing)) {
      expect(state.siblings).toMatchObject([{ dots: [dotOf('a'), dotOf('c', 5)], writtenAtMs: 3 }]);
      expect(sole).toEqual([]);
    }
    desk.merged(operation, 'c');
    expect(contexts(writing)).toMatchObject([{ history: historyOf([dotOf('a'), dotOf('c', 5)]) }]);
  });

  it('is one copy of it: the write is answered when W have what that lead holds (rule 1)', () => {
    const writing = begin();
    const { desk, operation } = writing;
    desk.led(operation, 'a', { outcome: 'held' });
    expect(writing.results).toEqual([]);
    desk.merged(operation, 'b');
    // Held there before it was asked: another attempt was made, so there may be a twin.
    expect(contexts(writing)).toMatchObject([{ writes: [{ writeId: idOf('X'), sole: false }] }]);
  });

  it('or has closed it sends its whole state, which must reach W before the write is answered (rule 22)', () => {
    const writing = begin();
    const { desk, operation } = writing;
    const alive = stateWith(sibling('Y', 'a', 2), sibling('Z', 'b'));
    const superseder = { ...alive, history: withDot(alive.history, dotOf('a', 1)), closed: [idOf('X')] };
    const parts = [only([sibling('Y', 'a', 2)]), { ...superseder, siblings: [sibling('Z', 'b')] }];
    const closed = { outcome: 'closed' as const, dots: [], parts: 2 };
    // A part that comes out of order is not taken; in order they make the whole.
    desk.led(operation, 'a', { ...closed, part: 1, state: encodeState(parts[1] ?? superseder) });
    expect(desk.asked).toHaveLength(1);
    parts.forEach((part, i) => desk.led(operation, 'a', { ...closed, part: i, state: encodeState(part) }));
    expect(desk.questions(1)).toEqual(['b merge', 'c merge']);
    for (const { state } of merges(writing)) expect(state).toEqual(superseder);
    expect(writing.results).toEqual([]);
    desk.merged(operation, 'c');
    // It names the write, and covers nothing that the client was not shown: neither what superseded it nor what died with it.
    expect(contexts(writing)).toEqual([
      {
        history: historyOf([]),
        writes: [{ writeId: idOf('X'), sole: false }],
        superseded: idOf('X'),
      },
    ]);
  });
});

describe('a copy in several parts', () => {
  it('counts when all of them are acknowledged', () => {
    const writing = begin({}, new ScriptedDesk(['a', 'b']));
    const { desk, operation } = writing;
    const large = Array.from({ length: 4 }, (_, i) => sibling('ABCD'.charAt(i), 'c', i + 1, 400_000));
    const state = { ...stateWith(...large), closed: [idOf('X')] };
    const parts = [...large.map((each) => only([each])), { ...state, siblings: [] }];
    parts.forEach((part, i) =>
      desk.led(operation, 'a', {
        outcome: 'closed',
        dots: [],
        part: i,
        parts: parts.length,
        state: encodeState(part),
      }),
    );
    const sent = desk.asked.filter(({ node }) => node === 'b');
    expect(sent.length).toBeGreaterThan(1);
    for (const { id } of sent.slice(1)) operation.replied(desk, 'b', id, { kind: 'merged', id });
    expect(writing.results).toEqual([]);
    operation.replied(desk, 'b', sent[0]?.id ?? 0, { kind: 'merged', id: sent[0]?.id ?? 0 });
    expect(writing.results).toHaveLength(1);
  });
});

describe('a copy', () => {
  it('counts once, however often it is acknowledged', () => {
    const writing = begin({ w: 3 });
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    for (let i = 0; i < 5; i++) desk.merged(operation, 'b');
    desk.led(operation, 'a');
    expect(writing.results).toEqual([]);
  });

  it('that is silent is given to a fallback, and counts if it comes after all', () => {
    const writing = begin({ w: 3, sloppy: false });
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    desk.merged(operation, 'b');
    desk.pass(operation, 1_600);
    expect(desk.questions(3)).toEqual(['d merge']);
    expect(writing.results).toEqual([]);
    desk.merged(operation, 'c');
    expect(contexts(writing)).toHaveLength(1);
  });

  it('that is missing at the deadline makes it a timeout, of which nothing is known', () => {
    const writing = begin({ w: 3, sloppy: false });
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    desk.merged(operation, 'b');
    desk.pass(operation, 4_000);
    expect(failure(writing)).toEqual([
      { code: 'timeout', need: 3, got: 2, from: 'owners', outcome: 'unknown' },
    ]);
    expect(desk.finishedAtMs).toBe(4_000);
  });

  // It stood still, and its messages are handled before its timers.
  it('that is handled past the deadline is not counted, though it came in time', () => {
    const writing = begin({ sloppy: false });
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    desk.nowMs = 4_001;
    desk.merged(operation, 'b');
    expect(failure(writing)).toMatchObject([{ code: 'timeout', outcome: 'unknown' }]);
  });
});

describe('a write under which the topology changes', () => {
  it('starts again with what it has: a lead that may have done it is not asked once more', () => {
    const writing = begin();
    const { desk, operation } = writing;
    operation.restart(desk);
    expect(desk.questions()).toEqual(['a lead', 'b lead']);
    desk.led(operation, 'b');
    desk.merged(operation, 'c');
    expect(contexts(writing)).toMatchObject([{ writes: [{ sole: false }] }]);
  });

  it('sends its state to everybody again once it has a dot', () => {
    const writing = begin({ w: 3 });
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    desk.merged(operation, 'b');
    operation.restart(desk);
    expect(desk.questions(3)).toEqual(['a merge', 'b merge', 'c merge']);
    for (const node of ['a', 'b', 'c']) desk.merged(operation, node);
    expect(writing.results).toHaveLength(1);
  });

  it('is over when it was answered before', () => {
    const writing = begin({ w: 1 });
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    operation.restart(desk);
    expect(desk.finishedAtMs).toBe(0);
    expect(writing.results).toHaveLength(1);
  });
});
