import { type Context, emptyContext } from '@circlet/shared/causality/context.ts';
import { historyOf } from '@circlet/shared/causality/history.ts';
import { describe, expect, it } from 'vitest';
import { type HeldContext, KeyLedger, type WriteRecord } from './key-ledger.ts';
import { Bits } from './bits.ts';

const ACTOR = 'n1.AAAAAAAAAAA.1';
const NOTHING_ASKED = { atLeast: undefined, required: undefined, dead: undefined };

/** A ledger of one key, and what it blamed. */
function ledgerOfOneKey() {
  const blamed: string[] = [];
  const ledger = new KeyLedger('k', (invariant, what) => blamed.push(`${invariant} ${what}`));
  /** A write that has been led: it has the next dot. */
  const write = (name: string, sent?: HeldContext, deleted = false): WriteRecord => {
    const record = ledger.attempt({
      writeId: name.padEnd(16, '-'),
      name,
      deleted,
      isElement: false,
      check: 0,
      sent,
      readsFirst: false,
      deadlineMs: 1_000,
    });
    ledger.learn(record, ACTOR, record.index + 1, 10);
    return record;
  };
  return { ledger, blamed, write };
}

/** A context that covers the dots of these writes, and what its holder was shown with it. */
function held(...seen: readonly WriteRecord[]): HeldContext {
  return { context: covering(...seen), seen: Bits.of(...seen.map(({ index }) => index)) };
}

function covering(...records: readonly WriteRecord[]): Context {
  return {
    ...emptyContext,
    history: historyOf(records.map(({ index }) => ({ actor: ACTOR, counter: index + 1 }))),
  };
}

describe('a ledger blames', () => {
  it('an acknowledged write that is not there at the end, and nothing that superseded it (I1)', () => {
    const { ledger, blamed, write } = ledgerOfOneKey();
    const a = write('a');
    ledger.conclude(a, 'ok', 20, 2, 2);
    const b = write('b', held(a));
    ledger.conclusion([b.writeId]);
    expect(blamed).toEqual([]);
    ledger.conclusion([]);
    expect(blamed).toEqual(['I1 k: a was acknowledged and is lost']);
  });

  it('a strict read of what had been superseded on W owners (I2), or without what they have (I6)', () => {
    const { ledger, blamed, write } = ledgerOfOneKey();
    const a = write('a');
    const b = write('b', held(a));
    ledger.conclude(b, 'ok', 20, 2, 2);
    const claim = ledger.claim(undefined, 2, 3);
    ledger.afterGet([b.writeId], covering(a, b), claim, 'a get');
    // One owner may be any of the three: nothing is promised to it.
    ledger.afterGet([a.writeId], covering(a), ledger.claim(undefined, 1, 3), 'a get');
    expect(blamed).toEqual([]);
    ledger.afterGet([a.writeId], covering(a), claim, 'a get');
    expect(blamed).toEqual([
      'I2 k: a get returned a, which had been superseded',
      'I6 k: a get, a strict read, lacks b, which was acknowledged before',
    ]);
  });

  it('a sibling beside one that saw it, and a context that covers what was not shown (I4)', () => {
    const { ledger, blamed, write } = ledgerOfOneKey();
    const a = write('a');
    const b = write('b', held(a));
    const c = write('c');
    ledger.afterGet([a.writeId, b.writeId], covering(a, b), NOTHING_ASKED, 'a get');
    ledger.afterGet([b.writeId], covering(a, b, c), NOTHING_ASKED, 'a get');
    ledger.afterPut(c, { ...emptyContext, history: historyOf([{ actor: ACTOR, counter: 9 }]) }, undefined);
    expect(blamed).toEqual([
      'I4 k: a get: a beside b, which saw it',
      'I4 k: a get covers c, which was not shown',
      'I4 k: the answer to c covers 1 dots that nobody issued',
    ]);
  });

  it('a context that closes a write which was not shown (I4)', () => {
    const { ledger, blamed, write } = ledgerOfOneKey();
    const [a, b] = [write('a'), write('b')];
    const closing = (...records: readonly WriteRecord[]) => ({
      ...covering(a),
      writes: records.map(({ writeId }) => ({ writeId, sole: false })),
    });
    ledger.afterGet([a.writeId], closing(a), NOTHING_ASKED, 'a get');
    expect(blamed).toEqual([]);
    ledger.afterGet([a.writeId], closing(a, b), NOTHING_ASKED, 'a get');
    expect(blamed).toEqual(['I4 k: a get closes b, which was not shown']);
  });

  it('an answer older than what its session had seen, and a context that shrank (I5)', () => {
    const { ledger, blamed, write } = ledgerOfOneKey();
    const a = write('a');
    const b = write('b');
    ledger.afterGet([b.writeId], covering(b), { ...NOTHING_ASKED, atLeast: held(a) }, 'a get');
    expect(blamed).toEqual([
      'I5 k: a get covers less than the context it was sent with',
      'I5 k: a get lacks a, which its session had seen',
    ]);
  });

  it('a dot of two writes (I9), and one that comes after its deadline (I11)', () => {
    const { ledger, blamed, write } = ledgerOfOneKey();
    const a = write('a');
    const b = write('b');
    ledger.learn(b, ACTOR, a.index + 1, 10);
    ledger.learn(a, ACTOR, 3, 1_500);
    expect(blamed).toEqual([
      `I9 k: dot ${ACTOR}@1 of b is one of a too`,
      'I11 k: a got a dot 500 ms after its deadline',
    ]);
  });

  it('"none" for what is on a disk, before the answer or after it, and for what is read (I12)', () => {
    const { ledger, blamed, write } = ledgerOfOneKey();
    const a = write('a');
    ledger.conclude(a, 'none', 20);
    ledger.afterGet([a.writeId], covering(a), NOTHING_ASKED, 'a get');
    expect(blamed).toEqual([
      'I12 k: a was answered "none", and is on a disk',
      'I12 k: a get returned a, which was answered "none"',
    ]);
  });

  it('what nobody wrote (I14)', () => {
    const { ledger, blamed } = ledgerOfOneKey();
    ledger.conclusion(['?'.repeat(16)]);
    expect(blamed).toEqual(['I14 k: the end has 3f3f3f3f, which nobody wrote']);
  });
});

