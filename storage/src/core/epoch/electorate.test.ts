import { must } from '@circlet/shared/assert.ts';
import { DecodeError } from '@circlet/shared/codec/bytes.ts';
import { bitFlips, readOrRefusal } from '@circlet/shared/codec/damage.case.ts';
import type { EpochMessage } from '@circlet/shared/protocol/epoch.ts';
import { decodeTopology, encodeTopology, flawOf, type Topology } from '@circlet/shared/ring/topology.ts';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../memory-store.ts';
import { topologyOf } from '../ring.case.ts';
import { EpochChoice } from './choice.ts';
import {
  aboutOf,
  accept,
  ballot,
  BASE,
  documentOf,
  NAMES,
  next,
  Node,
  OF,
  prepare,
  promise,
  said,
} from './node.case.ts';

describe('nobody votes', () => {
  const questions = [prepare(ballot(1, 'a')), accept(ballot(1, 'a'), documentOf('a'))];

  function expectNoVote(node: Node, verdict: string): void {
    for (const question of questions) {
      expect(node.hears('a', question)).toEqual({ letters: [], chosen: undefined, verdict });
    }
    expect(node.choice.tick(10_000).letters).toEqual([]);
    expect(node.store.writes).toBe(0);
  }

  it('who has lost the disk that the topology names; nor does it propose', () => {
    const node = new Node('c', BASE, 'f'.repeat(32));
    expectNoVote(node, 'abstained');
    expect(node.choice.propose(next('c'), 0).refused).toBe('not_a_voter');
    // It learns what the others chose like anybody.
    expect(node.hears('a', { kind: 'epochChosen', of: OF, document: documentOf('a') }).chosen).toBeDefined();
  });

  it('who is not a member', () => {
    const node = new Node('d');
    expectNoVote(node, 'abstained');
    expect(node.choice.propose(next('d'), 0).refused).toBe('not_a_voter');
  });

  it.each([
    ['joining', 'abstained', 'not_a_voter'],
    ['leaving', 'taken', undefined],
  ] as const)('who is joining; who is leaving does (%s)', (state, verdict, refusal) => {
    const members = BASE.members.map((member) => (member.name === 'c' ? { ...member, state } : member));
    const base = { ...BASE, members };
    const node = new Node('c', base);
    const question: EpochMessage = { kind: 'epochPrepare', of: aboutOf(base), ballot: ballot(1, 'a') };
    expect(node.hears('a', question).verdict).toBe(verdict);
    expect(node.choice.propose({ ...next('c') }, 0).refused).toBe(refusal);
  });

  it('who is at an earlier epoch, or has no topology yet', () => {
    const behind = new Node('c', topologyOf(NAMES, 1));
    const of = aboutOf(topologyOf(NAMES, 2));
    const document = encodeTopology(topologyOf(NAMES, 3));
    for (const question of questions.map((message) => ({ ...message, of, document }))) {
      expect(behind.hears('a', question as EpochMessage)).toMatchObject({ verdict: 'ahead', letters: [] });
    }
    expect(behind.store.writes).toBe(0);
    const empty = new EpochChoice({ store: new MemoryStore(), self: 'c', random: () => 0 });
    expect(empty.receive('a', prepare(ballot(1, 'a')), 0)).toMatchObject({ verdict: 'ahead', letters: [] });
    expect(empty.propose(next('c'), 0).refused).toBe('no_topology');
    expect(empty.tick(10_000).letters).toEqual([]);
  });

  it('who has another document of that epoch', () => {
    expectNoVote(new Node('c', topologyOf(['a', 'b', 'c', 'x'])), 'other_topology');
  });

  it('whose disk is full, as long as it is', () => {
    const node = new Node('c');
    node.store.readOnly = true;
    expectNoVote(node, 'abstained');
    expect(node.choice.propose(next('c'), 0).refused).toBe('read_only');
    node.store.readOnly = false;
    expect(node.hears('a', prepare(ballot(1, 'a'))).verdict).toBe('taken');
  });
});

describe('a document that may not follow', () => {
  const [first, ...others] = BASE.members;
  const WRONG: readonly (readonly [string, Topology, RegExp])[] = [
    ['of the same epoch', topologyOf(NAMES, 1), /does not follow/],
    ['of a later epoch', topologyOf(NAMES, 3), /does not follow/],
    ['of another cluster', { ...next('a'), cluster: 'other' }, /another cluster/],
    ['without members', { ...next('a'), members: [] }, /no members/],
    ['with members out of order', { ...next('a'), members: [...others, must(first, 'one')] }, /order/],
    ['with an owner that is no member', { ...next('a'), owners: [[0, 1, 9]] }, /owner/],
    [
      'without anybody to vote on what follows it',
      {
        ...next('a'),
        members: next('a').members.map((member) => ({ ...member, state: 'joining' as const })),
      },
      /without voters/,
    ],
  ];

  it.each(WRONG)('%s is refused by every acceptor, and changes nothing', (_, topology, reason) => {
    const node = new Node('c');
    const document = encodeTopology(topology);
    const held = { ballot: ballot(1, 'b'), document };
    node.choice.propose(next('c'), 0);
    const { writes } = node.store;
    expect(() => node.hears('a', accept(ballot(2, 'a'), document))).toThrow(DecodeError);
    expect(() => node.hears('a', accept(ballot(2, 'a'), document))).toThrow(reason);
    expect(() => node.hears('b', promise(ballot(1, 'c'), held))).toThrow(reason);
    expect(() => node.hears('b', { kind: 'epochChosen', of: OF, document })).toThrow(reason);
    expect(node.store.writes).toBe(writes);
    expect(node.vote()).toEqual({ promised: ballot(1, 'c'), accepted: undefined });
    // Nobody was counted with it.
    expect(said(node.hears('a', promise(ballot(1, 'c'))))[0]).toMatchObject({ document: documentOf('c') });
  });

  it.each(WRONG)('%s is not proposed', (_, topology, reason) => {
    const node = new Node('a');
    const { refused: refusal, letters } = node.choice.propose(topology, 0);
    expect(refusal).toMatchObject({ unsound: expect.stringMatching(reason) as string });
    expect([letters, node.store.writes, node.choice.proposal]).toEqual([[], 0, 'none']);
  });

  it.each([
    ['a name that no node has', { name: 'A B' }],
    ['a zone of no length that fits', { zone: 'z'.repeat(64) }],
    ['a weight that the wire would cut to a sound one', { weight: 257 }],
  ])('because of %s is not proposed', (_, change) => {
    const node = new Node('a');
    const members = next('a').members.map((member, i) => (i === 0 ? { ...member, ...change } : member));
    const { refused: refusal } = node.choice.propose({ ...next('a'), members }, 0);
    expect(refusal).toHaveProperty('unsound');
  });

  it('is what damage makes of one, or another sound one: no third thing is ever accepted', () => {
    let [refusals, sound] = [0, 0];
    for (const document of bitFlips(documentOf('a'), 200)) {
      const node = new Node('c');
      const answer = readOrRefusal(() => node.hears('a', accept(ballot(1, 'a'), document)));
      if (answer instanceof DecodeError) {
        refusals++;
        expect(node.store.writes).toBe(0);
        continue;
      }
      sound++;
      const { document: stored } = must(node.vote().accepted, 'it was accepted');
      expect(stored).toEqual(document);
      const topology = decodeTopology(stored);
      expect([topology.epoch, topology.cluster, flawOf(topology)]).toEqual([2, BASE.cluster, undefined]);
    }
    expect(Math.min(refusals, sound)).toBeGreaterThan(100);
  });
});
