import type { Context } from '@circlet/shared/causality/context.ts';
import { historyOf } from '@circlet/shared/causality/history.ts';
import { describe, expect, it } from 'vitest';
import type { Quorum } from './client.ts';
import { answers, begin, failures, type Reading, repaired, X, Y } from './read.case.ts';
import { dotOf, FALLBACKS, OWNERS, ScriptedDesk, sibling } from './scripted-desk.case.ts';

const ALL = [...OWNERS, ...FALLBACKS];
const TIMEOUT_MS = 4_000;
const SILENT_MS = 1_000;

/** Everybody was asked and given up by now, and nobody has said a word. */
function silentSoFar(quorum: Partial<Quorum> = {}, atLeast?: Context): Reading {
  const reading = begin(quorum, new ScriptedDesk(), atLeast);
  reading.desk.pass(reading.operation, 2.5 * SILENT_MS);
  expect(reading.desk.questions().filter((question) => question.endsWith('state'))).toHaveLength(4);
  expect(reading.desk.counted.filter((event) => event === 'read_unanswered')).toHaveLength(5);
  expect(answers(reading)).toEqual([]);
  return reading;
}

describe('a read whose replicas are all slow', () => {
  it('is answered when R of them have come, however long ago they were given up', () => {
    for (const rIsFirm of [false, true]) {
      const reading = silentSoFar({ rIsFirm });
      const { desk, operation } = reading;
      desk.pass(operation, 1_400);
      desk.found(operation, 'a', X);
      expect(answers(reading)).toEqual([]);
      desk.found(operation, 'c', X);
      expect(answers(reading)).toEqual(['X']);
    }
  });

  it('takes those who stood in for them as well, if they hold the key', () => {
    const reading = silentSoFar({ rIsFirm: true });
    const { desk, operation } = reading;
    desk.found(operation, 'd', undefined);
    desk.found(operation, 'e', X);
    expect(answers(reading)).toEqual([]);
    desk.found(operation, 'c', X);
    expect(answers(reading)).toEqual(['X']);
  });

  it('fetches what a digest stands for that came late', () => {
    const reading = begin({ sloppy: false });
    const { desk, operation } = reading;
    desk.hedges = 0;
    desk.pass(operation, 2 * SILENT_MS);
    desk.found(operation, 'c', Y);
    expect(desk.questions(3)).toEqual(['c state']);
    desk.found(operation, 'c', Y);
    desk.found(operation, 'a', X);
    expect(answers(reading)).toEqual(['XY']);
  });

  it('gives up also the one that came back, when it hangs again', () => {
    const reading = begin({ sloppy: false });
    const { desk, operation } = reading;
    desk.hedges = 0;
    desk.refuse(operation, 'b', 'read', 'unreachable');
    desk.pass(operation, 2 * SILENT_MS);
    desk.found(operation, 'c', Y);
    desk.pass(operation, SILENT_MS);
    expect(desk.counted.filter((event) => event === 'read_unanswered')).toHaveLength(3);
    operation.gone(desk, 'a');
    expect(answers(reading)).toEqual(['quorum_unavailable']);
  });

  it('gives up each a quarter of the timeout after it was asked, whoever was asked before', () => {
    const reading = begin({ r: 3 });
    const { desk, operation } = reading;
    for (const node of ['a', 'b']) desk.found(operation, node, X);
    desk.pass(operation, 600);
    desk.refuse(operation, 'c', 'read', 'busy');
    expect(desk.questions(3)).toEqual(['d state']);
    desk.pass(operation, SILENT_MS - 1);
    expect(desk.questions(4)).toEqual([]);
    desk.pass(operation, 1);
    expect(desk.questions(4)).toEqual(['e state']);
  });

  it('repairs the owner that comes after the answer', () => {
    const reading = silentSoFar();
    const { desk, operation } = reading;
    // One of them was asked twice.
    for (const node of ['a', 'b', 'b']) desk.found(operation, node, X);
    expect(answers(reading)).toEqual(['X']);
    expect(desk.finishedAtMs).toBeUndefined();
    desk.found(operation, 'c', undefined);
    expect(repaired(reading)).toEqual(['c X']);
    expect(desk.finishedAtMs).toBe(desk.nowMs);
  });

  it('begins anew with the topology, and owes nothing to what came before', () => {
    const reading = silentSoFar();
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    operation.restart(desk);
    for (const node of ['b', 'c', 'd', 'e']) desk.refuse(operation, node, 'read', 'unreachable');
    desk.found(operation, 'a', X);
    expect(answers(reading)).toEqual(['X']);
  });
});

