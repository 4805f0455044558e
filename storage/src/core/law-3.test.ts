import { must } from '@circlet/shared/assert.ts';
import {
  type Context,
  contextOf,
  contextWith,
  delta,
  emptyContext,
} from '@circlet/shared/causality/context.ts';
import { emptyState, type KeyState, merge, type WriteId } from '@circlet/shared/causality/key-state.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Copy, copyOf, joined, leadOf, Replica } from './one-key.case.ts';

/**
 * Riak's kv679_eqc, with more ways to forget. Replicas of one key lead writes, exchange states and lose their memory in
 * every way there is, in random order; messages are kept for ever and arrive anywhere, any number of times.
 *
 * Two things must hold. No dot is ever given to two writes. And everything ever sent, merged, has exactly the siblings
 * that nothing supersedes, where a write supersedes what its context had seen: that needs no dots to say.
 *
 * An older row comes back only to a process that starts. A disk that gives a running process an older page, with a
 * checksum that is right, could make it repeat a dot.
 */
interface Write {
  readonly copy: Copy;
  readonly context: Context;
  readonly supersedes: ReadonlySet<WriteId>;
  /** One attempt was made and no other will be; the coordinator says so with the merge. */
  readonly sole: boolean;
}

interface Client {
  readonly context: Context;
  readonly seen: ReadonlySet<WriteId>;
}

type Step =
  | {
      readonly kind: 'put';
      readonly at: number;
      readonly client: number;
      readonly deleted: boolean;
      readonly sole: boolean;
    }
  | { readonly kind: 'retry'; readonly at: number; readonly write: number }
  | { readonly kind: 'get'; readonly from: readonly number[] }
  | { readonly kind: 'deliver'; readonly message: number; readonly to: number }
  | { readonly kind: 'sync'; readonly from: number; readonly to: number }
  | { readonly kind: 'handOff'; readonly from: number; readonly to: number }
  | { readonly kind: 'heal'; readonly at: number }
  | Loss;

type Loss =
  | { readonly kind: 'forget'; readonly at: number }
  | { readonly kind: 'corrupt'; readonly at: number }
  | { readonly kind: 'restart'; readonly at: number }
  | { readonly kind: 'restore'; readonly at: number; readonly from: number; readonly age: number };

class World {
  /** The last two are pods under one name. */
  readonly replicas = ['a', 'b', 'c', 'c'].map((node) => new Replica(node));
  readonly messages: KeyState[] = [];
  readonly issued = new Map<string, WriteId>();
  readonly troubles: string[] = [];
  private readonly writes: Write[] = [];
  private readonly clients: Client[] = [{ context: emptyContext, seen: new Set() }];
  private readonly sole = new Set<WriteId>();
  private readonly snapshots = this.replicas.map((): (Uint8Array | undefined)[] => []);

  run(step: Step): void {
    switch (step.kind) {
      case 'put':
        this.put(step);
        break;
      case 'retry': {
        const again = this.writes.filter(({ sole }) => !sole);
        const write = again[step.write % Math.max(1, again.length)];
        if (write !== undefined) this.attempt(write, step.at);
        break;
      }
      case 'get': {
        const state = joined(...step.from.map((i) => this.replica(i).state));
        this.clients.push({ context: contextOf(state, this.sole), seen: this.seenIn(state) });
        break;
      }
      case 'deliver':
        this.merge(step.to, this.messages[step.message % Math.max(1, this.messages.length)] ?? emptyState);
        break;
      case 'sync':
      case 'handOff':
        this.merge(step.to, this.replica(step.from).state);
        if (step.kind === 'handOff' && step.from !== step.to) this.replica(step.from).bytes = undefined;
        break;
      case 'heal':
        this.merge(step.at, joined(...this.replicas.map(({ state }) => state)), true);
        break;
      default:
        this.loseMemory(step);
    }
    this.replicas.forEach(({ bytes }, i) => {
      if (bytes !== 'corrupt') this.snapshots[i]?.push(bytes);
    });
  }

  /** The writes that nothing attempted has seen. */
  expected(): readonly WriteId[] {
    const superseded = new Set(this.writes.flatMap(({ supersedes }) => [...supersedes]));
    return this.writes.flatMap(({ copy }) => (superseded.has(copy.writeId) ? [] : [copy.writeId])).toSorted();
  }

  everythingMerged(): readonly WriteId[] {
    const all = [...this.messages, ...this.replicas.map(({ state }) => state)];
    const { siblings } = all.reduce((a, b) => merge(a, b, this.sole).state, emptyState);
    return siblings.map(({ writeId }) => writeId);
  }

  private put({ at, client, deleted, sole }: Extract<Step, { kind: 'put' }>): void {
    const { context, seen } = must(
      this.clients.at(-1 - (client % this.clients.length)),
      'there is always a blind one',
    );
    const copy = copyOf(this.writes.length, deleted ? { deleted, body: new Uint8Array(0) } : {});
    const write = { copy, context, supersedes: seen, sole };
    this.writes.push(write);
    if (sole) this.sole.add(copy.writeId);
    this.attempt(write, at);
  }

