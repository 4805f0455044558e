import { DecodeError } from '@circlet/shared/codec/bytes.ts';
import type { ChangeAsk, ChangeTold } from '@circlet/shared/protocol/change.ts';
import { encodeTopology } from '@circlet/shared/ring/topology.ts';
import { describe, expect, it } from 'vitest';
import { type Change, type ChangeAnswer, type ChangeDesk, Changes } from './changes.ts';
import { TOPOLOGY } from './scripted-desk.case.ts';

const JOIN: Change = { verb: 'join', names: ['f'], weight: 0 };
const DIGEST = 'd'.repeat(16);

/** The test is the members, the clock and the operators. */
class Desk implements ChangeDesk {
  nowMs = 1_000;
  readonly cluster = 'test';
  usable: string[] | undefined = ['a', 'b', 'c'];
  readonly sent: { readonly to: string; readonly ask: ChangeAsk }[] = [];
  readonly answers = new Map<number, ChangeAnswer>();
  readonly changes = new Changes(this);
  private timers: { readonly atMs: number; readonly turn: number }[] = [];
  private ids = 0;

  usableMembers(): readonly string[] | undefined {
    return this.usable;
  }

  send(to: string, ask: ChangeAsk): void {
    this.sent.push({ to, ask });
  }

  wake(turn: number, afterMs: number): void {
    this.timers.push({ atMs: this.nowMs + afterMs, turn });
  }

  respond(id: number, answer: ChangeAnswer): void {
    this.answers.set(id, answer);
  }

  nextId(): number {
    return ++this.ids;
  }

  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const due = this.timers.filter(({ atMs }) => atMs <= untilMs).toSorted((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== due);
      this.nowMs = due.atMs;
      this.changes.check(due.turn);
    }
    this.nowMs = untilMs;
  }

  get asked(): readonly string[] {
    return this.sent.map(({ to }) => to);
  }

  get messageId(): number {
    return this.sent.at(-1)?.ask.id ?? -1;
  }

  tell(from: string, parts: Partial<ChangeTold>): boolean {
    const told = { status: 'refused', digest: DIGEST, document: new Uint8Array(0), reason: '' } as const;
    return this.changes.told(from, 1, { ...told, id: this.messageId, ...parts });
  }
}

function asking(commits?: string): Desk {
  const desk = new Desk();
  desk.changes.begin({ id: 7, change: JOIN, commits });
  return desk;
}

const NEXT = { ...TOPOLOGY, epoch: 2 };
const planned = { status: 'planned', document: encodeTopology(NEXT) } as const;