describe('a ledger excuses', () => {
  it('a write that is gone with as many disks as copies were promised, and not before', () => {
    const { ledger, blamed, write } = ledgerOfOneKey();
    const a = write('a');
    ledger.conclude(a, 'ok', 20, 2, 2);
    ledger.weaken(a, { copies: 1, owners: 2, lost: false });
    ledger.conclusion([]);
    expect(blamed).toHaveLength(1);
    ledger.weaken(a, { copies: 0, owners: 1, lost: true });
    ledger.conclusion([]);
    expect(blamed).toHaveLength(1);
  });

  it('a write whose outcome nobody knows', () => {
    const { ledger, blamed, write } = ledgerOfOneKey();
    ledger.conclude(write('a'), 'unknown', 20);
    ledger.conclusion([]);
    expect(blamed).toEqual([]);
  });

  it('what only such a write has replaced, and counts it', () => {
    const { ledger, blamed, write } = ledgerOfOneKey();
    const a = write('a');
    const b = write('b', held(a));
    ledger.conclude(a, 'ok', 20, 2, 2);
    ledger.conclude(b, 'unknown', 20);
    ledger.conclusion([b.writeId]);
    expect([ledger.excusedByUnknown, blamed]).toEqual([1, []]);
    ledger.conclude(b, 'ok', 30, 2, 2);
    ledger.conclusion([b.writeId]);
    expect([ledger.excusedByUnknown, blamed]).toEqual([0, []]);
  });

  it('what a second attempt replaced that had read more than the first, wherever it is known', () => {
    const { ledger, blamed, write } = ledgerOfOneKey();
    const a = write('a');
    const b = ledger.attempt({
      writeId: 'b'.padEnd(16, '-'),
      name: 'b',
      deleted: true,
      isElement: false,
      check: 0,
      sent: undefined,
      readsFirst: true,
      deadlineMs: 1_000,
    });
    ledger.resolve(b, emptyContext);
    ledger.resolve(b, covering(a));
    ledger.conclusion([a.writeId, b.writeId]);
    ledger.conclude(a, 'ok', 20, 2, 2);
    ledger.conclusion([b.writeId]);
    expect(blamed).toEqual([]);
  });
});
