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
  only,
  type Sibling,
  type WriteId,
} from './key-state.ts';
import { assemble, completed, partsOf, type StatePart } from './parts.ts';
import { encodeState } from './state-codec.ts';

/**
 * One key, two to four replicas, and everything that can happen to it: writes led by any replica, several attempts
 * at one write, contexts from gets (whole or a page, of one replica or several), from puts, or none; states cut into
 * parts, which are kept for ever and delivered anywhere, in any order, any number of times, or never; lost disks.
 *
 * Beside the real states it keeps what is *meant*, in write-ids and nothing else (invariants.md, "Cover"):
 *
 * - `covers`, what the context of a write claims: after a get of everything, all that the state read had merged or
 *   seen superseded; after a page, the writes shown; after a put, what was sent and the write itself.
 * - `supersedes`, what the client had seen: the writes it was shown and, transitively, what they had superseded.
 * - of each state, the writes merged into it and all that these cover. It must show the ones less the others,
 *   wherever and whenever somebody looks: that is the whole specification.
 */
export interface Write {
  readonly writeId: WriteId;
  readonly context: Context;
  readonly covers: ReadonlySet<WriteId>;
  readonly supersedes: ReadonlySet<WriteId>;
  /** A fact about the write, fixed at its birth: one attempt through one lead was made, and no other ever will be. */
  readonly sole: boolean;
  readonly copy: Omit<Sibling, 'dots'>;
  /** A client's retry reaches another coordinator, which stamps its own time. */
  readonly retriedByClient: boolean;
}

/** What a state means. */
export interface Meaning {
  readonly merged: ReadonlySet<WriteId>;
  readonly covered: ReadonlySet<WriteId>;
}

export const NOTHING: Meaning = { merged: new Set(), covered: new Set() };

export const bothOf = (a: Meaning, b: Meaning): Meaning => ({
  merged: new Set([...a.merged, ...b.merged]),
  covered: new Set([...a.covered, ...b.covered]),
});

/** The siblings that a state with this meaning must show. */
export const shownBy = ({ merged, covered }: Meaning): readonly WriteId[] =>
  [...merged].filter((id) => !covered.has(id)).toSorted();

/** A part as it travels. */
export interface Message {
  readonly part: StatePart;
  /** What it was cut from. */
  readonly whole: KeyState;
  /** What a receiver knows more when it has merged it. */
  readonly means: Meaning;
}

interface Held {
  readonly context: Context;
  readonly covers: ReadonlySet<WriteId>;
  readonly seen: ReadonlySet<WriteId>;
}

export class Execution {
  readonly replicas: KeyState[];
  readonly meanings: Meaning[];
  /** Every message ever sent. */
  readonly messages: Message[] = [];
  readonly writes: Write[] = [];
  readonly sole = new Set<WriteId>();
  /** Where a replica or a reader saw something else than was meant. */
  readonly wrong: string[] = [];
  /** Deliveries of last parts that need others. */
  readonly lastParts = { merged: 0, refused: 0 };
  private readonly held: Held[] = [{ context: emptyContext, covers: new Set(), seen: new Set() }];
  private readonly serials: number[];
  /** What a message takes: larger states travel in parts. */
  private readonly maxBytes: number;

  constructor(replicas: number, maxBytes: number) {
    this.maxBytes = maxBytes;
    this.replicas = Array.from({ length: replicas }, () => emptyState);
    this.meanings = this.replicas.map(() => NOTHING);
    this.serials = this.replicas.map(() => 0);
  }

  /** The writes that nothing attempted has seen, in the order of a state: what is left when no disk was lost. */
  expected(): readonly WriteId[] {
    const superseded = new Set(this.writes.flatMap((write) => [...write.supersedes]));
    return this.writes.flatMap(({ writeId }) => (superseded.has(writeId) ? [] : [writeId])).toSorted();
  }

