import { Prng } from '@circlet/shared/prng.ts';
import type { Topology } from '@circlet/shared/ring/topology.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { topologyOf } from '../ring.case.ts';
import { EpochCluster } from './cluster.case.ts';

/*
 * Bounds in simulated milliseconds, for messages of 1 to 20 ms; beside each the worst seen in 19,200 runs of
 * 1 to 9 members, and in 600 for each size of those that take over.
 */
/** 96 ms, and 211 ms when rivals begin one after the other: two round trips, after the last who outbids. */
const CHOSEN_MS = 500;
/** 29 s, by 5 of 9 members of whom nobody may miss a message. */
const CHOSEN_UNDER_LOSS_MS = 60_000;
/** 1.1 s: whoever has accepted waits for half a second to one, and for a tick. */
const FINISHED_MS = 2_500;

const namesOf = (members: number) =>
  Array.from({ length: members }, (_, i) => `m${String(i).padStart(3, '0')}`);
/** A plan of one of them: another member, by another name. */
const planOf = (names: readonly string[], by: string): Topology =>
  topologyOf([...names.slice(0, 255), `by-${by}`], 2);

function documents(cluster: EpochCluster): readonly string[] {
  return [...new Set(cluster.alive.filter(({ epoch }) => epoch === 2).map(({ ring }) => ring.digest))];
}

/** Members of whom any minority is dead, and any number of those alive have plans of their own. */
const competitions = fc.integer({ min: 1, max: 9 }).chain((members) => {
  const names = namesOf(members);
  return fc.record({
    names: fc.constant(names),
    order: fc.shuffledSubarray(names, { minLength: members }),
    dead: fc.nat({ max: Math.ceil(members / 2) - 1 }),
    rivals: fc.integer({ min: 1, max: members }),
    seed: fc.nat(),
  });
});

function begin({
  names,
  order,
  dead,
  rivals,
  seed,
}: typeof competitions extends fc.Arbitrary<infer T> ? T : never) {
  const cluster = new EpochCluster(topologyOf(names), seed);
  for (const name of order.slice(0, dead)) cluster.crash(name);
  const propose = (name: string) => cluster.propose(name, planOf(names, name));
  return { cluster, rivals: order.slice(dead).slice(0, rivals), propose };
}