describe('a plan', () => {
  it('is asked of one member, and its answer is the answer', () => {
    const desk = asking();
    expect(desk.sent).toEqual([{ to: 'a', ask: { id: 1, ...JOIN, commits: undefined } }]);
    expect(desk.tell('a', planned)).toBe(true);
    expect(desk.answers.get(7)).toEqual({
      kind: 'told',
      status: 'planned',
      digest: DIGEST,
      document: NEXT,
      reason: '',
      epoch: 1,
    });
    desk.pass(60_000);
    expect(desk.asked).toEqual(['a']);
  });

  it('is asked of another member when one is silent for 2 s, and either may answer', () => {
    const desk = asking();
    desk.pass(1_999);
    expect(desk.asked).toEqual(['a']);
    desk.pass(1);
    expect(desk.asked).toEqual(['a', 'b']);
    desk.tell('a', { status: 'refused', reason: 'no' });
    expect(desk.answers.get(7)).toMatchObject({ status: 'refused', reason: 'no' });
  });

  it('is asked of another member at once when one is gone', () => {
    const desk = asking();
    desk.changes.undelivered('a', [99, desk.messageId]);
    expect(desk.asked).toEqual(['a', 'b']);
    desk.changes.undelivered('b', [98]);
    expect(desk.asked).toEqual(['a', 'b']);
    // The timer of the first question is none of the second one.
    desk.nowMs += 1_000;
    desk.changes.check(1);
    expect(desk.asked).toEqual(['a', 'b']);
  });

  it('fails when all are gone, when nobody is there, and after 10 s of silence', () => {
    const gone = asking();
    for (const name of ['a', 'b', 'c']) gone.changes.undelivered(name, [gone.messageId]);
    expect(gone.answers.get(7)).toEqual({ kind: 'untold', why: 'unreachable' });

    const alone = new Desk();
    alone.usable = [];
    alone.changes.begin({ id: 7, change: JOIN, commits: undefined });
    expect(alone.answers.get(7)).toEqual({ kind: 'untold', why: 'unreachable' });

    const silent = asking();
    silent.pass(9_999);
    expect([silent.asked, silent.answers.size]).toEqual([['a', 'b', 'c'], 0]);
    silent.pass(1);
    expect(silent.answers.get(7)).toEqual({ kind: 'untold', why: 'silent' });
  });

  it('waits for whom it has asked, and asks who comes back meanwhile', () => {
    const desk = new Desk();
    desk.usable = ['a'];
    desk.changes.begin({ id: 7, change: JOIN, commits: undefined });
    desk.pass(4_500);
    desk.usable = ['a', 'b'];
    desk.pass(1_500);
    expect(desk.asked).toEqual(['a', 'b']);
  });

  it('is not begun while no topology is known', () => {
    const desk = new Desk();
    desk.usable = undefined;
    desk.changes.begin({ id: 7, change: JOIN, commits: undefined });
    expect(desk.answers.get(7)).toEqual({ kind: 'untold', why: 'not_ready' });
  });
});

describe('one at a time', () => {
  it('a second request is refused, and is taken when the first is over', () => {
    const desk = asking();
    desk.changes.begin({ id: 8, change: JOIN, commits: undefined });
    expect(desk.answers.get(8)).toEqual({ kind: 'untold', why: 'overloaded' });
    desk.tell('a', planned);
    desk.changes.begin({ id: 9, change: JOIN, commits: DIGEST });
    expect(desk.answers.has(9)).toBe(false);
    expect(desk.sent.at(-1)?.ask.commits).toBe(DIGEST);
  });

  it('whoever answered before is asked again, so that no two members propose one change', () => {
    const desk = asking();
    desk.changes.undelivered('a', [desk.messageId]);
    desk.tell('b', planned);
    desk.changes.begin({ id: 8, change: JOIN, commits: DIGEST });
    expect(desk.asked).toEqual(['a', 'b', 'b']);
  });
});

describe('an answer is not taken', () => {
  it('from a pod that was not asked, or to another question', () => {
    const desk = asking();
    desk.tell('b', planned);
    desk.tell('a', { ...planned, id: 55 });
    expect(desk.answers.size).toBe(0);
  });

  it('when it answers something else', () => {
    const plan = asking();
    expect(plan.tell('a', { status: 'chosen' })).toBe(false);
    const commit = asking(DIGEST);
    expect(commit.tell('a', planned)).toBe(false);
    const other = { status: 'planned', document: encodeTopology({ ...NEXT, cluster: 'other' }) } as const;
    expect(plan.tell('a', other)).toBe(false);
    expect([plan.answers.size, commit.answers.size]).toEqual([0, 0]);
  });

  it('when its document is damaged: then another member is asked', () => {
    const desk = asking();
    expect(() => desk.tell('a', { ...planned, document: planned.document.subarray(1) })).toThrow(DecodeError);
    desk.pass(2_000);
    expect(desk.asked).toEqual(['a', 'b']);
    desk.tell('b', planned);
    expect(desk.answers.get(7)?.kind).toBe('told');
  });
});

it.each(['proposed', 'chosen', 'refused'] as const)('a commit may be told %s, by a later epoch', (status) => {
  const desk = asking(DIGEST);
  desk.tell('a', { status });
  expect(desk.answers.get(7)).toMatchObject({ kind: 'told', status, document: undefined, epoch: 1 });
});
