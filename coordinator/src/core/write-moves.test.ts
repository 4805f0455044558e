import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Quorum } from './client.ts';
import { FALLBACKS, OWNERS, QUORUM, ScriptedDesk, SECONDS } from './scripted-desk.case.ts';
import { begin, contexts, failure, merges, type Writing } from './write.case.ts';

type Seconds = ScriptedDesk['seconds'];

/** The slot of b moves to f. */
const B_TO_F: Seconds = [undefined, 'f', undefined];
/** There is to be a fourth copy, on f. */
const FOURTH: Seconds = [undefined, undefined, undefined, 'f'];

function deskWith(seconds: Seconds, up?: readonly string[]): ScriptedDesk {
  const desk = new ScriptedDesk(up);
  desk.seconds = seconds;
  return desk;
}

const owed = (writing: Writing) => merges(writing).map(({ node, owedSlots }) => [node, owedSlots]);

describe('a write while a slot moves', () => {
  it('goes to its second node too, as a copy of its own', () => {
    const writing = begin({}, deskWith(['g', 'f', undefined]));
    writing.desk.led(writing.operation, 'a');
    expect(owed(writing)).toEqual([
      ['b', 0],
      ['c', 0],
      ['g', 0],
      ['f', 0],
    ]);
  });

  it.each([
    ['b', 'f'],
    ['f', 'b'],
  ])('counts it once, when %s has it and %s too', (first, then) => {
    const writing = begin({}, deskWith(B_TO_F));
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    desk.merged(operation, first);
    expect(writing.results).toEqual([]);
    desk.merged(operation, then);
    expect(contexts(writing)).toHaveLength(1);
    // Its owner and its second are one copy of three.
    const all = begin({ w: 3 }, deskWith(B_TO_F));
    all.desk.led(all.operation, 'a');
    for (const node of ['b', 'f']) all.desk.merged(all.operation, node);
    expect(all.results).toEqual([]);
  });

  it('does not count a lead whose second has not got it', () => {
    const writing = begin({ w: 1 }, deskWith(['f', undefined, undefined]));
    writing.desk.led(writing.operation, 'a');
    expect(writing.results).toEqual([]);
    writing.desk.merged(writing.operation, 'f');
    expect(contexts(writing)).toHaveLength(1);
  });

  it('waits for the second that is late, and counts it when it comes', () => {
    const writing = begin({ w: 3, sloppy: false }, deskWith(B_TO_F));
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    for (const node of ['b', 'c']) desk.merged(operation, node);
    desk.pass(operation, 1_600);
    expect(desk.questions(4)).toEqual(['d merge']);
    desk.merged(operation, 'f');
    expect(contexts(writing)).toHaveLength(1);
  });

  it('asks for both nodes of an owner that must have it', () => {
    const writing = begin({ w: 1, pw: 2 }, deskWith(B_TO_F));
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    desk.merged(operation, 'b');
    expect(writing.results).toEqual([]);
    desk.merged(operation, 'f');
    expect(contexts(writing)).toHaveLength(1);
  });
});

