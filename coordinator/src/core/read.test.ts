import type { Context } from '@circlet/shared/causality/context.ts';
import { historyOf } from '@circlet/shared/causality/history.ts';
import { emptyState } from '@circlet/shared/causality/key-state.ts';
import { partsOf } from '@circlet/shared/causality/parts.ts';
import { encodeState } from '@circlet/shared/causality/state-codec.ts';
import { NO_DIGEST, NO_STATE } from '@circlet/shared/protocol/replica.ts';
import { describe, expect, it } from 'vitest';
import { answers, begin, failures, merges, type Reading, repaired, X, XY, Y } from './read.case.ts';
import { dotOf, idOf, ScriptedDesk, sibling, stateWith } from './scripted-desk.case.ts';

const SUSPECT = { what: 'suspect' as const, digest: NO_DIGEST, state: NO_STATE };

describe('a read', () => {
  it('asks one owner for the state and the others for digests, and answers when R agree', () => {
    const reading = begin();
    const { desk, operation } = reading;
    expect(desk.questions()).toEqual(['a state', 'b digest', 'c digest']);
    desk.found(operation, 'a', X);
    expect(answers(reading)).toEqual([]);
    desk.found(operation, 'c', X);
    expect(answers(reading)).toEqual(['X']);
    desk.found(operation, 'b', X);
    expect(desk.finishedAtMs).toBe(0);
    expect(desk.questions()).toHaveLength(3);
  });

  it('waits for the state when the digests are there first, and asks nobody else meanwhile', () => {
    const reading = begin();
    const { desk, operation } = reading;
    desk.found(operation, 'b', X);
    desk.found(operation, 'c', X);
    expect(desk.questions()).toHaveLength(3);
    desk.found(operation, 'a', X);
    expect(answers(reading)).toEqual(['X']);
    expect(desk.questions()).toHaveLength(3);
  });

  it('asks the owner that answers soonest for the state, unless the difference is noise', () => {
    const desk = new ScriptedDesk();
    for (let i = 0; i < 20; i++) {
      desk.node('a').reads.add(30);
      desk.node('b').reads.add(3);
      desk.node('c').reads.add(2);
    }
    expect(begin({}, desk).desk.questions()).toEqual(['a digest', 'b state', 'c digest']);
  });

  it('answers with the history of what it returns, and no more', () => {
    const reading = begin();
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    desk.found(operation, 'b', Y);
    desk.found(operation, 'b', Y);
    expect(reading.results).toMatchObject([
      {
        reading: {
          context: {
            history: historyOf([dotOf('a'), dotOf('b')]),
            writes: [{ writeId: idOf('X') }, { writeId: idOf('Y') }],
          },
        },
      },
    ]);
  });
});

describe('a read of replicas that differ', () => {
  it('fetches the state behind each digest that it does not know, once', () => {
    const reading = begin({ r: 3 });
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    desk.found(operation, 'b', Y);
    desk.found(operation, 'c', Y);
    expect(desk.questions(3)).toEqual(['b state']);
    desk.found(operation, 'b', Y);
    expect(answers(reading)).toEqual(['XY']);
  });

  it('asks another with the same digest when the first does not deliver', () => {
    const reading = begin({ r: 3, sloppy: false });
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    desk.found(operation, 'b', Y);
    desk.found(operation, 'c', Y);
    desk.refuse(operation, 'b', 'read', 'unreachable');
    expect(desk.questions(3)).toEqual(['b state', 'c state']);
    desk.found(operation, 'c', Y);
    expect(answers(reading)).toEqual(['XY']);
  });

  it('does not answer from a digest that nothing explains', () => {
    const reading = begin({ r: 2, rIsFirm: true, sloppy: false });
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    desk.found(operation, 'b', Y);
    desk.refuse(operation, 'b', 'read', 'unreachable');
    desk.refuse(operation, 'c', 'read', 'unreachable');
    expect(failures(reading)).toEqual([
      { code: 'quorum_unavailable', need: 2, got: 1, from: 'owners', outcome: undefined },
    ]);
  });

  it('repairs every owner that lacks something, the first that answered too', () => {
    const reading = begin({ r: 1 });
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    expect(answers(reading)).toEqual(['X']);
    desk.found(operation, 'b', Y);
    desk.found(operation, 'c', undefined);
    expect(merges(reading)).toEqual([]);
    desk.found(operation, 'b', Y);
    expect(repaired(reading)).toEqual(['a XY', 'b XY', 'c XY']);
    expect(desk.finishedAtMs).toBe(0);
  });

  it('leaves alone who has everything', () => {
    const reading = begin();
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    desk.found(operation, 'b', XY);
    desk.found(operation, 'b', XY);
    desk.found(operation, 'c', XY);
    expect(repaired(reading)).toEqual(['a XY']);
  });

  it('waits a second for those who have not answered, and no longer', () => {
    const reading = begin();
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    desk.found(operation, 'b', undefined);
    desk.pass(operation, 999);
    expect(merges(reading)).toEqual([]);
    desk.pass(operation, 2);
    expect(repaired(reading)).toEqual(['b X']);
    expect(desk.finishedAtMs).toBe(1_000);
    desk.found(operation, 'c', undefined);
    expect(repaired(reading)).toEqual(['b X']);
  });
});

