import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../assert.ts';
import { Prng } from '../prng.ts';
import type { SwimEffect, SwimMessage, SwimTimer } from './contract.ts';
import type { Liveness, MemberUpdate } from './member.ts';
import { Swim } from './swim.ts';

type Kind = SwimEffect['kind'];
type Effect<K extends Kind> = Extract<SwimEffect, { kind: K }>;

const only = <K extends Kind>(effects: readonly SwimEffect[], kind: K): Effect<K>[] =>
  effects.filter((effect): effect is Effect<K> => effect.kind === kind);

const sends = (effects: readonly SwimEffect[]): string[] =>
  only(effects, 'send').map(({ to, message }) => `${message.kind} ${to}`);

const notices = (effects: readonly SwimEffect[]): string[] =>
  only(effects, 'notice').map(({ notice, about }) => `${notice}: ${about}`);

const changes = (effects: readonly SwimEffect[]): string[] =>
  only(effects, 'changed').map(({ name, status }) => `${name} ${status}`);

function timer(effects: readonly SwimEffect[], kind: SwimTimer['kind']): SwimTimer {
  const found = only(effects, 'schedule').find((effect) => effect.timer.kind === kind);
  if (found === undefined) throw new Error(`no ${kind} timer was scheduled`);
  expect(found.afterMs).toBeGreaterThanOrEqual(0);
  return found.timer;
}

/** Fires at its hour. */
const fire = (swim: Swim, due: SwimTimer): SwimEffect[] => swim.timer(due, due.dueMs);

function sent(effects: readonly SwimEffect[], kind: SwimMessage['kind']): SwimMessage & { to: string } {
  const found = only(effects, 'send').find((effect) => effect.message.kind === kind);
  if (found === undefined) throw new Error(`no ${kind} was sent`);
  return { ...found.message, to: found.to };
}

/** A message that asks for nothing, to carry updates: an ack that no probe waits for. */
const gossip = (updates: readonly MemberUpdate[], incarnation = 0): SwimMessage => ({
  kind: 'ack',
  seq: 1,
  incarnation,
  updates,
});

const ack = (seq: number, incarnation = 0, updates: readonly MemberUpdate[] = []): SwimMessage => ({
  kind: 'ack',
  seq,
  incarnation,
  updates,
});

const ping = (incarnation = 0, updates: readonly MemberUpdate[] = []): SwimMessage => ({
  kind: 'ping',
  seq: 5,
  incarnation,
  updates,
});

const claim = (name: string, status: Liveness, incarnation = 0): MemberUpdate => ({
  name,
  status,
  incarnation,
});

function machine(...others: string[]): Swim {
  const swim = new Swim({ self: 'me', random: new Prng(7).next });
  swim.setRoster(['me', ...others]);
  return swim;
}

/** Starts the machine and its first period. */
function started(swim: Swim): SwimEffect[] {
  return fire(swim, timer(swim.start(0), 'period'));
}

/** Fails one whole probe cycle of the only other member; returns the effects of the end of the period. */
function failedCycle(swim: Swim): SwimEffect[] {
  const begun = started(swim);
  fire(swim, timer(begun, 'ackTimeout'));
  return fire(swim, timer(begun, 'period'));
}

/** Period by period, `dead` is silent and all others answer, until it is down; the effects of the last period. */
function bury(swim: Swim, dead: string): SwimEffect[] {
  let effects = started(swim);
  for (let turn = 0; turn < 20 && swim.status(dead) !== 'down'; turn += 1) {
    effects = nextPeriod(swim, dead, effects);
    const verdict = only(effects, 'schedule').find((effect) => effect.timer.kind === 'suspicion');
    if (verdict !== undefined) fire(swim, verdict.timer);
  }
  return effects;
}

/** Ends the period that `begun` started: its target answers unless it is `dead`. */
function nextPeriod(swim: Swim, dead: string, begun: readonly SwimEffect[]): SwimEffect[] {
  const { to, seq } = sent(begun, 'ping');
  const due = timer(begun, 'period');
  if (to !== dead) swim.receive(to, ack(seq), due.dueMs - 900);
  return fire(swim, due);
}