  private attempt({ copy, context, supersedes, sole }: Write, at: number): void {
    const replica = this.replica(at);
    const led = replica.lead(leadOf(copy, context));
    if (led.kind === 'refused') {
      this.troubles.push(`refused ${led.reason}`);
      return;
    }
    if (led.doubleDots > 0) this.troubles.push('a lead met a dot under two writes');
    if (led.outcome === 'closed') {
      this.messages.push(replica.state);
      return;
    }
    for (const { actor, counter } of led.dots) {
      const dot = `${actor}:${counter}`;
      const owner = this.issued.get(dot) ?? copy.writeId;
      if (owner !== copy.writeId) this.troubles.push(`${dot} was issued twice`);
      if (led.outcome === 'minted' && this.issued.has(dot)) this.troubles.push(`${dot} was minted again`);
      this.issued.set(dot, owner);
    }
    this.messages.push(delta(context, { ...copy, writtenAtMs: led.writtenAtMs, dots: led.dots }));
    const returned = contextWith(context, copy.writeId, led.dots, sole);
    this.clients.push({ context: returned, seen: new Set([...supersedes, copy.writeId]) });
  }

  private merge(to: number, state: KeyState, heals = false): void {
    const replica = this.replica(to);
    const isCorrupt = replica.bytes === 'corrupt';
    const since = isCorrupt || replica.before === undefined ? undefined : replica.row.suspectSince;
    const isHealed = heals && since?.boot === replica.boot;
    const result = replica.merge(state, this.sole, heals ? Number.POSITIVE_INFINITY : undefined);
    if (result.kind === 'vacant') {
      if (isCorrupt || (since !== undefined && !isHealed)) this.troubles.push('a suspect row is gone');
      return;
    }
    if (result.kind !== 'merged') this.troubles.push(`a merge was ${result.kind}`);
    else if (result.doubleDots > 0) this.troubles.push('a merge met a dot under two writes');
    const isSuspect = (isCorrupt || since !== undefined) && !isHealed;
    if ((replica.row.suspectSince !== undefined) !== isSuspect)
      this.troubles.push('a row is suspect, or not, for no reason');
  }

  private loseMemory(step: Loss): void {
    const replica = this.replica(step.at);
    if (step.kind === 'forget') replica.bytes = undefined;
    else if (step.kind === 'corrupt') replica.bytes = replica.bytes === undefined ? undefined : 'corrupt';
    else if (step.kind === 'restart') replica.restart();
    else {
      const old = this.snapshots[step.from % this.snapshots.length] ?? [];
      replica.bytes = old.at(-1 - (step.age % Math.max(1, old.length)));
      replica.restart();
    }
  }

  private seenIn(state: KeyState): ReadonlySet<WriteId> {
    const ids = new Set(state.siblings.map(({ writeId }) => writeId));
    const shown = this.writes.filter(({ copy }) => ids.has(copy.writeId));
    return new Set([...ids, ...shown.flatMap(({ supersedes }) => [...supersedes])]);
  }

  private replica(i: number): Replica {
    return must(this.replicas[i % this.replicas.length], 'an index below the number of replicas');
  }
}

const replica = fc.nat({ max: 3 });
const is = <const K extends string>(kind: K) => fc.constant(kind);
const between = { from: replica, to: replica };
// Mostly what the newest client saw, sometimes what an old one did.
const client = fc.oneof({ weight: 3, arbitrary: fc.nat({ max: 2 }) }, fc.nat({ max: 40 }));
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: is('put'),
        at: replica,
        client,
        deleted: fc.boolean(),
        sole: fc.boolean(),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: is('retry'), at: replica, write: fc.nat({ max: 30 }) }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: is('get'), from: fc.array(replica, { minLength: 1, maxLength: 2 }) }),
    },
    { weight: 4, arbitrary: fc.record({ kind: is('deliver'), message: fc.nat({ max: 60 }), to: replica }) },
    { weight: 2, arbitrary: fc.record({ kind: is('sync'), ...between }) },
    { weight: 1, arbitrary: fc.record({ kind: is('handOff'), ...between }) },
    { weight: 1, arbitrary: fc.record({ kind: is('heal'), at: replica }) },
    { weight: 1, arbitrary: fc.record({ kind: is('forget'), at: replica }) },
    { weight: 1, arbitrary: fc.record({ kind: is('corrupt'), at: replica }) },
    { weight: 1, arbitrary: fc.record({ kind: is('restart'), at: replica }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: is('restore'), at: replica, from: replica, age: fc.nat({ max: 30 }) }),
    },
  ),
  { maxLength: 70, size: 'max' },
);

describe('replicas that lead, merge and forget in any order', () => {
  it('never issue a dot twice, and lose and resurrect nothing that was sent', () => {
    let minted = 0;
    fc.assert(
      fc.property(steps, (plan) => {
        const world = new World();
        for (const step of plan) world.run(step);
        minted += world.issued.size;
        expect(world.troubles).toEqual([]);
        expect(world.everythingMerged()).toEqual(world.expected());
      }),
      { numRuns: 1500 },
    );
    expect(minted).toBeGreaterThan(5000);
  });
});