describe('a node of a slot that moves and cannot be reached', () => {
  it.each([
    ['f', ['a', 'b', 'c', 'd', 'e']],
    ['b', ['a', 'c', 'd', 'e', 'f']],
  ])('has a fallback like any other: %s', (_, up) => {
    const writing = begin({ w: 3 }, deskWith(B_TO_F, up));
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    expect(owed(writing)).toContainEqual(['d', 0b010]);
    for (const node of ['b', 'c', 'f']) if (up.includes(node)) desk.merged(operation, node);
    expect(writing.results).toEqual([]);
    desk.merged(operation, 'd');
    expect(contexts(writing)).toHaveLength(1);
  });

  it('makes the slot count for W, and never for PW nor where only owners do', () => {
    const up = ['a', 'b', 'c', 'd', 'e'];
    const cases: readonly (readonly [Partial<Quorum>, object])[] = [
      [
        { w: 1, pw: 3 },
        { need: 3, got: 2, from: 'owners' },
      ],
      [
        { w: 3, sloppy: false },
        { need: 3, got: 2, from: 'owners' },
      ],
    ];
    for (const [quorum, expected] of cases) {
      const writing = begin(quorum, deskWith(B_TO_F, up));
      expect(failure(writing)).toMatchObject([{ ...expected, outcome: 'none' }]);
      expect(writing.desk.asked).toEqual([]);
    }
  });

  it('has one also when it refuses, whose copy makes the slot count for W and not for PW', () => {
    const refused = (quorum: Partial<Quorum>) => {
      const writing = begin({ w: 3, ...quorum }, deskWith(B_TO_F));
      const { desk, operation } = writing;
      desk.led(operation, 'a');
      for (const node of ['b', 'c']) desk.merged(operation, node);
      desk.refuse(operation, 'f', 'merge', 'busy');
      expect(owed(writing).at(-1)).toEqual(['d', 0b010]);
      return writing;
    };
    const any = refused({});
    expect(any.results).toEqual([]);
    any.desk.merged(any.operation, 'd');
    expect(contexts(any)).toHaveLength(1);
    const owners = { need: 3, got: 2, from: 'owners', outcome: 'unknown' };
    expect(failure(refused({ pw: 3 }))).toMatchObject([owners]);
    expect(failure(refused({ sloppy: false }))).toMatchObject([owners]);
  });

  it('has one of its own when the other cannot be reached either', () => {
    const writing = begin({ w: 3 }, deskWith(B_TO_F, ['a', 'c', 'd', 'e']));
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    expect(owed(writing)).toEqual([
      ['d', 0b010],
      ['c', 0],
      ['e', 0b010],
    ]);
    for (const node of ['c', 'd']) desk.merged(operation, node);
    expect(writing.results).toEqual([]);
    desk.merged(operation, 'e');
    expect(contexts(writing)).toHaveLength(1);
  });

  it('makes the slot count for nothing when nobody stands in for it', () => {
    const early = begin({ w: 3 }, deskWith(B_TO_F, ['a', 'b', 'c']));
    expect(failure(early)).toMatchObject([{ need: 3, got: 2, outcome: 'none' }]);
    const late = begin({ w: 3 }, deskWith(B_TO_F, ['a', 'b', 'c', 'd', 'f']));
    const { desk, operation } = late;
    desk.led(operation, 'a');
    for (const node of ['b', 'c']) desk.merged(operation, node);
    desk.refuse(operation, 'f', 'merge', 'not_ready');
    expect(desk.questions(4)).toEqual(['d merge']);
    desk.refuse(operation, 'd', 'merge', 'busy');
    expect(failure(late)).toMatchObject([{ need: 3, got: 2, outcome: 'unknown' }]);
  });
});

describe('a slot that is being added', () => {
  it('gets its copy, and neither counts nor keeps anybody waiting', () => {
    const writing = begin({ w: 3 }, deskWith(FOURTH));
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    expect(owed(writing)).toContainEqual(['f', 0]);
    for (const node of ['f', 'b']) desk.merged(operation, node);
    expect(writing.results).toEqual([]);
    desk.merged(operation, 'c');
    expect(contexts(writing)).toHaveLength(1);
    const without = begin({ w: 3 }, deskWith(FOURTH));
    without.desk.led(without.operation, 'a');
    for (const node of ['b', 'c']) without.desk.merged(without.operation, node);
    expect(contexts(without)).toHaveLength(1);
    expect(without.desk.finishedAtMs).toBe(0);
  });

  it('has nobody to stand in for it', () => {
    const away = begin({}, deskWith(FOURTH, ['a', 'b', 'c', 'd', 'e']));
    away.desk.led(away.operation, 'a');
    const refused = begin({}, deskWith(FOURTH));
    refused.desk.led(refused.operation, 'a');
    refused.desk.refuse(refused.operation, 'f', 'merge', 'busy');
    const silent = begin({ w: 3 }, deskWith(FOURTH));
    silent.desk.led(silent.operation, 'a');
    silent.desk.merged(silent.operation, 'b');
    silent.operation.gone(silent.desk, 'f');
    for (const { desk } of [away, refused, silent])
      for (const node of FALLBACKS) expect(desk.asked.map((each) => each.node)).not.toContain(node);
  });

  it('is not waited for when it is silent and W cannot be met', () => {
    const writing = begin({ w: 3, sloppy: false }, deskWith(FOURTH));
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    operation.gone(desk, 'f');
    desk.merged(operation, 'b');
    desk.refuse(operation, 'c', 'merge', 'not_ready');
    expect(failure(writing)).toMatchObject([{ need: 3, got: 2, from: 'owners', outcome: 'unknown' }]);
  });
});

