import { must } from '@circlet/shared/assert.ts';
import { toHex } from '@circlet/shared/codec/bytes.ts';
import type { Acceptance } from '@circlet/shared/protocol/epoch.ts';
import type { Ring, Topology } from '@circlet/shared/ring/topology.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diskOf, topologyOf } from '../ring.case.ts';
import { type Disk, diskWith, EpochPod, podOf, type PodEvent, type Said } from './pod.case.ts';

/**
 * Five pods over several epochs, under anything that is not a lie: messages are kept for ever and arrive at
 * any time, any number of times; pods crash on either side of a commit, lose their disks, and run out of
 * room.
 *
 * No epoch may ever have two documents, by votes or by what anybody acted on. And once messages arrive again,
 * a majority that kept its disks comes to the end of what was begun.
 */
const NAMES = ['a', 'b', 'c', 'd', 'e'];
const BASE = topologyOf(NAMES);

type Step =
  | { readonly kind: 'propose'; readonly at: number; readonly change: number }
  | { readonly kind: 'tick'; readonly at: number }
  | { readonly kind: 'deliver'; readonly message: number }
  | { readonly kind: 'deliverNext'; readonly count: number }
  | { readonly kind: 'restart'; readonly at: number }
  | { readonly kind: 'crashIn'; readonly at: number; readonly committed: boolean }
  | { readonly kind: 'wipe'; readonly at: number }
  | { readonly kind: 'fill'; readonly at: number; readonly full: boolean };

interface Sent {
  readonly from: string;
  readonly to: string;
  readonly message: Said;
}

class World {
  readonly documents = new Map<number, Set<string>>();
  readonly wiped = new Set<string>();
  private readonly pods: EpochPod[] = NAMES.map((name) => podOf(name, BASE));
  private readonly sent: Sent[] = [];
  private pending: Sent[] = [];
  private readonly votes = new Map<string, Set<string>>();
  private crashes: { readonly name: string; readonly committed: boolean } | undefined;
  private nowMs = 0;

  run(step: Step): void {
    this.nowMs += 100;
    switch (step.kind) {
      case 'propose': {
        const { topology } = this.podAt(step.at).ring;
        this.handle(step.at, { kind: 'propose', document: this.changed(topology, step.change) });
        break;
      }
      case 'tick':
        this.nowMs += 1_000;
        this.handle(step.at, { kind: 'tick' });
        break;
      case 'deliver':
        this.deliver(this.sent[step.message % Math.max(1, this.sent.length)]);
        break;
      case 'deliverNext':
        for (let i = 0; i < step.count; i++) this.deliver(this.pending.shift());
        break;
      case 'restart':
        this.restart(step.at, this.podAt(step.at).store.afterCrash());
        break;
      case 'crashIn':
        this.crashes = { name: this.podAt(step.at).name, committed: step.committed };
        break;
      case 'wipe': {
        const { name, ring } = this.podAt(step.at);
        this.wiped.add(name);
        // It learns where the cluster is from somebody, and not what it promised.
        this.restart(step.at, diskWith(ring.topology, diskOf(`${name}-${this.nowMs}`)));
        break;
      }
      case 'fill':
        this.podAt(step.at).store.readOnly = step.full;
        break;
    }
  }

  /** All is well from now on: there is room, time passes, messages arrive, and gossip tells who is behind. */
  settle(rounds: number): void {
    this.crashes = undefined;
    for (const { store } of this.pods) store.readOnly = false;
    for (let round = 0; round < rounds && !this.isSettled; round++) {
      this.nowMs += 2_000;
      this.pods.forEach((_, at) => this.handle(at, { kind: 'tick' }));
      while (this.pending.length > 0) this.deliver(this.pending.shift());
      const { name: to, epoch: newest } = this.newest;
      for (const { name: from, epoch } of this.pods) {
        if (epoch < newest) this.deliver({ from, to, message: { kind: 'ask' } });
      }
      while (this.pending.length > 0) this.deliver(this.pending.shift());
    }
  }

  /** All act on one document, and nobody is about to propose another. */
  get isSettled(): boolean {
    const isDone = ({ machine, vote }: EpochPod) =>
      machine.proposal !== 'running' && vote.accepted === undefined;
    return new Set(this.pods.map(({ ring }) => ring.digest)).size === 1 && this.pods.every(isDone);
  }

  /** Whether those who vote on what comes next are there, each with its disk. */
  get hasMajority(): boolean {
    const voters = votersOf(this.newest.ring.topology);
    const present = voters.filter(({ name, disk }) => this.disks.get(name) === disk);
    return present.length > voters.length / 2;
  }

  get newest(): EpochPod {
    return must(this.pods.toSorted((a, b) => b.epoch - a.epoch)[0], 'a pod');
  }

  private get disks(): ReadonlyMap<string, string> {
    return new Map(this.pods.map(({ name, store }) => [name, store.disk]));
  }