describe('a read of which too few come', () => {
  it('is a timeout at the deadline, which says what is missing, and not before', () => {
    for (const [quorum, short] of [
      [{}, { need: 2, got: 0, from: 'any' }],
      [
        { r: 3, rIsFirm: true, sloppy: false },
        { need: 3, got: 2, from: 'owners' },
      ],
      [
        { r: 1, pr: 3 },
        { need: 3, got: 2, from: 'owners' },
      ],
    ] as const) {
      const reading = begin(quorum);
      const { desk, operation } = reading;
      for (const node of ['a', 'b'].slice(0, short.got)) desk.found(operation, node, X);
      desk.pass(operation, TIMEOUT_MS - 1);
      expect(answers(reading)).toEqual([]);
      desk.pass(operation, 1);
      expect(failures(reading)).toEqual([{ code: 'timeout', ...short, outcome: undefined }]);
      expect(desk.finishedAtMs).toBe(TIMEOUT_MS);
    }
  });

  it('fails as soon as nobody is left who could answer: the last is gone', () => {
    const reading = silentSoFar();
    const { desk, operation } = reading;
    for (const node of ALL) {
      expect(answers(reading)).toEqual([]);
      operation.gone(desk, node);
    }
    expect(failures(reading)).toMatchObject([{ code: 'quorum_unavailable', need: 2, got: 0 }]);
  });

  it('fails as soon as nobody is left who could answer: the last refuses late', () => {
    const reading = silentSoFar({ r: 5, rIsFirm: true });
    const { desk, operation } = reading;
    for (const node of ['a', 'b', 'c', 'd']) desk.found(operation, node, X);
    for (const _ of [1, 2]) desk.found(operation, 'b', X);
    expect(answers(reading)).toEqual([]);
    desk.refuse(operation, 'e', 'read', 'not_ready');
    expect(failures(reading)).toMatchObject([{ code: 'quorum_unavailable', need: 5, got: 4 }]);
  });

  it('does not wait for those who would be too few', () => {
    for (const [quorum, short] of [
      [
        { r: 3, sloppy: false },
        { need: 3, got: 1 },
      ],
      // Two who stand in cannot be owners.
      [
        { r: 2, pr: 3 },
        { need: 3, got: 1 },
      ],
    ] as const) {
      const reading = begin({ ...quorum, rIsFirm: true });
      const { desk, operation } = reading;
      desk.found(operation, 'a', X);
      desk.refuse(operation, 'b', 'read', 'unreachable');
      desk.pass(operation, 2 * SILENT_MS);
      expect(failures(reading)).toMatchObject([{ code: 'quorum_unavailable', ...short }]);
    }
  });
});

describe('a read that asked a silent one again, because it was heard since', () => {
  function askedAgain(): Reading {
    const reading = begin({ r: 3, rIsFirm: true, sloppy: false });
    const { desk, operation } = reading;
    for (const node of ['a', 'b']) desk.found(operation, node, X);
    desk.node('c').heardMs = 1;
    desk.pass(operation, SILENT_MS);
    expect(desk.questions(3)).toEqual(['c digest']);
    expect(answers(reading)).toEqual([]);
    return reading;
  }

  it('fails when it refuses one of the two requests, and does not wait for the other', () => {
    const reading = askedAgain();
    const { desk, operation } = reading;
    desk.refuse(operation, 'c', 'read', 'not_ready');
    expect(failures(reading)).toMatchObject([{ code: 'quorum_unavailable', need: 3, got: 2 }]);
  });

  it('repairs it when it answers one of the two requests, and does not wait for the other', () => {
    const reading = askedAgain();
    const { desk, operation } = reading;
    desk.found(operation, 'c', undefined);
    expect(answers(reading)).toEqual(['X']);
    expect(repaired(reading)).toEqual(['c X']);
    expect(desk.finishedAtMs).toBe(desk.nowMs);
  });
});