describe('a probe', () => {
  it('starts within the first interval and goes to another member', () => {
    const swim = machine('a');
    const first = timer(swim.start(500), 'period');
    expect(first.dueMs).toBeGreaterThanOrEqual(500);
    expect(first.dueMs).toBeLessThan(1_500);
    const begun = fire(swim, first);
    expect(sends(begun)).toEqual(['ping a']);
    expect(timer(begun, 'ackTimeout').dueMs - first.dueMs).toBe(300);
    expect(timer(begun, 'period').dueMs - first.dueMs).toBe(1_000);
  });

  it('asks three helpers after the timeout, and believes one that reached the target', () => {
    const swim = machine('a', 'b', 'c', 'd', 'e');
    const begun = started(swim);
    const { to: target, seq } = sent(begun, 'ping');
    const asked = fire(swim, timer(begun, 'ackTimeout'));
    const helpers = only(asked, 'send').map(({ to }) => to);
    expect(only(asked, 'send').map((effect) => effect.message)).toEqual(
      helpers.map(() => ({ kind: 'pingRequest', seq, target, incarnation: 0, updates: [] })),
    );
    expect(new Set([...helpers, target, 'me']).size).toBe(5);
    swim.receive(must(helpers[0], 'three'), { ...gossip([]), kind: 'pingReport', seq, reached: false }, 900);
    swim.receive(must(helpers[1], 'three'), { ...gossip([]), kind: 'pingReport', seq, reached: true }, 901);
    expect(changes(fire(swim, timer(begun, 'period')))).toEqual([]);
  });

  it('does not believe a report from one it did not ask, nor an ack from another member', () => {
    const swim = machine('a', 'b');
    const begun = started(swim);
    const { to: target, seq } = sent(begun, 'ping');
    const other = target === 'a' ? 'b' : 'a';
    swim.receive(other, ack(seq), 100);
    swim.receive(other, { ...gossip([]), kind: 'pingReport', seq, reached: true }, 100);
    fire(swim, timer(begun, 'ackTimeout'));
    swim.receive(target, { ...gossip([]), kind: 'pingReport', seq, reached: true }, 400);
    expect(changes(fire(swim, timer(begun, 'period')))).toEqual([`${target} suspect`]);
  });

  it('still counts a direct ack after the timeout', () => {
    const swim = machine('a', 'b');
    const begun = started(swim);
    const { to, seq } = sent(begun, 'ping');
    fire(swim, timer(begun, 'ackTimeout'));
    swim.receive(to, ack(seq), 800);
    expect(changes(fire(swim, timer(begun, 'period')))).toEqual([]);
  });

  it('ends in suspicion, then, if silence lasts, in down: each told once to others', () => {
    const swim = machine('a');
    const suspected = failedCycle(swim);
    expect(changes(suspected)).toEqual(['a suspect']);
    const verdict = fire(swim, timer(suspected, 'suspicion'));
    expect(changes(verdict)).toEqual(['a down']);
    expect(swim.members()).toEqual([claim('a', 'down'), claim('me', 'alive')]);
  });

  it('that nobody at all answered makes the next one slower, until one is answered', () => {
    const swim = machine('a');
    const slow = failedCycle(swim);
    const slowMs = timer(slow, 'period').dueMs - timer(slow, 'ackTimeout').dueMs;
    expect(slowMs).toBe(2 * (1_000 - 300));
    swim.receive('a', ack(sent(slow, 'ping').seq, 1), timer(slow, 'ackTimeout').dueMs);
    const quick = fire(swim, timer(slow, 'period'));
    expect(timer(quick, 'period').dueMs - timer(quick, 'ackTimeout').dueMs).toBe(1_000 - 300);
  });

  it('that failed is told to others, until the member answers', () => {
    const swim = machine('a', 'b');
    let begun = started(swim);
    while (swim.status('a') === 'alive') begun = nextPeriod(swim, 'a', begun);
    expect(sent(swim.receive('b', ping(), 0), 'ack').updates).toEqual([claim('a', 'suspect')]);
    while (sent(begun, 'ping').to !== 'a') begun = nextPeriod(swim, 'a', begun);
    swim.receive('a', ack(sent(begun, 'ping').seq), timer(begun, 'period').dueMs - 900);
    expect(sent(swim.receive('b', ping(), 0), 'ack').updates).toEqual([]);
  });

  it('of the dead is a single ping', () => {
    const swim = machine('a', 'b');
    let begun = bury(swim, 'a');
    expect(swim.status('a')).toBe('down');
    while (sent(begun, 'ping').to !== 'a') begun = nextPeriod(swim, 'a', begun);
    expect(fire(swim, timer(begun, 'ackTimeout'))).toEqual([]);
    expect(changes(fire(swim, timer(begun, 'period')))).toEqual([]);
  });
});

