import { must } from '@circlet/shared/assert.ts';
import { type Acceptance, ROUND_MAX } from '@circlet/shared/protocol/epoch.ts';
import { decodeTopology, encodeTopology } from '@circlet/shared/ring/topology.ts';
import { describe, expect, it } from 'vitest';
import { topologyOf } from '../ring.case.ts';
import {
  aboutOf,
  accept,
  accepted,
  ballot,
  ballotIn,
  documentOf,
  kinds,
  NAMES,
  next,
  Node,
  prepare,
  promise,
  refused,
  ringOf,
  said,
} from './node.case.ts';

describe('a cluster of one', () => {
  const alone = topologyOf(['a']);

  it('chooses in the turn that proposes, durably and without a message', () => {
    const node = new Node('a', alone);
    const { refused: refusal, letters, chosen } = node.choice.propose(topologyOf(['a', 'b'], 2), 0);
    expect([refusal, letters, chosen]).toEqual([undefined, [], topologyOf(['a', 'b'], 2)]);
    expect(node.vote(alone).accepted).toMatchObject({ ballot: ballot(1, 'a') });
    node.choice.adopt(ringOf(must(chosen, 'it was chosen')), 0);
    expect(node.choice.proposal).toBe('won');
  });

  it('finishes after a crash between its vote and the adoption', () => {
    const node = new Node('a', alone);
    node.choice.propose(topologyOf(['a', 'b'], 2), 0);
    node.restart(alone);
    expect(node.choice.tick(1_000).chosen).toEqual(topologyOf(['a', 'b'], 2));
  });
});

