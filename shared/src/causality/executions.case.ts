import * as fc from 'fast-check';
import { must } from '../assert.ts';
import { toHex } from '../codec/bytes.ts';
import { type Context, contextOf, contextWith, delta, emptyContext } from './context.ts';
import { type Dot, makeActor } from './dot.ts';
import { lastCounter } from './history.ts';
import {
  emptyState,
  findWrite,
  type KeyState,
  merge,
  restrict,
  type Sibling,
  type WriteId,
} from './key-state.ts';
import { encodeState, partsOf } from './state-codec.ts';

/**
 * One key, two to four replicas, and everything that can happen to it: writes led by any replica, several attempts
 * at one write, contexts from gets (whole, paged, of several replicas), from puts, or none; deltas, whole states and
 * parts of states kept for ever and delivered anywhere, in any order, any number of times.
 *
 * Beside the real states it keeps, per write, what the context it was sent with had seen: the ids a get returned and
 * what those were written with; for a put's context, the write and what was sent (invariants.md, "Cover"). A write is
 * superseded when an attempted write had seen it. That is the whole specification.
 */
export interface Write {
  readonly writeId: WriteId;
  readonly context: Context;
  /** Every write that `context` had seen, transitively. */
  readonly supersedes: ReadonlySet<WriteId>;
  /** A fact about the write, fixed at its birth: one attempt through one lead was made, and no other ever will be. */
  readonly sole: boolean;
  readonly copy: Omit<Sibling, 'dots'>;
  /** A client's retry reaches another coordinator, which stamps its own time. */
  readonly retriedByClient: boolean;
}

interface Held {
  readonly context: Context;
  readonly seen: ReadonlySet<WriteId>;
}

export class Execution {
  readonly replicas: KeyState[];
  /** Every message ever sent. */
  readonly messages: KeyState[] = [];
  readonly writes: Write[] = [];
  readonly sole = new Set<WriteId>();
  private readonly held: Held[] = [{ context: emptyContext, seen: new Set() }];
  private readonly serials: number[];

  constructor(replicas: number) {
    this.replicas = Array.from({ length: replicas }, () => emptyState);
    this.serials = this.replicas.map(() => 0);
  }

  /** The writes that nothing attempted has seen, in the order of a state. */
  expected(): readonly WriteId[] {
    const superseded = new Set(this.writes.flatMap((write) => [...write.supersedes]));
    return this.writes.flatMap(({ writeId }) => (superseded.has(writeId) ? [] : [writeId])).toSorted();
  }

  run(step: Step): void {
    switch (step.kind) {
      case 'get':
        return this.get(step);
      case 'put':
        return this.put(step);
      case 'retry':
        return this.retry(step);
      case 'deliver':
        return this.mergeInto(step.to, this.messages[step.message % Math.max(1, this.messages.length)]);
      case 'sync':
        return this.mergeInto(step.to, this.replica(step.from));
      case 'send':
        return void this.messages.push(...this.shown(this.replica(step.from), step.page));
      case 'restart':
        this.serials[this.index(step.at)] = (this.serials[this.index(step.at)] ?? 0) + 1;
    }
  }

  private get({ from, page }: Extract<Step, { kind: 'get' }>): void {
    const whole = from
      .map((at) => this.replica(at))
      .reduce((a, b) => merge(a, b, this.sole).state, emptyState);
    for (const state of this.shown(whole, page)) {
      this.held.push({ context: contextOf(state, this.sole), seen: this.seenIn(state) });
    }
  }

  private put({ at, context, deleted, sole, retriedByClient }: Extract<Step, { kind: 'put' }>): void {
    const n = this.writes.length;
    const sent = must(
      this.held[this.held.length - 1 - (context % this.held.length)],
      'blind is always there',
    );
    const copy = {
      writeId: writeIdOf(n),
      deleted,
      writtenAtMs: 1000 + n,
      check: n,
      body: bodyOf(deleted ? 0 : n % 5),
    };
    const write = {
      writeId: copy.writeId,
      context: sent.context,
      supersedes: sent.seen,
      sole,
      copy,
      retriedByClient,
    };
    this.writes.push(write);
    if (sole) this.sole.add(write.writeId);
    const dots = this.attempt(write, at, 0);
    this.held.push({
      context: contextWith(sent.context, write.writeId, dots, sole),
      seen: new Set([...sent.seen, write.writeId]),
    });
  }

  private retry({ write, at }: Extract<Step, { kind: 'retry' }>): void {
    const retried = this.writes.filter(({ sole }) => !sole);
    const again = retried[write % Math.max(1, retried.length)];
    if (again !== undefined) this.attempt(again, at, 1 + (write % 3));
  }

  /** A lead that holds the write, or has it closed, mints nothing and says what it has (protocol.md, rule 1). */
  private attempt(write: Write, at: number, retries: number): readonly Dot[] {
    const lead = this.replica(at);
    const known = findWrite(lead, write.writeId);
    if (known !== undefined) {
      this.messages.push(delta(write.context, known));
      return known.dots;
    }
    if (lead.closed.includes(write.writeId)) {
      this.messages.push(lead);
      return [];
    }
    const actor = makeActor('abcd'.charAt(this.index(at)), 'AAAAAAAAAAA', this.serials[this.index(at)] ?? 0);
    const dots = [{ actor, counter: lastCounter(lead.history, actor) + 1 }];
    const drift = write.retriedByClient ? retries : 0;
    const copy = {
      ...write.copy,
      writtenAtMs: write.copy.writtenAtMs - (drift % 2),
      check: write.copy.check + drift,
    };
    const put = delta(write.context, { ...copy, dots });
    this.messages.push(put);
    this.mergeInto(at, put);
    return dots;
  }