describe('helpers', () => {
  it('are never the dead', () => {
    const swim = machine('a', 'b', 'c', 'd');
    let begun = bury(swim, 'a');
    while (sent(begun, 'ping').to === 'a') begun = nextPeriod(swim, 'a', begun);
    const { to } = sent(begun, 'ping');
    const asked = only(fire(swim, timer(begun, 'ackTimeout')), 'send').map((effect) => effect.to);
    expect(asked.toSorted()).toEqual(['b', 'c', 'd'].filter((name) => name !== to));
  });
});

describe('a message', () => {
  it('carries no more than 16 updates, what the receiver must refute among them', () => {
    const names = Array.from({ length: 40 }, (_, i) => `n${String(i).padStart(2, '0')}`);
    const swim = machine(...names);
    for (const name of names) swim.receive(name, gossip([], 1), 0);
    swim.receive('n01', gossip([claim('n00', 'suspect', 1)]), 0);
    const { updates } = sent(swim.receive('n00', ping(), 0), 'ack');
    expect(updates).toHaveLength(16);
    expect(updates[0]).toEqual(claim('n00', 'suspect', 1));
    expect(new Set(updates.map(({ name }) => name)).size).toBe(16);
  });
});

describe('stale timers', () => {
  it('are ignored: the period, once it was replaced', () => {
    const swim = machine('a');
    const first = timer(swim.start(0), 'period');
    const second = timer(swim.start(0), 'period');
    expect(fire(swim, first)).toEqual([]);
    expect(sends(fire(swim, second))).toEqual(['ping a']);
    expect(fire(swim, second)).toEqual([]);
  });

  it('are ignored: the ack timeout after the ack', () => {
    const swim = machine('a', 'b');
    const begun = started(swim);
    const { to, seq } = sent(begun, 'ping');
    swim.receive(to, ack(seq), 100);
    expect(fire(swim, timer(begun, 'ackTimeout'))).toEqual([]);
  });

  it('are ignored: the suspicion after a refutation, and after a newer suspicion', () => {
    const swim = machine('a', 'b');
    const begun = started(swim);
    const { to } = sent(begun, 'ping');
    const suspected = fire(swim, timer(begun, 'period'));
    const old = timer(suspected, 'suspicion');
    expect(changes(swim.receive('b', gossip([claim(to, 'alive', 1)]), 2_500))).toEqual([`${to} alive`]);
    expect(fire(swim, old)).toEqual([]);
    swim.receive('b', gossip([claim(to, 'suspect', 1)]), 2_600);
    expect(fire(swim, old)).toEqual([]);
    expect(swim.status(to)).toBe('suspect');
  });

  it('are ignored: those of members that left', () => {
    const swim = machine('a');
    const suspected = failedCycle(swim);
    swim.setRoster(['me']);
    expect(fire(swim, timer(suspected, 'suspicion'))).toEqual([]);
    expect(fire(swim, timer(suspected, 'ackTimeout'))).toEqual([]);
  });
});

describe('a node that slept', () => {
  it('draws no conclusion from what it did not hear', () => {
    const swim = machine('a');
    const begun = started(swim);
    const due = timer(begun, 'period');
    expect(changes(swim.timer(due, due.dueMs + 10_000))).toEqual([]);
  });

  it('gives its suspects another chance', () => {
    const swim = machine('a');
    const suspected = failedCycle(swim);
    const verdict = timer(suspected, 'suspicion');
    expect(changes(swim.timer(verdict, verdict.dueMs + 10_000))).toEqual([]);
    expect(swim.status('a')).toBe('suspect');
  });
});