  write(writeId: WriteId): Write {
    return must(
      this.writes.find((write) => write.writeId === writeId),
      'a write that was made',
    );
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
        return this.deliver(step);
      case 'sync':
        return this.mergeInto(step.to, this.replica(step.from), this.meaning(step.from));
      case 'send':
        return this.send(...this.read(step.from));
      case 'restart':
        return this.restart(step.at);
      case 'lose':
        this.replicas[this.index(step.at)] = emptyState;
        this.meanings[this.index(step.at)] = NOTHING;
        return this.restart(step.at);
    }
  }

  private get({ from, page }: Extract<Step, { kind: 'get' }>): void {
    const [state, means] = this.read(from);
    this.expectShown('a reader', state, means);
    const shown = state.siblings.filter((_, i) => page === 0 || ((page >> (i % 8)) & 1) === 1);
    const ids = shown.map(({ writeId }) => writeId);
    // As the coordinator does it: a page that shows everything is none.
    const isPage = shown.length < state.siblings.length;
    this.held.push({
      context: contextOf(isPage ? only(shown) : state, this.sole),
      covers: new Set(isPage ? ids : [...means.merged, ...means.covered]),
      seen: new Set([...ids, ...ids.flatMap((id) => [...this.write(id).supersedes])]),
    });
  }

  /** What a coordinator that merges these replicas comes to; each sends its state in parts. */
  private read(from: readonly number[]): readonly [KeyState, Meaning] {
    const states = from.map((at) =>
      assemble(partsOf(this.replica(at), this.maxBytes).map(({ state }) => state)),
    );
    return [
      states.reduce((a, b) => merge(a, b, this.sole).state, emptyState),
      from.map((at) => this.meaning(at)).reduce(bothOf, NOTHING),
    ];
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
      covers: sent.covers,
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
      covers: new Set([...sent.covers, write.writeId]),
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
    const means = { merged: new Set([write.writeId]), covered: write.covers };
    const known = findWrite(lead, write.writeId);
    if (known !== undefined) {
      this.send(delta(write.context, known), means);
      return known.dots;
    }
    if (lead.closed.includes(write.writeId)) {
      this.send(lead, this.meaning(at));
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
    this.send(put, means);
    this.mergeInto(at, put, means);
    return dots;
  }

  private send(whole: KeyState, means: Meaning): void {
    const parts = partsOf(whole, this.maxBytes);
    parts.forEach((part, i) => {
      const carried = new Set(part.state.siblings.map(({ writeId }) => writeId));
      const isLast = i === parts.length - 1;
      this.messages.push({ part, whole, means: isLast ? means : { merged: carried, covered: new Set() } });
    });
  }

  private deliver({ message, run, reversed, to }: Extract<Step, { kind: 'deliver' }>): void {
    const first = message % Math.max(1, this.messages.length);
    const some = this.messages.slice(first, first + run);
    for (const { part, means } of reversed ? some.toReversed() : some) {
      const incoming = completed(this.replica(to), part);
      if (part.requires.length > 0) this.lastParts[incoming === undefined ? 'refused' : 'merged']++;
      if (incoming !== undefined) this.mergeInto(to, incoming, means);
    }
  }

  private mergeInto(at: number, incoming: KeyState, means: Meaning): void {
    this.replicas[this.index(at)] = merge(this.replica(at), incoming, this.sole).state;
    this.meanings[this.index(at)] = bothOf(this.meaning(at), means);
    this.expectShown(`replica ${this.index(at)}`, this.replica(at), this.meaning(at));
  }

  private expectShown(who: string, state: KeyState, means: Meaning): void {
    const shown = state.siblings.map(({ writeId }) => writeId).join();
    const expected = shownBy(means).join();
    if (shown !== expected) this.wrong.push(`${who} shows ${shown} instead of ${expected}`);
  }

  private restart(at: number): void {
    this.serials[this.index(at)] = (this.serials[this.index(at)] ?? 0) + 1;
  }

  private replica(at: number): KeyState {
    return must(this.replicas[this.index(at)], 'an index below the number of replicas');
  }

  private meaning(at: number): Meaning {
    return must(this.meanings[this.index(at)], 'an index below the number of replicas');
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
  | {
      readonly kind: 'get';
      readonly from: readonly number[];
      /** Which siblings are shown, a bit each; 0 for all. */
      readonly page: number;
    }
  | {
      readonly kind: 'put';
      readonly at: number;
      readonly context: number;
      readonly deleted: boolean;
      readonly sole: boolean;
      readonly retriedByClient: boolean;
    }
  | { readonly kind: 'retry'; readonly write: number; readonly at: number }
  | {
      readonly kind: 'deliver';
      readonly message: number;
      /** So many messages, sent one after the other. */
      readonly run: number;
      readonly reversed: boolean;
      readonly to: number;
    }
  | { readonly kind: 'sync'; readonly from: number; readonly to: number }
  | { readonly kind: 'send'; readonly from: readonly number[] }
  | { readonly kind: 'restart'; readonly at: number }
  /** The disk is empty after it. */
  | { readonly kind: 'lose'; readonly at: number };

const replica = fc.nat({ max: 3 });
const some = fc.array(replica, { minLength: 1, maxLength: 2 });
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
    { weight: 3, arbitrary: fc.record({ kind: kind('get'), from: some, page }) },
    { weight: 4, arbitrary: fc.record({ kind: kind('retry'), write: fc.nat({ max: 40 }), at: replica }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: kind('deliver'),
        message: fc.nat({ max: 60 }),
        run: fc.integer({ min: 1, max: 4 }),
        reversed: fc.boolean(),
        to: replica,
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: kind('sync'), from: replica, to: replica }) },
    { weight: 3, arbitrary: fc.record({ kind: kind('send'), from: some }) },
    { weight: 1, arbitrary: fc.record({ kind: kind('restart'), at: replica }) },
    { weight: 1, arbitrary: fc.record({ kind: kind('lose'), at: replica }) },
  ),
  { maxLength: 60, size: 'max' },
);