describe('with a majority alive', () => {
  it('rivals end with one document at once, when all of them begin together', () => {
    fc.assert(
      fc.property(competitions, (competition) => {
        const { cluster, rivals, propose } = begin(competition);
        for (const name of rivals) propose(name);
        const everybody = () => cluster.alive.every(({ epoch }) => epoch === 2);
        expect(cluster.runUntil(everybody, CHOSEN_MS)).toBeDefined();
        expect(documents(cluster)).toHaveLength(1);
        const ends = rivals.map((name) => cluster.pod(name).machine.proposal);
        expect(ends.toSorted()).toEqual([...rivals.slice(1).map(() => 'another_won'), 'won']);
      }),
      { numRuns: 300 },
    );
  });

  it('and when each begins in the middle of what another has begun', () => {
    fc.assert(
      fc.property(
        competitions,
        fc.array(fc.nat({ max: 40 }), { minLength: 9, maxLength: 9 }),
        (competition, pauses) => {
          const { cluster, rivals, propose } = begin(competition);
          rivals.forEach((name, i) => {
            if (cluster.pod(name).epoch === 1) propose(name);
            cluster.runUntil(() => false, pauses[i] ?? 0);
          });
          const everybody = () => cluster.alive.every(({ epoch }) => epoch === 2);
          expect(cluster.runUntil(everybody, CHOSEN_MS)).toBeDefined();
          expect(documents(cluster)).toHaveLength(1);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('they do so although a fifth of all messages is lost', () => {
    fc.assert(
      fc.property(competitions, (competition) => {
        const { cluster, rivals, propose } = begin(competition);
        const prng = new Prng(competition.seed + 1);
        cluster.loses = () => prng.next() < 0.2;
        for (const name of rivals) propose(name);
        const allEnded = () => rivals.every((name) => cluster.pod(name).machine.proposal !== 'running');
        expect(cluster.runUntil(allEnded, CHOSEN_UNDER_LOSS_MS)).toBeDefined();
        expect(documents(cluster)).toHaveLength(1);
      }),
      { numRuns: 300 },
    );
  });

  it('one who is heard and hears nothing does not keep the others from choosing', () => {
    for (let seed = 0; seed < 50; seed++) {
      const names = namesOf(5);
      const cluster = new EpochCluster(topologyOf(names), seed);
      const [deaf = '', other = ''] = names;
      cluster.loses = (_, to) => to === deaf;
      cluster.propose(deaf, planOf(names, deaf));
      cluster.propose(other, planOf(names, other));
      expect(cluster.runUntil(() => cluster.pod(other).epoch === 2, FINISHED_MS)).toBeDefined();
    }
  });
});

describe('a proposer that dies', () => {
  it.each([3, 5, 16, 254])(
    'with its document accepted by all %i and learnt by none is succeeded',
    (members) => {
      for (let seed = 0; seed < (members > 16 ? 1 : 30); seed++) {
        const names = namesOf(members);
        const cluster = new EpochCluster(topologyOf(names), seed);
        const [dying = ''] = names;
        cluster.loses = (_, to, { kind }) => to === dying && kind === 'epochAccepted';
        cluster.propose(dying, planOf(names, dying));
        const accepted = () => cluster.alive.every(({ vote }) => vote.accepted !== undefined);
        expect(cluster.runUntil(accepted, CHOSEN_MS)).toBeDefined();
        cluster.crash(dying);
        cluster.sent = 0;
        expect(
          cluster.runUntil(() => cluster.alive.every(({ epoch }) => epoch === 2), FINISHED_MS),
        ).toBeDefined();
        expect(documents(cluster)).toEqual([cluster.pod(names[1] ?? '').ring.digest]);
        expect(cluster.alive[0]?.ring.topology).toEqual(planOf(names, dying));
        // One or two of them begin, not all: a ballot and its news are about five messages for each member.
        expect(cluster.sent / members).toBeLessThan(25);
      }
    },
  );

  it('with its document accepted by one other is succeeded by him, once he has a majority', () => {
    for (let seed = 0; seed < 50; seed++) {
      const names = namesOf(3);
      const cluster = new EpochCluster(topologyOf(names), seed);
      const [dying = '', other = '', third = ''] = names;
      cluster.loses = (_, to, { kind }) => to === third && kind === 'epochAccept';
      cluster.propose(dying, planOf(names, dying));
      expect(cluster.runUntil(() => cluster.pod(other).vote.accepted !== undefined, CHOSEN_MS)).toBeDefined();
      cluster.crash(dying);
      cluster.loses = () => false;
      expect(cluster.runUntil(() => cluster.pod(third).epoch === 2, FINISHED_MS)).toBeDefined();
      expect(cluster.pod(third).ring.topology).toEqual(planOf(names, dying));
    }
  });

  it('before anybody accepted leaves nothing behind: nobody begins anything', () => {
    const names = namesOf(3);
    const cluster = new EpochCluster(topologyOf(names), 1);
    const [dying = ''] = names;
    cluster.loses = (_, to, { kind }) => to === dying && kind === 'epochPromise';
    cluster.propose(dying, planOf(names, dying));
    const promised = () => cluster.alive.every(({ vote }) => vote.promised !== undefined);
    expect(cluster.runUntil(promised, CHOSEN_MS)).toBeDefined();
    cluster.crash(dying);
    cluster.sent = 0;
    cluster.runUntil(() => false, 60_000);
    expect(cluster.sent).toBe(0);
  });

  it('and comes back goes on from its store with what it had accepted', () => {
    const names = namesOf(3);
    const cluster = new EpochCluster(topologyOf(names), 1);
    const [dying = '', other = ''] = names;
    cluster.loses = (_, __, { kind }) => kind === 'epochAccept';
    cluster.propose(dying, planOf(names, dying));
    expect(cluster.runUntil(() => cluster.pod(dying).vote.accepted !== undefined, CHOSEN_MS)).toBeDefined();
    cluster.crash(dying);
    cluster.loses = () => false;
    cluster.start(dying);
    expect(cluster.runUntil(() => cluster.pod(other).epoch === 2, FINISHED_MS)).toBeDefined();
    expect(cluster.pod(other).ring.topology).toEqual(planOf(names, dying));
  });
});

describe('with half of the members dead', () => {
  it('nothing is chosen, and the proposal runs until one of them returns', () => {
    const names = namesOf(4);
    const cluster = new EpochCluster(topologyOf(names), 1);
    const [proposer = '', , third = '', fourth = ''] = names;
    for (const name of [third, fourth]) cluster.crash(name);
    cluster.propose(proposer, planOf(names, proposer));
    expect(cluster.runUntil(() => cluster.pod(proposer).epoch === 2, 600_000)).toBeUndefined();
    expect(cluster.pod(proposer).machine.proposal).toBe('running');
    // Three messages at each attempt, at most twice a second: that can go on for days.
    expect(cluster.sent).toBeLessThan(600 * 2 * 3);
    cluster.start(third);
    expect(cluster.runUntil(() => cluster.pod(proposer).epoch === 2, FINISHED_MS)).toBeDefined();
    expect(cluster.pod(proposer).machine.proposal).toBe('won');
  });
});