describe('hearsay', () => {
  it('of death is suspicion, and makes us look ourselves', () => {
    const swim = machine('a', 'b', 'c');
    const begun = started(swim);
    const { to, seq } = sent(begun, 'ping');
    swim.receive(to, ack(seq), 10);
    const other = to === 'a' ? 'b' : 'a';
    const heard = swim.receive(to, gossip([claim(other, 'down')]), 20);
    expect(changes(heard)).toEqual([`${other} suspect`]);
    expect(sends(heard)).toEqual([`ping ${other}`]);
    expect(sent(heard, 'ping').updates).toContainEqual(claim(other, 'suspect'));
  });

  it('alone never makes anybody down, whatever is claimed and however often', () => {
    const update = fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'me', 'stranger'),
      status: fc.constantFrom<Liveness>('alive', 'suspect', 'down'),
      incarnation: fc.oneof(fc.nat(2_000), fc.constantFrom(-1, 0.5, Number.NaN, 2 ** 53, 2 ** 53 - 1)),
    });
    const anyMessage = fc.oneof(
      fc.record({ kind: fc.constantFrom('ping' as const, 'ack' as const) }),
      fc.record({
        kind: fc.constant('pingRequest' as const),
        target: fc.constantFrom('a', 'me', 'stranger'),
      }),
      fc.record({ kind: fc.constant('pingReport' as const), reached: fc.boolean() }),
    );
    const envelope = fc.record({
      seq: fc.oneof(fc.nat(), fc.constantFrom(-1, Number.NaN, 2 ** 53)),
      incarnation: fc.oneof(fc.nat(2_000), fc.constantFrom(-1, Number.NaN, 2 ** 53 - 1)),
      updates: fc.array(update, { maxLength: 20 }),
    });
    const event = fc.tuple(fc.constantFrom('a', 'b', 'c', 'me', 'stranger'), anyMessage, envelope);
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const swim = machine('a', 'b', 'c');
        started(swim);
        for (const [from, body, rest] of events) {
          const effects = swim.receive(from, { ...body, ...rest }, 100);
          expect(changes(effects).filter((change) => change.endsWith('down'))).toEqual([]);
          expect(only(effects, 'send').length).toBeLessThanOrEqual(2);
          for (const { message } of only(effects, 'send'))
            expect(message.updates.length).toBeLessThanOrEqual(16);
        }
        expect(swim.members().every(({ incarnation }) => Number.isSafeInteger(incarnation))).toBe(true);
      }),
    );
  });

  it('is not repeated by us, unless our own probe agrees', () => {
    const swim = machine('a', 'b', 'c');
    const first = swim.receive('a', ping(0, [claim('b', 'suspect')]), 0);
    expect(sent(first, 'ack').updates).toEqual([]);
  });

  it('of life is passed on', () => {
    const swim = machine('a', 'b', 'c');
    swim.receive('a', gossip([claim('b', 'alive', 1)]), 0);
    expect(sent(swim.receive('c', ping(), 1), 'ack').updates).toEqual([claim('b', 'alive', 1)]);
  });

  it('that is outdated is corrected in the answer', () => {
    const swim = machine('a', 'b', 'c');
    swim.receive('b', gossip([], 3), 0);
    for (let i = 0; i < 10; i += 1) swim.receive('c', ping(), 1);
    expect(sent(swim.receive('c', ping(), 2), 'ack').updates).toEqual([]);
    const corrected = swim.receive('a', ping(0, [claim('b', 'down', 2)]), 3);
    expect(sent(corrected, 'ack').updates).toEqual([claim('b', 'alive', 3)]);
  });

  it('confirms a failure we saw: each accuser shortens the wait once', () => {
    const swim = machine('a', 'b', 'c', 'd');
    const begun = started(swim);
    const { to } = sent(begun, 'ping');
    const suspected = fire(swim, timer(begun, 'period'));
    const alone = timer(suspected, 'suspicion');
    const now = alone.dueMs - 12_000;
    const accusers = ['a', 'b', 'c', 'd'].filter((name) => name !== to);
    const waits = accusers.map((accuser) => {
      const heard = swim.receive(accuser, gossip([claim(to, 'down')]), now);
      expect(swim.receive(accuser, gossip([claim(to, 'down')]), now)).toEqual([]);
      return timer(heard, 'suspicion').dueMs - now;
    });
    expect(waits).toEqual([8_000, 5_660, 4_000]);
    expect(fire(swim, alone)).toEqual([]);
  });

  it('shortens nothing while our own probe has not failed', () => {
    const swim = machine('a', 'b', 'c', 'd');
    started(swim);
    for (const accuser of ['b', 'c', 'd'])
      expect(only(swim.receive(accuser, gossip([claim('a', 'down')]), 50), 'schedule')).toEqual([]);
    expect(swim.status('a')).toBe('suspect');
  });

  it('gives the same view in any order, grouping and repetition', () => {
    // Holds for all claims about others, whatever their incarnations, and for those about ourselves within the limit.
    const update = fc.oneof(
      fc.record({
        name: fc.constantFrom('a', 'b', 'c'),
        status: fc.constantFrom<Liveness>('alive', 'suspect', 'down'),
        incarnation: fc.oneof(fc.nat(3), fc.nat(1_500), fc.constant(2 ** 53)),
      }),
      fc.record({
        name: fc.constant('me'),
        status: fc.constantFrom<Liveness>('alive', 'suspect', 'down'),
        incarnation: fc.nat(1_000),
      }),
    );
    const orders = fc
      .array(update, { maxLength: 12 })
      .chain((updates) =>
        fc.tuple(
          fc.constant(updates),
          fc.shuffledSubarray([...updates, ...updates.slice(0, 4)], { minLength: 0 }),
          fc.integer({ min: 1, max: 16 }),
        ),
      );
    fc.assert(
      fc.property(orders, ([updates, some, size]) => {
        const one = machine('a', 'b', 'c', 'liar');
        for (const each of updates) one.receive('liar', gossip([each]), 0);
        const other = machine('a', 'b', 'c', 'liar');
        // `some` is a shuffled part with repetitions; with the reversed whole after it nothing is missing.
        const sequence = [...some, ...updates.toReversed()];
        for (let at = 0; at < sequence.length; at += size)
          other.receive('liar', gossip(sequence.slice(at, at + size)), 0);
        expect(other.members()).toEqual(one.members());
      }),
    );
  });
});