describe('a read that hangs', () => {
  it('asks another owner for the state when the first takes longer than it does at its p95', () => {
    const desk = new ScriptedDesk();
    for (const node of ['a', 'b', 'c'])
      for (let i = 0; i < 40; i++) desk.node(node).reads.add(i === 39 ? 50 : 8);
    const reading = begin({}, desk);
    const { operation } = reading;
    desk.found(operation, 'b', X);
    desk.pass(operation, 7);
    expect(desk.questions()).toHaveLength(3);
    desk.pass(operation, 2);
    expect(desk.questions(3)).toEqual(['b state']);
    desk.found(operation, 'b', X);
    desk.found(operation, 'c', X);
    expect(answers(reading)).toEqual(['X']);
    expect(desk.counted).toContain('read_hedged');
  });

  it('does not when the budget is spent, but gives the node up after a quarter of the timeout', () => {
    const reading = begin();
    const { desk, operation } = reading;
    desk.hedges = 0;
    desk.found(operation, 'b', X);
    desk.found(operation, 'c', X);
    desk.pass(operation, 1_100);
    expect(desk.questions(3)).toEqual(['d state', 'b state']);
    desk.found(operation, 'b', X);
    expect(answers(reading)).toEqual(['X']);
  });

  it('takes the answer of one that was given up, if it comes', () => {
    const reading = begin({ r: 3 });
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    desk.found(operation, 'b', X);
    desk.pass(operation, 1_500);
    expect(answers(reading)).toEqual([]);
    desk.found(operation, 'c', X);
    expect(answers(reading)).toEqual(['X']);
  });
});

describe('a read with owners missing', () => {
  it('asks a fallback for each, which counts when it holds the key and not when it does not', () => {
    const reading = begin({}, new ScriptedDesk(['a', 'd', 'e']));
    const { desk, operation } = reading;
    expect(desk.questions()).toEqual(['a state', 'd state', 'e state']);
    desk.found(operation, 'a', undefined);
    desk.found(operation, 'd', undefined);
    expect(answers(reading)).toEqual([]);
    desk.found(operation, 'e', Y);
    expect(answers(reading)).toEqual(['Y']);
    expect(repaired(reading)).toEqual(['a Y']);
  });

  it('never asks one where only owners count', () => {
    const { desk } = begin({ sloppy: false }, new ScriptedDesk(['a', 'd', 'e']));
    expect(desk.questions()).toEqual(['a state', 'b state', 'c state']);
  });

  it('asks the second node of a slot that moves only when it holds hints: it may lack what its owner has', () => {
    const desk = new ScriptedDesk(['b', 'e', 'f', 'g']);
    desk.seconds = ['f', undefined, 'g'];
    const reading = begin({ timeoutMs: 1_000 }, desk);
    desk.found(reading.operation, 'b', undefined, { owedBy: ['f'] });
    desk.found(reading.operation, 'e', undefined);
    desk.pass(reading.operation, 1_000);
    expect(desk.questions()).toEqual(['b state', 'e state', 'a state', 'c state', 'f state', 'd state']);
  });

  it('answers with what there is when R is the default, and not when the client named it', () => {
    for (const [rIsFirm, expected] of [
      [false, 'X'],
      [true, 'quorum_unavailable'],
    ] as const) {
      const reading = begin({ rIsFirm }, new ScriptedDesk(['a', 'd', 'e']));
      const { desk, operation } = reading;
      desk.found(operation, 'a', X);
      desk.found(operation, 'd', undefined);
      desk.found(operation, 'e', undefined);
      for (const node of ['b', 'c']) desk.refuse(operation, node, 'read', 'unreachable');
      expect(answers(reading)).toEqual([expected]);
    }
  });

  it('does not answer with what there is when that is nothing', () => {
    const reading = begin({}, new ScriptedDesk(['a', 'd', 'e']));
    const { desk, operation } = reading;
    for (const node of ['a', 'd', 'e']) desk.found(operation, node, undefined);
    for (const node of ['b', 'c']) desk.refuse(operation, node, 'read', 'unreachable');
    expect(failures(reading)).toMatchObject([{ code: 'quorum_unavailable', need: 2, got: 1 }]);
  });
});