  /** The next epoch: a member that comes, goes, weighs more, or goes on with the disk that it has now. */
  private changed({ members, ...topology }: Topology, change: number): Topology {
    const i = change % members.length;
    const member = must(members[i], 'a member');
    const disk = this.disks.get(member.name) ?? member.disk;
    const next = [
      { ...member, weight: 1 + (change % 50) },
      { ...member, state: member.state === 'active' ? ('leaving' as const) : ('active' as const) },
      { ...member, state: 'joining' as const },
      { ...member, disk },
    ][change % 4];
    return { ...topology, epoch: topology.epoch + 1, members: members.with(i, next ?? member) };
  }

  private deliver(sent: Sent | undefined): void {
    if (sent === undefined) return;
    const { from, to, message } = sent;
    this.handle(NAMES.indexOf(to), { kind: 'message', from, message });
  }

  private handle(at: number, event: PodEvent): void {
    const before = this.podAt(at);
    const pod = before.copy();
    const { said, voted } = pod.handle(event, this.nowMs);
    const crash = this.crashes?.name === pod.name ? this.crashes : undefined;
    if (crash !== undefined) this.crashes = undefined;
    if (crash?.committed === false) {
      this.restart(at, before.store.afterCrash());
      return;
    }
    this.pods[at % NAMES.length] = pod;
    if (voted !== undefined) this.count(before.ring, pod, voted);
    this.note(pod.epoch, toHex(pod.ring.bytes));
    if (crash !== undefined) {
      this.restart(at, pod.store.afterCrash());
      return;
    }
    for (const { to, message } of said) {
      this.sent.push({ from: pod.name, to, message });
      this.pending.push({ from: pod.name, to, message });
    }
  }

  private count(
    { topology, digest }: Ring,
    { name, store }: EpochPod,
    { ballot, document }: Acceptance,
  ): void {
    const of = JSON.stringify([digest, ballot, toHex(document)]);
    const votes = (this.votes.get(of) ?? new Set()).add(`${name} ${store.disk}`);
    this.votes.set(of, votes);
    if (votes.size > votersOf(topology).length / 2) this.note(topology.epoch + 1, toHex(document));
  }

  private note(epoch: number, document: string): void {
    this.documents.set(epoch, (this.documents.get(epoch) ?? new Set()).add(document));
  }

  private restart(at: number, disk: Disk): void {
    this.pods[at % NAMES.length] = new EpochPod(this.podAt(at).name, disk, () => 0.5, this.nowMs);
  }

  private podAt(at: number): EpochPod {
    return must(this.pods[at % NAMES.length], 'a pod');
  }
}

function votersOf({ members }: Topology): Topology['members'] {
  return members.filter(({ state }) => state !== 'joining');
}

const at = fc.nat({ max: NAMES.length - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('propose' as const), at, change: fc.nat({ max: 999 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('tick' as const), at }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('deliver' as const), message: fc.nat() }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('deliverNext' as const),
      count: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('restart' as const), at }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crashIn' as const), at, committed: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fill' as const), at, full: fc.boolean() }) },
);
const wipe: fc.Arbitrary<Step> = fc.record({ kind: fc.constant('wipe' as const), at });

function ran(steps: readonly Step[]): World {
  const world = new World();
  for (const one of steps) world.run(one);
  return world;
}

function expectOneDocumentEach({ documents }: World): void {
  for (const [epoch, of] of documents) expect([epoch, of.size]).toEqual([epoch, 1]);
}

const schedules = (of: fc.Arbitrary<Step>) => fc.array(of, { maxLength: 120, size: 'max' });

describe('five pods under a random schedule', () => {
  it('never have two documents for one epoch, whatever becomes of their disks', () => {
    let [ended, frozen] = [0, 0];
    const any = fc.oneof({ weight: 15, arbitrary: step }, { weight: 1, arbitrary: wipe });
    fc.assert(
      fc.property(schedules(any), (steps) => {
        const world = ran(steps);
        expectOneDocumentEach(world);
        world.settle(20);
        expectOneDocumentEach(world);
        if (world.hasMajority) expect(world.isSettled).toBe(true);
        if (world.isSettled) ended++;
        else frozen++;
      }),
      { numRuns: 1500 },
    );
    expect(ended).toBeGreaterThan(100);
    expect(frozen).toBeGreaterThan(100);
  });

  it('that keep their disks end in one epoch with nothing left to decide, once messages arrive again', () => {
    let epochs = 1;
    fc.assert(
      fc.property(schedules(step), (steps) => {
        const world = ran(steps);
        world.settle(20);
        expectOneDocumentEach(world);
        expect(world.isSettled).toBe(true);
        epochs = Math.max(epochs, world.newest.epoch);
      }),
      { numRuns: 1500 },
    );
    expect(epochs).toBeGreaterThan(4);
  });
});