describe('an accused member', () => {
  it('hears of it in whatever we send it, until it refutes', () => {
    const swim = machine('a', 'b');
    swim.receive('b', gossip([claim('a', 'suspect', 2)]), 0);
    for (let i = 0; i < 20; i += 1)
      expect(sent(swim.receive('a', ping(), i), 'ack').updates).toContainEqual(claim('a', 'suspect', 2));
    expect(changes(swim.receive('a', ping(3), 30))).toEqual(['a alive']);
    expect(sent(swim.receive('a', ping(3), 31), 'ack').updates).not.toContainEqual(claim('a', 'suspect', 2));
  });

  it('hears of it through helpers when we cannot reach it', () => {
    const swim = machine('a', 'b');
    const begun = started(swim);
    const { to: target } = sent(begun, 'ping');
    const helper = target === 'a' ? 'b' : 'a';
    swim.receive(helper, gossip([claim(target, 'suspect', 1)]), 10);
    const asked = fire(swim, timer(begun, 'ackTimeout'));
    expect(sent(asked, 'pingRequest').updates).toEqual([claim(target, 'suspect', 1)]);
  });

  it('that answers without refuting stays suspect, but the case starts anew', () => {
    const swim = machine('a');
    const suspected = failedCycle(swim);
    const { seq } = sent(suspected, 'ping');
    const verdict = timer(suspected, 'suspicion');
    swim.receive('a', ack(seq), verdict.dueMs - 1_000);
    expect(fire(swim, verdict)).toEqual([]);
    expect(swim.status('a')).toBe('suspect');
  });

  it('that talks while we hold it for dead is probed at once', () => {
    const swim = machine('a', 'b');
    let begun = bury(swim, 'a');
    while (sent(begun, 'ping').to !== 'b') begun = nextPeriod(swim, 'a', begun);
    swim.receive('b', ack(sent(begun, 'ping').seq), 30_000);
    const spoke = swim.receive('a', ping(), 30_100);
    expect(sends(spoke)).toEqual(['ack a', 'ping a']);
    expect(sent(spoke, 'ping').updates).toEqual([claim('a', 'down')]);
    expect(changes(swim.receive('a', ack(sent(spoke, 'ping').seq, 1), 30_120))).toEqual(['a alive']);
  });
});