describe('the second node of a slot', () => {
  it('never leads, however fast it is and whoever is gone', () => {
    const fast = deskWith(['f', undefined, undefined]);
    for (let i = 0; i < 20; i++) {
      for (const node of OWNERS) fast.node(node).writes.add(40);
      fast.node('f').writes.add(1);
    }
    expect(begin({}, fast).desk.questions()).toEqual(['a lead']);
    const alone = begin({ w: 1 }, deskWith(['f', 'g', undefined], ['f', 'g', 'd', 'e']));
    expect(alone.desk.questions()).toEqual(['d lead']);
    const none = begin({ w: 1 }, deskWith(['f', undefined, undefined], ['f']));
    expect(none.desk.questions()).toEqual([]);
    expect(failure(none)).toMatchObject([{ code: 'quorum_unavailable', outcome: 'none' }]);
  });

  it('is passed over for a fallback when all owners have refused, and then for nobody', () => {
    const sloppy = begin({ w: 1 }, deskWith(['f', undefined, undefined]));
    for (const node of [...OWNERS, ...FALLBACKS])
      sloppy.desk.refuse(sloppy.operation, node, 'lead', 'not_ready');
    expect(sloppy.desk.questions()).toEqual(['a lead', 'b lead', 'c lead', 'd lead', 'e lead']);
    expect(failure(sloppy)).toMatchObject([{ code: 'quorum_unavailable', outcome: 'none' }]);
    const strict = begin({ w: 1, sloppy: false }, deskWith(['f', undefined, undefined]));
    for (const node of OWNERS) strict.desk.refuse(strict.operation, node, 'lead', 'not_ready');
    expect(strict.desk.questions()).toEqual(['a lead', 'b lead', 'c lead']);
    expect(failure(strict)).toMatchObject([{ code: 'quorum_unavailable', outcome: 'none' }]);
  });
});

describe('a write under which a move begins', () => {
  it('is sent to everybody again, the second nodes among them, and counts by the new rule', () => {
    const writing = begin({ w: 3 });
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    desk.merged(operation, 'b');
    desk.seconds = B_TO_F;
    operation.restart(desk);
    expect(desk.questions(3)).toEqual(['a merge', 'b merge', 'c merge', 'f merge']);
    for (const node of OWNERS) desk.merged(operation, node);
    expect(writing.results).toEqual([]);
    desk.merged(operation, 'f');
    expect(contexts(writing)).toHaveLength(1);
  });

  it('counts by the old rule again when it ends', () => {
    const writing = begin({ w: 3 }, deskWith(B_TO_F));
    const { desk, operation } = writing;
    desk.led(operation, 'a');
    desk.seconds = [];
    operation.restart(desk);
    expect(desk.questions(4)).toEqual(['a merge', 'b merge', 'c merge']);
    for (const node of OWNERS) desk.merged(operation, node);
    expect(contexts(writing)).toHaveLength(1);
    expect(desk.finishedAtMs).toBe(0);
  });
});