describe('"not found"', () => {
  it('is said when R owners say so', () => {
    const reading = begin();
    const { desk, operation } = reading;
    desk.found(operation, 'a', undefined);
    desk.found(operation, 'b', undefined);
    expect(answers(reading)).toEqual(['']);
  });

  it('is not said before a holder of hints for them was asked', () => {
    const reading = begin();
    const { desk, operation } = reading;
    desk.found(operation, 'a', undefined, { owedBy: ['e'] });
    desk.found(operation, 'b', undefined);
    expect(answers(reading)).toEqual([]);
    expect(desk.questions(3)).toContain('e state');
    desk.found(operation, 'e', Y);
    expect(answers(reading)).toEqual(['Y']);
  });

  it('is not held up by a holder for more than a tenth of a second', () => {
    const reading = begin();
    const { desk, operation } = reading;
    desk.found(operation, 'c', undefined);
    desk.found(operation, 'a', undefined, { owedBy: ['e'] });
    desk.found(operation, 'b', undefined);
    desk.pass(operation, 99);
    expect(answers(reading)).toEqual([]);
    desk.pass(operation, 102);
    expect(answers(reading)).toEqual(['']);
  });

  it('holds also of tombstones, whose context is handed out', () => {
    const tombstone = { ...sibling('T', 'a', 2), deleted: true };
    const dead = { siblings: [tombstone], history: historyOf([dotOf('a'), dotOf('a', 2)]), closed: [] };
    const reading = begin();
    const { desk, operation } = reading;
    desk.found(operation, 'a', dead);
    desk.found(operation, 'b', dead);
    expect(reading.results).toMatchObject([{ reading: { context: { history: dead.history } } }]);
  });
});

describe('a session read', () => {
  const seen: Context = { history: historyOf([dotOf('b')]), writes: [] };

  it('asks everybody who might know before it says that the replicas are stale', () => {
    const reading = begin({ r: 1 }, new ScriptedDesk(), seen);
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    expect(answers(reading)).toEqual([]);
    expect(desk.questions(3)).toEqual(['d state', 'e state']);
    desk.found(operation, 'b', X);
    desk.found(operation, 'c', X);
    desk.found(operation, 'd', undefined);
    desk.found(operation, 'e', undefined);
    expect(answers(reading)).toEqual(['stale_replicas']);
  });

  it('takes what one of them holds', () => {
    const reading = begin({ r: 1 }, new ScriptedDesk(), seen);
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    desk.found(operation, 'e', Y);
    expect(answers(reading)).toEqual(['XY']);
  });

  it('gives way to what there is only if that is new enough', () => {
    const reading = begin({}, new ScriptedDesk(['a']), seen);
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    for (const node of ['b', 'c', 'd', 'e']) desk.refuse(operation, node, 'read', 'unreachable');
    expect(answers(reading)).toEqual(['quorum_unavailable']);
  });
});

describe('a state in parts', () => {
  const large = stateWith(...['A', 'B', 'C'].map((letter, i) => sibling(letter, 'a', i + 1, 400_000)));
  const parts = partsOf(large, 500_000).map((part) => encodeState(part.state));

  const deliver = (reading: Reading, order: readonly number[]) => {
    for (const part of order) {
      reading.desk.found(reading.operation, 'a', large, {
        part,
        parts: parts.length,
        state: parts[part] ?? NO_STATE,
      });
    }
  };

  it('is put together when the last has come', () => {
    const reading = begin({ r: 1 });
    expect(parts).toHaveLength(3);
    deliver(reading, [0, 1]);
    expect(answers(reading)).toEqual([]);
    deliver(reading, [2]);
    expect(answers(reading)).toEqual(['ABC']);
  });

  it('is not taken when one is missing, and begins anew with its first', () => {
    const reading = begin({ r: 1 });
    deliver(reading, [0, 2, 1]);
    expect(answers(reading)).toEqual([]);
    deliver(reading, [0, 1, 2]);
    expect(answers(reading)).toEqual(['ABC']);
  });
});