describe('accused ourselves', () => {
  it('we refute with the next number in the very answer', () => {
    const swim = machine('a');
    expect(sent(swim.receive('a', ping(0, [claim('me', 'down', 4)]), 0), 'ack').incarnation).toBe(5);
    expect(sent(swim.receive('a', ping(0, [claim('me', 'suspect', 4)]), 1), 'ack').incarnation).toBe(5);
    expect(swim.status('me')).toBe('alive');
  });

  it('we climb step by step to a number from an earlier life', () => {
    const swim = machine('a');
    const heard = [1, 2, 3].map(() => swim.receive('a', ping(0, [claim('me', 'down', 2_500)]), 0));
    expect(heard.map((effects) => sent(effects, 'ack').incarnation)).toEqual([1_001, 2_002, 2_501]);
    expect(heard.map(notices)).toEqual([['version jump refused: me'], ['version jump refused: me'], []]);
  });

  it('we do not let a liar spend our numbers', () => {
    const swim = machine('a');
    const lie = claim('me', 'down', Number.MAX_SAFE_INTEGER);
    expect(sent(swim.receive('a', ping(0, [lie]), 0), 'ack').incarnation).toBe(1_001);
    expect(notices(swim.receive('a', ping(0, [claim('me', 'down', 2 ** 53)]), 0))).toEqual(['malformed: me']);
  });
});

describe('a helper', () => {
  const request: SwimMessage = { kind: 'pingRequest', seq: 40, target: 'b', incarnation: 0, updates: [] };

  it('pings for another and reports what it found', () => {
    const swim = machine('a', 'b');
    const asked = swim.receive('a', request, 0);
    expect(sends(asked)).toEqual(['ping b']);
    const found = swim.receive('b', ack(sent(asked, 'ping').seq), 20);
    expect(sent(found, 'pingReport')).toMatchObject({ to: 'a', seq: 40, reached: true });
    expect(fire(swim, timer(asked, 'relayTimeout'))).toEqual([]);
  });

  it('reports silence, so that the asker knows it was heard', () => {
    const swim = machine('a', 'b');
    const asked = swim.receive('a', request, 0);
    const silent = fire(swim, timer(asked, 'relayTimeout'));
    expect(sent(silent, 'pingReport')).toMatchObject({ to: 'a', seq: 40, reached: false });
    expect(swim.receive('b', ack(sent(asked, 'ping').seq), 400)).toEqual([]);
  });

  it('works for one question of each asker at a time', () => {
    const swim = machine('a', 'b', 'c');
    const first = swim.receive('a', request, 0);
    const second = swim.receive('a', { ...request, seq: 41, target: 'c' }, 1);
    expect(swim.receive('b', ack(sent(first, 'ping').seq), 20)).toEqual([]);
    const found = swim.receive('c', ack(sent(second, 'ping').seq), 21);
    expect(sent(found, 'pingReport')).toMatchObject({ seq: 41, reached: true });
  });

  it('pings nobody outside the roster', () => {
    const swim = machine('a', 'b');
    const effects = swim.receive('a', { ...request, target: 'stranger' }, 0);
    expect(effects).toEqual([{ kind: 'notice', notice: 'outside roster', from: 'a', about: 'stranger' }]);
  });
});

describe('the hint that nobody listens', () => {
  it('sends the current probe to helpers at once, and is no verdict', () => {
    const swim = machine('a', 'b', 'c');
    const begun = started(swim);
    const { to } = sent(begun, 'ping');
    const hinted = swim.unreachable(to, 3);
    expect(sends(hinted).map((line) => line.split(' ')[0])).toEqual(['pingRequest', 'pingRequest']);
    expect(changes(hinted)).toEqual([]);
    expect(swim.unreachable(to, 4)).toEqual([]);
    expect(fire(swim, timer(begun, 'ackTimeout'))).toEqual([]);
  });

  it('starts a probe early, but not twice in a row', () => {
    const swim = machine('a', 'b', 'c');
    const begun = started(swim);
    const { to, seq } = sent(begun, 'ping');
    const [x = '', y = ''] = ['a', 'b', 'c'].filter((name) => name !== to);
    expect(swim.unreachable(x, 5)).toEqual([]);
    const early = swim.receive(to, ack(seq), 10);
    expect(sends(early)).toEqual([`ping ${x}`]);
    expect(fire(swim, timer(begun, 'period'))).toEqual([]);
    swim.receive(x, ack(sent(early, 'ping').seq), 20);
    expect(swim.unreachable(y, 30)).toEqual([]);
  });

  it('says nothing new about the dead and about strangers', () => {
    const swim = machine('a');
    const suspected = failedCycle(swim);
    fire(swim, timer(suspected, 'suspicion'));
    expect(swim.unreachable('a', 9_000)).toEqual([]);
    expect(swim.unreachable('stranger', 9_000)).toEqual([]);
    expect(swim.unreachable('me', 9_000)).toEqual([]);
  });
});