export interface Plan {
  readonly replicas: number;
  readonly maxBytes: number;
  readonly steps: readonly Step[];
}

/** Plans in which disks are lost too: what only they had seen is forgotten. */
export const plansWithLosses: fc.Arbitrary<Plan> = fc.record({
  replicas: fc.integer({ min: 2, max: 4 }),
  // One sibling a part, or some.
  maxBytes: fc.oneof(fc.constant(1), fc.integer({ min: 100, max: 500 })),
  steps,
});

export const plans: fc.Arbitrary<Plan> = plansWithLosses.map((plan) => ({
  ...plan,
  steps: plan.steps.filter((step) => step.kind !== 'lose'),
}));

/** Plans in which no write is attempted twice. */
export const solePlans: fc.Arbitrary<Plan> = plans.map((plan) => ({
  ...plan,
  steps: plan.steps
    .filter((step) => step.kind !== 'retry')
    .map((step) => (step.kind === 'put' ? { ...step, sole: true } : step)),
}));

/** The plan with nothing cut: every get shows all there is, every state travels in one part. */
export function uncut(plan: Plan): Plan {
  return {
    ...plan,
    steps: plan.steps.map((step) => (step.kind === 'get' ? { ...step, page: 0 } : step)),
    maxBytes: Number.POSITIVE_INFINITY,
  };
}

export function execute(plan: Plan): Execution {
  const execution = new Execution(plan.replicas, plan.maxBytes);
  for (const step of plan.steps) execution.run(step);
  return execution;
}

/** Every state there is at the end of an execution: of replicas, of messages and what they were cut from, and all. */
export function statesOf({ replicas, messages, sole }: Execution): readonly KeyState[] {
  const sent = messages.flatMap(({ part, whole }) => [part.state, whole]);
  return [...replicas, ...sent, replicas.reduce((a, b) => merge(a, b, sole).state)];
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

/** Every state of a model that can be reached from `start`; those of one name are one. */
export function reachable<T>(
  start: T,
  name: (state: T) => string,
  next: (state: T) => Iterable<T>,
): readonly T[] {
  const found = new Map([[name(start), start]]);
  // A map goes on with what is added while it is walked.
  for (const state of found.values()) {
    for (const then of next(state)) {
      const called = name(then);
      if (!found.has(called)) found.set(called, then);
    }
  }
  return [...found.values()];
}