describe('a suspect row', () => {
  it('counts for nothing and is made whole from all the others', () => {
    const reading = begin({ r: 3, rIsFirm: true, sloppy: false });
    const { desk, operation } = reading;
    desk.found(operation, 'a', undefined, SUSPECT);
    desk.found(operation, 'b', X);
    desk.found(operation, 'c', X);
    expect(desk.questions(3)).toEqual(['b state']);
    desk.found(operation, 'b', X);
    expect(answers(reading)).toEqual(['quorum_unavailable']);
    expect(merges(reading).map(({ node, heals }) => [node, heals])).toEqual([['a', true]]);
    expect(repaired(reading)).toEqual(['a X']);
  });

  it('is made whole within the deadline of the read, by which its owner judges how old that is, or not at all', () => {
    for (const [passMs, rttMs, heals] of [
      [0, 0, true],
      [4_001, 0, false],
      // What is said of its clock could be late by as much as the owner allows for.
      [0, 10_000, false],
    ] as const) {
      const reading = begin({ r: 3, rIsFirm: true, sloppy: false });
      const { desk, operation } = reading;
      const view = desk.node('a');
      view.clock.forget();
      view.clock.add(0, 0, rttMs);
      for (const node of ['b', 'c']) desk.found(operation, node, X);
      desk.nowMs = passMs;
      desk.found(operation, 'a', undefined, SUSPECT);
      if (desk.questions().includes('c state')) desk.found(operation, 'c', X);
      if (desk.questions().includes('b state')) desk.found(operation, 'b', X);
      expect(merges(reading).map((merge) => [merge.node, merge.heals])).toEqual([['a', heals]]);
      expect(desk.to('a', 'merge').deadlineMs).toBe(heals ? 4_000 : passMs + 4_000);
    }
  });

  it('gets what is there, and stays suspect, while another owner has not spoken', () => {
    const reading = begin({}, new ScriptedDesk(['a', 'b', 'd', 'e']));
    const { desk, operation } = reading;
    desk.found(operation, 'a', undefined, SUSPECT);
    desk.found(operation, 'b', X);
    desk.found(operation, 'b', X);
    desk.found(operation, 'd', X);
    expect(answers(reading)).toEqual(['X']);
    desk.pass(operation, 1_100);
    expect(merges(reading).map(({ node, heals }) => [node, heals])).toEqual([['a', false]]);
  });

  it('is made whole also when the others have nothing', () => {
    const reading = begin();
    const { desk, operation } = reading;
    desk.found(operation, 'b', undefined);
    desk.found(operation, 'c', undefined);
    desk.found(operation, 'a', undefined, SUSPECT);
    expect(answers(reading)).toEqual(['']);
    expect(merges(reading).map(({ node, heals, state }) => [node, heals, state])).toEqual([
      ['a', true, emptyState],
    ]);
  });

  it('at a fallback counts for nothing either', () => {
    const reading = begin({ rIsFirm: true }, new ScriptedDesk(['a', 'd']));
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    desk.found(operation, 'd', undefined, { ...SUSPECT, as: 'holder' });
    for (const node of ['b', 'c', 'e']) {
      if (desk.questions().includes(`${node} state`)) desk.refuse(operation, node, 'read', 'unreachable');
    }
    expect(answers(reading)).toEqual(['quorum_unavailable']);
  });
});

const sole = ({ results }: Reading) =>
  results.flatMap((result) =>
    result.kind === 'read' ? result.reading.context.writes.map((seen) => seen.sole) : [],
  );

describe('sole marks', () => {
  it('are learnt from any replica that knows of them, also from one that sent only a digest', () => {
    const reading = begin();
    const { desk, operation } = reading;
    desk.found(operation, 'a', XY, { sole: 0b01 });
    desk.found(operation, 'b', XY, { sole: 0b10 });
    expect(sole(reading)).toEqual([true, true]);
  });

  it('of another state say nothing about this one', () => {
    const reading = begin();
    const { desk, operation } = reading;
    desk.found(operation, 'a', XY);
    desk.found(operation, 'b', Y, { sole: 0b1 });
    desk.found(operation, 'b', Y, { sole: 0 });
    expect(sole(reading)).toEqual([false, false]);
  });
});

describe('a read under which the topology changes', () => {
  it('begins anew, and is over when it was answered before', () => {
    const reading = begin();
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    operation.restart(desk);
    expect(desk.questions(3)).toEqual(['a state', 'b digest', 'c digest']);
    desk.found(operation, 'a', X);
    desk.found(operation, 'b', X);
    expect(answers(reading)).toEqual(['X']);
    operation.restart(desk);
    expect(desk.finishedAtMs).toBe(0);
    expect(answers(reading)).toEqual(['X']);
  });
});

describe('what nobody asked for', () => {
  it('is ignored', () => {
    const reading = begin();
    const { desk, operation } = reading;
    const found = {
      id: 99,
      as: 'owner',
      what: 'absent',
      digest: NO_DIGEST,
      sole: 0,
      part: 0,
      parts: 1,
    } as const;
    operation.replied(desk, 'd', 99, { kind: 'found', ...found, state: NO_STATE, owedBy: [] });
    operation.setBack(desk, 'e', 99, 'busy');
    operation.replied(desk, 'a', 99, { kind: 'merged', id: 99 });
    operation.mayBeDone(1);
    expect(desk.questions()).toHaveLength(3);
    expect(reading.results).toEqual([]);
  });
});