describe('bad input', () => {
  it.each<[string, string, SwimMessage, string[]]>([
    ['a stranger', 'stranger', ping(), ['outside roster: stranger']],
    ['our own name', 'me', ping(), ['outside roster: me']],
    ['a negative incarnation', 'a', ping(-1), ['malformed: a']],
    ['an unsafe incarnation', 'a', ping(2 ** 53), ['malformed: a']],
    ['a sequence that is no number', 'a', { ...ping(), seq: Number.NaN }, ['malformed: a']],
  ])('%s gets no answer', (_, from, bad, expected) => {
    const swim = machine('a', 'b');
    const effects = swim.receive(from, bad, 0);
    expect(notices(effects)).toEqual(expected);
    expect(effects).toHaveLength(1);
  });

  it.each<[string, MemberUpdate, string]>([
    ['about a stranger', claim('stranger', 'down'), 'outside roster: stranger'],
    ['with a jump', claim('b', 'down', 1_001), 'version jump refused: b'],
    ['with an unsafe incarnation', claim('b', 'down', 2 ** 53), 'malformed: b'],
    ['with a fraction', claim('b', 'alive', 0.5), 'malformed: b'],
  ])('an update %s is ignored; the message is answered', (_, update, expected) => {
    const swim = machine('a', 'b');
    const before = swim.members();
    const effects = swim.receive('a', ping(0, [update]), 0);
    expect(notices(effects)).toEqual([expected]);
    expect(sends(effects)).toEqual(['ack a']);
    expect(swim.members()).toEqual(before);
  });

  it('more updates than the cap are not looked at', () => {
    const swim = machine('a', 'b');
    const updates = [...Array.from({ length: 16 }, () => claim('b', 'alive')), claim('b', 'down')];
    expect(notices(swim.receive('a', ping(0, updates), 0))).toEqual(['too many updates: a']);
    expect(swim.status('b')).toBe('alive');
  });
});

describe('the roster', () => {
  it('is what members() lists, sorted, ourselves alive', () => {
    const swim = machine('b', 'a', 'b');
    expect(swim.members()).toEqual([claim('a', 'alive'), claim('b', 'alive'), claim('me', 'alive')]);
    expect(swim.status('stranger')).toBeUndefined();
  });

  it('keeps what is known of those that stay and forgets those that leave', () => {
    const swim = machine('a', 'b');
    swim.receive('b', gossip([claim('a', 'suspect', 4)]), 0);
    swim.setRoster(['me', 'a', 'c']);
    expect(swim.members()).toEqual([claim('a', 'suspect', 4), claim('c', 'alive'), claim('me', 'alive')]);
    swim.receive('a', gossip([], 5), 0);
    swim.setRoster(['me', 'c']);
    expect(sent(swim.receive('c', ping(), 0), 'ack').updates).toEqual([]);
    swim.setRoster(['me', 'a', 'c']);
    expect(swim.members()[0]).toEqual(claim('a', 'alive', 0));
    expect(swim.status('a')).toBe('alive');
  });

  it('without ourselves: we listen and do not probe', () => {
    const swim = new Swim({ self: 'me', random: () => 0.5 });
    swim.setRoster(['a', 'b']);
    expect(sends(started(swim))).toEqual([]);
    expect(swim.status('me')).toBeUndefined();
    swim.receive('b', gossip([claim('a', 'down')]), 0);
    expect(swim.members()).toEqual([claim('a', 'suspect'), claim('b', 'alive')]);
  });
});

it('behaves the same from the same seed', () => {
  const [one, other] = [1, 2].map(() => bury(machine('a', 'b', 'c', 'd'), 'c'));
  expect(one).toEqual(other);
});