describe('whoever is there, answers and refuses, in any order', () => {
  const node = fc.constantFrom(undefined, ...SECONDS);
  const seconds = fc
    .array(node, { maxLength: 4 })
    .filter((its) => new Set(its.filter(Boolean)).size === its.filter(Boolean).length);
  const quorums = fc.record({
    w: fc.integer({ min: 1, max: 3 }),
    pw: fc.nat({ max: 3 }),
    sloppy: fc.boolean(),
  });
  const up = fc.subarray([...OWNERS, ...FALLBACKS, ...SECONDS], { minLength: 1 });
  const steps = fc.array(fc.record({ pick: fc.nat(), isRefused: fc.boolean() }), { maxLength: 30 });

  /** Every node of the slot has it, or a fallback does in its stead: as many copies as the slot has nodes. */
  function isMet(desk: ScriptedDesk, acked: ReadonlySet<string>, { w, pw, sloppy }: Quorum): boolean {
    const slots = OWNERS.map((owner, slot) => {
      const its = [owner, desk.seconds[slot]].filter((name) => name !== undefined);
      const hints = desk.asked.filter(
        ({ question }) => question.kind !== 'read' && question.owedSlots === 1 << slot,
      );
      const own = its.filter((name) => acked.has(name)).length;
      const stoodIn = FALLBACKS.filter(
        (name) => acked.has(name) && hints.some((each) => each.node === name),
      ).length;
      return { isOwn: own === its.length, isWhole: own + stoodIn >= its.length };
    });
    const own = slots.filter(({ isOwn }) => isOwn).length;
    const whole = slots.filter(({ isWhole }) => isWhole).length;
    return own >= pw && (sloppy ? whole : own) >= w;
  }

  it('a write is done exactly when enough slots have it on all their nodes, and fails only when they never will', () => {
    fc.assert(
      fc.property(seconds, quorums, up, steps, (moving, quorum, reachable, script) => {
        const writing = begin(quorum, deskWith(moving, reachable));
        const { desk, operation, results } = writing;
        const acked = new Set<string>();
        const refused = new Set<string>();
        for (let i = 0; ; i++) {
          const open = desk.asked.filter(({ node: name }) => !acked.has(name) && !refused.has(name));
          // When the script is over, whoever is still asked has it.
          const { pick, isRefused } = script[i] ?? { pick: 0, isRefused: false };
          const next = open[pick % Math.max(1, open.length)];
          if (next === undefined) break;
          (isRefused ? refused : acked).add(next.node);
          const { kind } = next.question;
          if (isRefused) desk.refuse(operation, next.node, kind, 'busy');
          else if (kind === 'lead') desk.led(operation, next.node);
          else desk.merged(operation, next.node);
          const isWritten = results.some((result) => result.kind === 'written');
          expect(isWritten).toBe(isMet(desk, acked, { ...QUORUM, ...quorum }));
        }
        expect(results).toHaveLength(1);
        desk.pass(operation, 1_000);
        expect(desk.finishedAtMs).toBeDefined();
        const leads = desk.questions().filter((each) => each.endsWith('lead'));
        for (const second of SECONDS) expect(leads).not.toContain(`${second} lead`);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a write when a topology has just brought members that are not ready yet', () => {
  const upTo = (up: readonly string[]) => {
    const desk = deskWith(['f', 'g', undefined], up);
    desk.awaitsMembers = true;
    return begin({ sloppy: false }, desk);
  };

  it('waits for them, and is done when they are', () => {
    const writing = upTo(['a', 'b', 'c']);
    const { desk, operation } = writing;
    expect([desk.asked, writing.results]).toEqual([[], []]);
    for (const node of ['f', 'g']) desk.comes(node);
    desk.awaitsMembers = false;
    desk.pass(operation, 20);
    desk.led(operation, 'a');
    for (const node of ['b', 'c', 'f', 'g']) desk.merged(operation, node);
    expect(contexts(writing)).toHaveLength(1);
  });

  it('is refused when nobody waits for them any more, and nothing of it has been sent', () => {
    const writing = upTo(['a', 'b', 'c']);
    const { desk, operation } = writing;
    desk.pass(operation, 20);
    expect(writing.results).toEqual([]);
    desk.awaitsMembers = false;
    desk.pass(operation, 20);
    expect(failure(writing)).toMatchObject([{ code: 'quorum_unavailable', outcome: 'none' }]);
    expect(desk.asked).toEqual([]);
  });

  it('is refused at its deadline', () => {
    const writing = upTo(['a', 'b', 'c']);
    writing.desk.pass(writing.operation, QUORUM.timeoutMs);
    expect(failure(writing)).toMatchObject([{ outcome: 'none' }]);
    expect(writing.desk.asked).toEqual([]);
  });
});