describe('a proposer', () => {
  it('asks all other voters once its own promise is in the store', () => {
    const node = new Node('a');
    const outcome = node.choice.propose(next('a'), 0);
    expect(said(outcome)).toEqual([
      { to: 'b', ...prepare(ballot(1, 'a')) },
      { to: 'c', ...prepare(ballot(1, 'a')) },
    ]);
    expect(node.vote()).toEqual({ promised: ballot(1, 'a'), accepted: undefined });
    expect(node.choice.proposal).toBe('running');
  });

  it('asks them to accept its document once a majority has promised, and has done so in its store', () => {
    const node = new Node('a');
    node.choice.propose(next('a'), 0);
    const outcome = node.hears('b', promise(ballot(1, 'a')));
    expect(said(outcome)).toEqual([
      { to: 'b', ...accept(ballot(1, 'a'), documentOf('a')) },
      { to: 'c', ...accept(ballot(1, 'a'), documentOf('a')) },
    ]);
    expect(node.vote().accepted).toEqual({ ballot: ballot(1, 'a'), document: documentOf('a') });
    expect(node.hears('c', promise(ballot(1, 'a'))).verdict).toBe('late');
  });

  it('says what was chosen to every other member, also to those who have no vote', () => {
    const withJoiner = topologyOf(['a', 'b', 'c', 'd']);
    const members = withJoiner.members.map((member) =>
      member.name === 'd' ? { ...member, state: 'joining' as const } : member,
    );
    const base = { ...withJoiner, members };
    const node = new Node('a', base);
    const of = aboutOf(base);
    const outcome = node.choice.propose({ ...base, epoch: 2 }, 0);
    expect(kinds(outcome)).toEqual(['epochPrepare to b', 'epochPrepare to c']);
    node.hears('b', { kind: 'epochPromise', of, ballot: ballot(1, 'a'), accepted: undefined });
    const last = node.hears('c', { kind: 'epochAccepted', of, ballot: ballot(1, 'a') });
    expect(kinds(last)).toEqual(['epochChosen to b', 'epochChosen to c', 'epochChosen to d']);
    expect(last.chosen).toEqual({ ...base, epoch: 2 });
  });

  it('proposes what was accepted in the highest ballot that it hears of, and its own plan has lost', () => {
    const five = topologyOf(['a', 'b', 'c', 'd', 'e']);
    const of = aboutOf(five);
    const document = (by: string) => encodeTopology(topologyOf(['a', 'b', 'c', 'd', 'e', by], 2));
    const node = new Node('a', five);
    const began = ballotIn(node.choice.propose(topologyOf(['a', 'b', 'c', 'd', 'e', 'mine'], 2), 0));
    const hear = (from: string, of2: Acceptance) =>
      node.hears(from, { kind: 'epochPromise', of, ballot: began, accepted: of2 });
    hear('e', { ballot: ballot(2, 'c'), document: document('second') });
    const outcome = hear('d', { ballot: ballot(1, 'e'), document: document('first') });
    expect(said(outcome)[0]).toMatchObject({ kind: 'epochAccept', document: document('second') });
    expect(node.vote(five).accepted?.document).toEqual(document('second'));
    node.choice.adopt(ringOf(decodeTopology(document('second'))), 0);
    expect(node.choice.proposal).toBe('another_won');
  });

  it('never begins a ballot twice: after a crash its next one is higher', () => {
    const node = new Node('a');
    expect(ballotIn(node.choice.propose(next('a'), 0))).toEqual(ballot(1, 'a'));
    node.restart();
    expect(node.choice.proposal).toBe('none');
    expect(ballotIn(node.choice.propose(next('b'), 0))).toEqual(ballot(2, 'a'));
    // An answer to the life before is about a ballot that is over.
    expect(node.hears('b', promise(ballot(1, 'a'))).verdict).toBe('late');
  });

  it('that is refused waits, and begins above what was promised to another', () => {
    const node = new Node('a');
    node.choice.propose(next('a'), 0);
    expect(node.hears('b', refused(ballot(1, 'a'), ballot(7, 'c'))).verdict).toBe('taken');
    expect(node.choice.tick(499).letters).toEqual([]);
    expect(ballotIn(node.choice.tick(500))).toEqual(ballot(8, 'a'));
  });

  it('may win in a ballot that one acceptor refused', () => {
    const node = new Node('a');
    node.choice.propose(next('a'), 0);
    node.hears('b', refused(ballot(1, 'a'), ballot(7, 'c')));
    node.hears('c', promise(ballot(1, 'a')));
    expect(node.hears('c', accepted(ballot(1, 'a'))).chosen).toEqual(next('a'));
  });

  it('asks those again who have not answered, in the same ballot and without hurry', () => {
    const node = new Node('a', topologyOf(['a', 'b', 'c', 'd', 'e']));
    const of = aboutOf(topologyOf(['a', 'b', 'c', 'd', 'e']));
    const began = ballotIn(node.choice.propose(topologyOf(['a', 'b', 'c', 'd', 'e', 'f'], 2), 0));
    node.hears('c', { kind: 'epochPromise', of, ballot: began, accepted: undefined });
    expect(node.choice.tick(499).letters).toEqual([]);
    const again = node.choice.tick(500);
    expect(kinds(again)).toEqual(['epochPrepare to b', 'epochPrepare to d', 'epochPrepare to e']);
    expect(ballotIn(again)).toEqual(began);
    node.hears('d', { kind: 'epochPromise', of, ballot: began, accepted: undefined }, 600);
    node.hears('e', { kind: 'epochAccepted', of, ballot: began }, 600);
    const last = node.choice.tick(1_100);
    expect(kinds(last)).toEqual(['epochAccept to b', 'epochAccept to c', 'epochAccept to d']);
  });

  it('waits twice as long after every ballot that another outbid, up to a bound', () => {
    const node = new Node('a');
    node.choice.propose(next('a'), 0);
    const waits = [500, 1_000, 2_000, 4_000, 8_000, 8_000];
    let nowMs = 0;
    let round = 1;
    for (const wait of waits) {
      node.hears('b', refused(ballot(round, 'a'), ballot(round, 'c')), nowMs);
      expect(node.choice.tick(nowMs + wait - 1).letters).toEqual([]);
      nowMs += wait;
      expect(ballotIn(node.choice.tick(nowMs))).toEqual(ballot(++round, 'a'));
    }
  });

  it('counts nobody twice', () => {
    const five = topologyOf(['a', 'b', 'c', 'd', 'e']);
    const of = aboutOf(five);
    const node = new Node('a', five);
    const began = ballotIn(node.choice.propose(topologyOf(['a', 'b', 'c', 'd', 'e', 'f'], 2), 0));
    const promises = { kind: 'epochPromise', of, ballot: began, accepted: undefined } as const;
    for (let i = 0; i < 5; i++) expect(node.hears('b', promises).letters).toEqual([]);
    node.hears('c', promises);
    const votes = { kind: 'epochAccepted', of, ballot: began } as const;
    for (let i = 0; i < 5; i++) expect(node.hears('b', votes).chosen).toBeUndefined();
    expect(node.hears('c', votes).chosen).toBeDefined();
  });

  it('counts no answer to a ballot that it gave up', () => {
    const node = new Node('a');
    node.choice.propose(next('a'), 0);
    node.hears('b', promise(ballot(1, 'a')));
    node.hears('c', refused(ballot(1, 'a'), ballot(1, 'c')));
    node.choice.tick(10_000);
    node.hears('c', promise(ballot(2, 'a')));
    for (const answer of [accepted(ballot(1, 'a')), refused(ballot(1, 'a'), ballot(9, 'c'))]) {
      expect(node.hears('b', answer)).toEqual({ letters: [], chosen: undefined, verdict: 'late' });
    }
    expect(node.hears('b', accepted(ballot(2, 'a'))).chosen).toEqual(next('a'));
  });

  it('proposes one document at a time', () => {
    const node = new Node('a');
    node.choice.propose(next('a'), 0);
    expect(node.choice.propose(next('b'), 0)).toEqual({ letters: [], chosen: undefined, refused: 'running' });
    expect(node.choice.proposal).toBe('running');
  });

  it('cannot tell what became of its plan when it learns a later epoch at once', () => {
    const node = new Node('a');
    node.choice.propose(next('a'), 0);
    node.choice.adopt(ringOf(topologyOf(NAMES, 3)), 0);
    expect(node.choice.proposal).toBe('overtaken');
  });

  it('counts rounds anew in the next choice, whatever it was refused for in this one', () => {
    const node = new Node('a');
    node.choice.propose(next('a'), 0);
    node.hears('b', refused(ballot(1, 'a'), ballot(7, 'c')));
    node.choice.adopt(ringOf(next('c')), 0);
    expect(ballotIn(node.choice.propose(topologyOf(NAMES, 3), 0))).toEqual(ballot(1, 'a'));
  });

  it('begins nothing where there is no room for another round', () => {
    const node = new Node('a');
    node.hears('b', prepare(ballot(ROUND_MAX, 'b')));
    expect(node.choice.propose(next('a'), 0).letters).toEqual([]);
    expect(node.choice.tick(10_000).letters).toEqual([]);
  });

  it('takes no vote from a member that has none', () => {
    const node = new Node('a');
    node.choice.propose(next('a'), 0);
    for (const stranger of ['d', 'by-a']) {
      expect(node.hears(stranger, promise(ballot(1, 'a')))).toMatchObject({
        verdict: 'stranger',
        letters: [],
      });
    }
  });
});