describe('a default R', () => {
  it('gives way at once to what there is when the others are given up', () => {
    const reading = begin();
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    desk.pass(operation, SILENT_MS + 100);
    for (const node of FALLBACKS) desk.found(operation, node, undefined);
    expect(answers(reading)).toEqual(['X']);
  });

  it('waits for one that may have something to show, also when there can be no R', () => {
    const reading = begin();
    const { desk, operation } = reading;
    for (const node of ['a', 'b']) desk.refuse(operation, node, 'read', 'unreachable');
    for (const node of FALLBACKS) desk.found(operation, node, undefined);
    desk.pass(operation, 3 * SILENT_MS);
    expect(answers(reading)).toEqual([]);
    desk.found(operation, 'c', X);
    expect(answers(reading)).toEqual(['X']);
  });

  it('does not give way to the first that comes back: the others have as long again', () => {
    const reading = silentSoFar();
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    desk.pass(operation, SILENT_MS - 1);
    expect(answers(reading)).toEqual([]);
    desk.found(operation, 'b', Y);
    expect(answers(reading)).toEqual(['XY']);
  });

  it('gives way when they do not use it, and at the deadline', () => {
    for (const [cameMs, answeredMs] of [
      [2_500, 3_500],
      [3_600, TIMEOUT_MS],
    ] as const) {
      const reading = silentSoFar();
      const { desk, operation } = reading;
      desk.pass(operation, cameMs - desk.nowMs);
      desk.found(operation, 'a', X);
      desk.pass(operation, answeredMs - desk.nowMs - 1);
      expect(answers(reading)).toEqual([]);
      desk.pass(operation, 1);
      expect(answers(reading)).toEqual(['X']);
    }
  });
});

describe('a read that cannot take what it has', () => {
  const seen: Context = { history: historyOf([dotOf('b')]), writes: [] };

  it('waits for the owner that may have what the client has seen', () => {
    const reading = begin({ r: 1 }, new ScriptedDesk(), seen);
    const { desk, operation } = reading;
    for (const node of ['a', 'c']) desk.found(operation, node, X);
    for (const node of FALLBACKS) desk.found(operation, node, undefined);
    desk.pass(operation, 3 * SILENT_MS);
    expect(answers(reading)).toEqual([]);
    desk.found(operation, 'b', Y);
    if (desk.questions().at(-1) === 'b state') desk.found(operation, 'b', Y);
    expect(answers(reading)).toEqual(['XY']);
  });

  it('says at the deadline that the replicas are stale: enough of them have answered', () => {
    const reading = begin({ r: 1 }, new ScriptedDesk(), seen);
    const { desk, operation } = reading;
    desk.found(operation, 'a', X);
    desk.pass(operation, TIMEOUT_MS - 1);
    expect(answers(reading)).toEqual([]);
    desk.pass(operation, 1);
    expect(answers(reading)).toEqual(['stale_replicas']);
  });

  it('waits for the owners without whom it must not say "not found", and says at the deadline that they are missing', () => {
    const tombstone = { ...sibling('T', 'a'), deleted: true };
    const dead = { siblings: [tombstone], history: historyOf([dotOf('a')]), closed: [] };
    const readings = [1, 2].map(() => {
      const reading = begin();
      const { desk, operation } = reading;
      desk.found(operation, 'a', dead);
      desk.pass(operation, 1.1 * SILENT_MS);
      for (const node of FALLBACKS) desk.found(operation, node, dead);
      desk.pass(operation, SILENT_MS);
      expect(answers(reading)).toEqual([]);
      return reading;
    });
    const [late, never] = readings as [Reading, Reading];
    late.desk.found(late.operation, 'c', undefined);
    expect(answers(late)).toEqual(['T']);
    never.desk.pass(never.operation, TIMEOUT_MS);
    expect(failures(never)).toMatchObject([{ code: 'timeout', need: 2, got: 1, from: 'owners' }]);
  });
});