  /** `page` picks what is shown: the whole state, the parts it is cut into, or some of its siblings. */
  private shown(state: KeyState, page: number): readonly KeyState[] {
    if (page === 0) return [state];
    if (page === 1) return partsOf(state, 1);
    return [
      restrict(
        state,
        state.siblings.filter((_, i) => ((page >> (i % 8)) & 1) === 1),
      ),
    ];
  }

  private seenIn(state: KeyState): ReadonlySet<WriteId> {
    const ids = new Set(state.siblings.map(({ writeId }) => writeId));
    const written = this.writes.filter(({ writeId }) => ids.has(writeId));
    return new Set([...ids, ...written.flatMap(({ supersedes }) => [...supersedes])]);
  }

  private mergeInto(at: number, message: KeyState | undefined): void {
    if (message === undefined) return;
    this.replicas[this.index(at)] = merge(this.replica(at), message, this.sole).state;
  }

  private replica(at: number): KeyState {
    return must(this.replicas[this.index(at)], 'an index below the number of replicas');
  }

  private index(at: number): number {
    return at % this.replicas.length;
  }
}

/** Ids whose order is not the order of their writes. */
export function writeIdOf(n: number): WriteId {
  return String.fromCharCode((n * 97 + 41) % 256, n % 256).padEnd(16, '.');
}

function bodyOf(length: number): Uint8Array {
  return new Uint8Array(length).fill(length);
}

export type Step =
  | { readonly kind: 'get'; readonly from: readonly number[]; readonly page: number }
  | {
      readonly kind: 'put';
      readonly at: number;
      readonly context: number;
      readonly deleted: boolean;
      readonly sole: boolean;
      readonly retriedByClient: boolean;
    }
  | { readonly kind: 'retry'; readonly write: number; readonly at: number }
  | { readonly kind: 'deliver'; readonly message: number; readonly to: number }
  | { readonly kind: 'sync'; readonly from: number; readonly to: number }
  | { readonly kind: 'send'; readonly from: number; readonly page: number }
  | { readonly kind: 'restart'; readonly at: number };

const replica = fc.nat({ max: 3 });
const page = fc.oneof({ arbitrary: fc.constant(0), weight: 2 }, fc.nat({ max: 255 }));
const kind = <const K extends string>(name: K) => fc.constant(name);

const steps = fc.array<Step>(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: kind('put'),
        at: replica,
        // 0 is the newest context held by any client, larger numbers older ones.
        context: fc.oneof({ arbitrary: fc.nat({ max: 2 }), weight: 3 }, fc.nat({ max: 40 })),
        deleted: fc.boolean(),
        sole: fc.boolean(),
        retriedByClient: fc.boolean(),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: kind('get'),
        from: fc.array(replica, { minLength: 1, maxLength: 2 }),
        page,
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: kind('retry'), write: fc.nat({ max: 40 }), at: replica }) },
    { weight: 4, arbitrary: fc.record({ kind: kind('deliver'), message: fc.nat({ max: 60 }), to: replica }) },
    { weight: 2, arbitrary: fc.record({ kind: kind('sync'), from: replica, to: replica }) },
    { weight: 2, arbitrary: fc.record({ kind: kind('send'), from: replica, page }) },
    { weight: 1, arbitrary: fc.record({ kind: kind('restart'), at: replica }) },
  ),
  { maxLength: 60, size: 'max' },
);

export interface Plan {
  readonly replicas: number;
  readonly steps: readonly Step[];
}

export const plans: fc.Arbitrary<Plan> = fc.record({ replicas: fc.integer({ min: 2, max: 4 }), steps });

/** Plans in which no write is attempted twice. */
export const solePlans: fc.Arbitrary<Plan> = plans.map((plan) => ({
  ...plan,
  steps: plan.steps
    .filter((step) => step.kind !== 'retry')
    .map((step) => (step.kind === 'put' ? { ...step, sole: true } : step)),
}));

export function execute(plan: Plan): Execution {
  const execution = new Execution(plan.replicas);
  for (const step of plan.steps) execution.run(step);
  return execution;
}

/** What all orders and all groupings of merging `states` come to, as hex; one entry when merging is lawful. */
export function everyMerge(states: readonly KeyState[], sole: ReadonlySet<WriteId>): readonly string[] {
  const results = new Map<number, Map<string, KeyState>>();
  for (let set = 1; set < 1 << states.length; set++) {
    const found = new Map<string, KeyState>();
    const keep = (state: KeyState) => found.set(toHex(encodeState(state)), state);
    const single = states.findIndex((_, i) => set === 1 << i);
    if (single >= 0) keep(must(states[single], 'found above'));
    // Every way to split the set in a left and a right half.
    for (let left = (set - 1) & set; left > 0; left = (left - 1) & set) {
      for (const a of results.get(left)?.values() ?? []) {
        for (const b of results.get(set & ~left)?.values() ?? []) keep(merge(a, b, sole).state);
      }
    }
    results.set(set, found);
  }
  return [...(results.get((1 << states.length) - 1)?.keys() ?? [])];
}
