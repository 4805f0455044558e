import { DecodeError } from '@circlet/shared/codec/bytes.ts';
import type { EpochMessage } from '@circlet/shared/protocol/epoch.ts';
import { describe, expect, it } from 'vitest';
import { NO_VOTE } from './acceptor.ts';
import {
  aboutOf,
  accept,
  accepted,
  ballot,
  ballotIn,
  BASE,
  documentOf,
  next,
  Node,
  OF,
  prepare,
  promise,
  refused,
  ringOf,
  said,
} from './node.case.ts';

describe('an acceptor', () => {
  it('stores a promise before it answers, and says what it had accepted', () => {
    const node = new Node('c');
    expect(said(node.hears('a', prepare(ballot(1, 'a'))))).toEqual([{ to: 'a', ...promise(ballot(1, 'a')) }]);
    node.hears('a', accept(ballot(1, 'a'), documentOf('a')));
    node.restart();
    const held = { ballot: ballot(1, 'a'), document: documentOf('a') };
    expect(said(node.hears('b', prepare(ballot(1, 'b'))))).toEqual([
      { to: 'b', ...promise(ballot(1, 'b'), held) },
    ]);
    expect(node.vote()).toEqual({ promised: ballot(1, 'b'), accepted: held });
  });

  it('votes in no lower ballot than it promised, and says which that is', () => {
    const node = new Node('c');
    node.hears('b', prepare(ballot(2, 'b')));
    node.restart();
    const { writes } = node.store;
    for (const question of [prepare(ballot(2, 'a')), accept(ballot(2, 'a'), documentOf('a'))]) {
      expect(said(node.hears('a', question))).toEqual([
        { to: 'a', ...refused(ballot(2, 'a'), ballot(2, 'b')) },
      ]);
    }
    expect(node.store.writes).toBe(writes);
    expect(node.vote().accepted).toBeUndefined();
  });

  it('accepts in a ballot that it never promised, if it promised no higher one', () => {
    const node = new Node('c');
    node.hears('a', prepare(ballot(1, 'a')));
    expect(said(node.hears('b', accept(ballot(1, 'b'), documentOf('b'))))).toEqual([
      { to: 'b', ...accepted(ballot(1, 'b')) },
    ]);
    expect(node.vote()).toEqual({
      promised: ballot(1, 'b'),
      accepted: { ballot: ballot(1, 'b'), document: documentOf('b') },
    });
  });

  it('answers a question that comes again, and writes nothing for it', () => {
    const node = new Node('c');
    for (const question of [prepare(ballot(1, 'a')), accept(ballot(1, 'a'), documentOf('a'))]) {
      const first = node.hears('a', question);
      const { writes } = node.store;
      expect(node.hears('a', question)).toEqual(first);
      expect(node.store.writes).toBe(writes);
    }
  });

  it('believes what is said of a ballot only of its own node', () => {
    const node = new Node('c');
    for (const question of [prepare(ballot(1, 'a')), accept(ballot(1, 'a'), documentOf('a'))]) {
      expect(() => node.hears('b', question)).toThrow('a ballot of another node');
    }
    expect(node.vote()).toEqual(NO_VOTE);
  });

  it('accepts no second document in a ballot: two processes would have to share a disk', () => {
    const node = new Node('c');
    node.hears('a', accept(ballot(1, 'a'), documentOf('a')));
    expect(() => node.hears('a', accept(ballot(1, 'a'), documentOf('b')))).toThrow(DecodeError);
    expect(node.vote().accepted?.document).toEqual(documentOf('a'));
  });

  it('keeps a document for longer than the frame that it came in', () => {
    const node = new Node('c');
    const frame = documentOf('a');
    node.hears('a', accept(ballot(1, 'a'), frame));
    frame.fill(0);
    expect(said(node.hears('b', prepare(ballot(2, 'b'))))[0]).toMatchObject({
      accepted: { document: documentOf('a') },
    });
  });

  it('that has accepted and learns nothing proposes the document itself', () => {
    const node = new Node('c');
    node.hears('a', accept(ballot(1, 'a'), documentOf('a')), 1_000);
    expect(node.choice.tick(1_499).letters).toEqual([]);
    expect(said(node.choice.tick(1_500))).toEqual([
      { to: 'a', ...prepare(ballot(2, 'c')) },
      { to: 'b', ...prepare(ballot(2, 'c')) },
    ]);
    const outcome = node.hears('b', promise(ballot(2, 'c')), 1_600);
    expect(said(outcome)[0]).toEqual({ to: 'a', ...accept(ballot(2, 'c'), documentOf('a')) });
  });

  it('leaves the ballot to whoever has begun one meanwhile', () => {
    const node = new Node('c');
    node.hears('a', accept(ballot(1, 'a'), documentOf('a')), 0);
    node.hears('b', prepare(ballot(2, 'b')), 400);
    expect(node.choice.tick(899).letters).toEqual([]);
    expect(ballotIn(node.choice.tick(900))).toEqual(ballot(3, 'c'));
  });

  it('learns what was chosen, whoever of the members says it', () => {
    const node = new Node('c');
    const chosen: EpochMessage = { kind: 'epochChosen', of: OF, document: documentOf('a') };
    expect(node.hears('b', chosen).chosen).toEqual(next('a'));
    expect(node.hears('d', chosen)).toMatchObject({ verdict: 'stranger', chosen: undefined });
  });
});

describe('a message of a choice that is over', () => {
  const later = next('a');
  const everything: readonly EpochMessage[] = [
    prepare(ballot(9, 'a')),
    accept(ballot(9, 'a'), documentOf('b')),
    promise(ballot(1, 'c')),
    accepted(ballot(1, 'c')),
    refused(ballot(1, 'c'), ballot(9, 'a')),
    { kind: 'epochChosen', of: OF, document: documentOf('b') },
  ];

  function successor(): Node {
    const node = new Node('c');
    node.choice.propose(next('c'), 0);
    node.hears('a', accept(ballot(2, 'a'), documentOf('a')));
    node.choice.adopt(ringOf(later), 0);
    return node;
  }

  it('tells that an acceptor is behind, and is late otherwise; it changes nothing', () => {
    const node = successor();
    const { writes } = node.store;
    const verdicts = everything.map((message) => node.hears('a', message));
    expect(verdicts.map(({ verdict }) => verdict)).toEqual([
      'behind',
      'behind',
      'late',
      'late',
      'late',
      'late',
    ]);
    for (const { letters, chosen } of verdicts) expect([letters, chosen]).toEqual([[], undefined]);
    expect(node.store.writes).toBe(writes);
    expect(node.choice.tick(60_000).letters).toEqual([]);
  });

  it('finds a node that begins the next choice without a vote, also after a restart', () => {
    const node = successor();
    expect(node.vote(later)).toEqual(NO_VOTE);
    node.restart(later);
    const question: EpochMessage = { kind: 'epochPrepare', of: aboutOf(later), ballot: ballot(1, 'a') };
    expect(said(node.hears('a', question))).toEqual([
      { to: 'a', kind: 'epochPromise', of: aboutOf(later), ballot: ballot(1, 'a'), accepted: undefined },
    ]);
    // What it held of the choice before has made room for it.
    expect(node.vote(BASE)).toEqual(NO_VOTE);
    expect(node.vote(later).promised).toEqual(ballot(1, 'a'));
  });
});
