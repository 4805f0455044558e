import { Ring } from '@circlet/shared/ring/topology.ts';
import { describe, expect, it } from 'vitest';
import { DIGEST_KEY } from '../one-key.case.ts';
import { diskOf, topologyOf } from '../ring.case.ts';
import { readVote, type Vote } from './acceptor.ts';
import { sameBallot } from './ballot.ts';
import { Disk, diskWith, EpochPod, podOf, type Said } from './pod.case.ts';
import { explore, type Rules } from './state-space.case.ts';

const NAMES = ['a', 'b', 'c'];
const BASE = topologyOf(NAMES);

function rulesOf(proposers: number, ballotsMax: number, more: Partial<Rules> = {}): Rules {
  const { pods = NAMES.map((name) => podOf(name, BASE)) } = more;
  const names = pods.map(({ name }) => name);
  return {
    pods,
    // Each wants another member.
    plans: new Map(names.slice(0, proposers).map((name) => [name, topologyOf([...names, `by-${name}`], 2)])),
    ballotsMax,
    restart: (pod) => new EpochPod(pod.name, pod.store.afterCrash()),
    ...more,
  };
}

describe('whatever the network does and whoever crashes when, at most one document is chosen', () => {
  // 6,485, 14,555 and 421,668 places. Three who propose within three ballots have 1,373,011, and all is well.
  it.each([
    [2, 2, 5_000],
    [3, 2, 10_000],
    [2, 3, 300_000],
  ])('by three members of whom %i propose, within %i ballots', (proposers, ballots, decided) => {
    const found = explore(rulesOf(proposers, ballots));
    expect(found.violation).toBeUndefined();
    expect(found.decided).toBeGreaterThan(decided);
  });

  // 50,871 places, in which nobody hears of a vote: the search counts them itself. With all heard: 425,222.
  it('by four members, where half are no majority', () => {
    const pods = [...NAMES, 'd'].map((name) => podOf(name, topologyOf([...NAMES, 'd'])));
    const found = explore(
      rulesOf(2, 2, { pods, lost: ['told', 'epochChosen', 'epochAccepted', 'epochRefused'] }),
    );
    expect(found.violation).toBeUndefined();
    expect(found.decided).toBeGreaterThan(30_000);
  });

  it('by three members who lose their disks and go on with empty ones', () => {
    const restart = ({ name }: EpochPod) => new EpochPod(name, diskWith(BASE, diskOf(`${name}-new`)));
    const found = explore(rulesOf(3, 2, { restart }));
    expect(found.violation).toBeUndefined();
    expect(found.decided).toBeGreaterThan(50_000);
  });
});

/** Each breaks one rule. A search that overlooks something would not find out. */
describe('two documents are chosen within a few steps', () => {
  const shortest = (rules: Rules) => explore(rules).violation;

  it('if a disk keeps what was accepted and forgets what was promised', () => {
    const pods = NAMES.map((name) => new EpochPod(name, new ForgetsPromises(diskOf(name), CONTENT)));
    expect(shortest(rulesOf(2, 2, { pods }))).toEqual([
      'a proposes',
      'b proposes',
      'c hears epochPrepare 1a from a',
      'a hears epochPromise 1a from c',
      'a hears epochPrepare 1b from b',
      'c hears epochPrepare 1b from b',
      'b hears epochPromise 1b from c',
      'a hears epochAccept 1b from b',
      'c crashes',
      'c hears epochAccept 1a from a',
    ]);
  });

  it('if votes went by name, so that a member votes again with an empty disk', () => {
    expect(shortest(rulesOf(2, 2, { restart: ({ name }) => podOf(name, BASE) }))).toEqual([
      'a proposes',
      'b proposes',
      'c hears epochPrepare 1a from a',
      'a hears epochPromise 1a from c',
      'a crashes',
      'a hears epochPrepare 1b from b',
      'b hears epochPromise 1b from a',
      'a hears epochAccept 1b from b',
      'c hears epochAccept 1a from a',
    ]);
  });

  it('if proposers do not hear what was accepted', () => {
    const heard = (said: Said): Said =>
      said.kind === 'epochPromise' ? { ...said, accepted: undefined } : said;
    expect(shortest(rulesOf(2, 2, { heard }))).toEqual([
      'a proposes',
      'b proposes',
      'c hears epochPrepare 1a from a',
      'a hears epochPromise 1a from c',
      'a hears epochPrepare 1b from b',
      'b hears epochPromise 1b from a',
      'a hears epochAccept 1b from b',
      'c hears epochAccept 1a from a',
    ]);
  });

  it('if proposers go by the lowest ballot in which something was accepted', () => {
    const heard = (said: Said): Said => {
      if (said.kind !== 'epochPromise' || said.accepted === undefined) return said;
      const { ballot, document } = said.accepted;
      return { ...said, accepted: { ballot: { ...ballot, round: 100 - ballot.round }, document } };
    };
    expect(shortest(rulesOf(2, 3, { heard }))).toEqual([
      'a proposes',
      'b proposes',
      'c hears epochPrepare 1a from a',
      'a hears epochPromise 1a from c',
      'a hears epochPrepare 1b from b',
      'c hears epochPrepare 1b from b',
      'b hears epochPromise 1b from c',
      'c hears epochAccept 1b from b',
      'c times out',
      'a hears epochPrepare 2c from c',
      'c hears epochPromise 2c from a',
      'a hears epochAccept 2c from c',
    ]);
  });
});

const CONTENT = diskWith(BASE, '').content;

/** Keeps what was accepted, and over a crash loses what was only promised. */
class ForgetsPromises extends Disk {
  private lasting = this.meta;

  override writeMeta(name: string, value: Uint8Array): void {
    super.writeMeta(name, value);
    const { accepted } = voteOn(this.meta);
    const isLasting =
      accepted === undefined || sameBallot(voteOn(this.lasting).accepted?.ballot, accepted.ballot);
    if (!isLasting) this.lasting = this.meta;
  }

  override copy(): Disk {
    const copy = new ForgetsPromises(this.disk, this.meta);
    copy.lasting = this.lasting;
    return copy;
  }

  override afterCrash(): Disk {
    return new ForgetsPromises(this.disk, this.lasting);
  }
}

function voteOn(content: ReadonlyMap<string, Uint8Array>): Vote {
  return readVote(new Disk('', content), { epoch: 1, topology: new Ring(BASE, DIGEST_KEY).digest });
}
