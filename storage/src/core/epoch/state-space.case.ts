import { assert, must } from '@circlet/shared/assert.ts';
import { latin1 } from '@circlet/shared/codec/bytes.ts';
import type { Topology } from '@circlet/shared/ring/topology.ts';
import type { EpochPod, PodEvent, Said } from './pod.case.ts';

/**
 * Every state that a few pods can get into, whatever becomes of their messages and whenever they crash.
 *
 * What was ever said can be delivered from then on, at any time and any number of times, or never: so it is
 * lost, doubled, out of order and hours late in every way at once. A crash between a commit and its messages
 * is one with all of them lost. Timers fire whenever they like. Only the number of ballots is limited.
 *
 * Two things keep the search small, and leave nothing out:
 * - A pod is a function of its state and an event: each such step is computed once, by the code that ships.
 * - Of two places with the same pods, the one where more was said can go wherever the other can: only it is
 *   explored. A search without this, over 1,443,568 places instead of 21,671, met the same 13,760 pods'
 *   states.
 */
export interface Rules {
  readonly pods: readonly EpochPod[];
  /** What each may be asked to propose, whenever it is not at it. */
  readonly plans: ReadonlyMap<string, Topology>;
  readonly ballotsMax: number;
  readonly restart: (pod: EpochPod) => EpochPod;
  /** What a receiver makes of a message: a bug to be found, or nothing. */
  readonly heard?: (message: Said) => Said;
  /** Messages that never arrive. */
  readonly lost?: readonly Said['kind'][];
}

export interface Found {
  readonly places: number;
  /** Steps of single pods, each a pair of a state and an event. */
  readonly steps: number;
  /** Places in which a document is chosen. */
  readonly decided: number;
  /** A shortest way to two chosen documents, if there is one. */
  readonly violation: readonly string[] | undefined;
}

/** A set of facts, 32 to a word. What happened once has happened for good. */
type Facts = readonly number[];

type Fact =
  | { readonly kind: 'said'; readonly from: string; readonly to: number; readonly message: Said }
  | { readonly kind: 'voted'; readonly ballot: string; readonly document: string };

/** What comes of an event at a pod. */
interface Step {
  readonly next: number;
  readonly facts: Facts;
  readonly begins: boolean;
}

interface Place {
  /** The state of each pod, by its number. */
  readonly pods: readonly number[];
  readonly facts: Facts;
  readonly ballots: number;
  /** The place before, and the event that led here. */
  readonly from: Place | undefined;
  readonly by: number;
}

const CRASH = 0;
const PROPOSE = 1;
const TICK = 2;
const MESSAGES = 3;
/** Every machine has waited for as long as it wanted to. */
const LATER_MS = 1e9;

export function explore(rules: Rules): Found {
  return new Space(rules).explore();
}

class Space {
  private readonly rules: Rules;
  private readonly states = new Numbered<EpochPod>();
  private readonly facts = new Numbered<Fact>();
  /** Messages to each pod, by their number as a fact. */
  private readonly inboxes: readonly number[][];
  private readonly steps: (Step | undefined)[][] = [];
  private stepCount = 0;
  /** So many states of each pod, and fewer than ten ballots, still make an exact number. */
  private readonly statesMax: number;
  private readonly seen = new Map<number, readonly Facts[]>();

  constructor(rules: Rules) {
    this.rules = rules;
    this.inboxes = rules.pods.map(() => []);
    this.statesMax = Math.floor((Number.MAX_SAFE_INTEGER / 10) ** (1 / rules.pods.length));
  }

  explore(): Found {
    const pods = this.rules.pods.map((pod) => this.states.numberOf(fingerprint(pod), pod));
    let frontier: Place[] = [{ pods, facts: [], ballots: 0, from: undefined, by: CRASH }];
    let [places, decided] = [0, 0];
    while (frontier.length > 0) {
      const further: Place[] = [];
      for (const place of frontier) {
        if (this.isOutdone(place)) continue;
        places++;
        const chosen = this.chosenIn(place);
        if (chosen.size > 0) decided++;
        if (chosen.size > 1) return { places, steps: this.stepCount, decided, violation: this.wayTo(place) };
        this.goOn(place, further);
      }
      frontier = further;
    }
    return { places, steps: this.stepCount, decided, violation: undefined };
  }

  private goOn(place: Place, further: Place[]): void {
    const own = place.ballots < this.rules.ballotsMax ? [CRASH, PROPOSE, TICK] : [CRASH];
    for (let i = 0; i < place.pods.length; i++) {
      for (const event of own) this.go(place, i, event, further);
      for (const number of this.inbox(i)) {
        if (has(place.facts, number)) this.go(place, i, MESSAGES + number, further);
      }
    }
  }

  private go(place: Place, i: number, event: number, further: Place[]): void {
    const state = must(place.pods[i], 'a pod');
    const step = this.step(state, event);
    if (step.next === state) return;
    const pods = place.pods.with(i, step.next);
    const ballots = place.ballots + (step.begins ? 1 : 0);
    const key = this.keyOf({ pods, ballots });
    const met = this.seen.get(key) ?? [];
    const said = union(place.facts, step.facts);
    if (met.some((other) => covers(other, said))) return;
    const facts = this.allSaid(pods, said);
    this.seen.set(key, [...met.filter((other) => !covers(facts, other)), facts]);
    further.push({ pods, facts, ballots, from: place, by: event });
  }

  /** With all answers that change nobody: they are repeated whenever their question is. */
  private allSaid(pods: readonly number[], facts: Facts): Facts {
    let all = facts;
    for (let grown = true; grown; ) {
      grown = false;
      for (let i = 0; i < pods.length; i++) {
        const state = must(pods[i], 'a pod');
        for (const number of this.inbox(i)) {
          if (!has(all, number)) continue;
          const step = this.step(state, MESSAGES + number);
          if (step.next !== state || covers(all, step.facts)) continue;
          all = union(all, step.facts);
          grown = true;
        }
      }
    }
    return all;
  }

  /** Whether a place has been met since from which one can go wherever one can from here. */
  private isOutdone(place: Place): boolean {
    return this.seen.get(this.keyOf(place))?.includes(place.facts) === false;
  }

  private step(state: number, event: number): Step {
    const steps = (this.steps[state] ??= []);
    return (steps[event] ??= this.compute(this.podOf(state), event));
  }

  private compute(before: EpochPod, event: number): Step {
    this.stepCount++;
    const { restart, pods, lost = [] } = this.rules;
    const pod = event === CRASH ? restart(before) : before.copy();
    const happening = this.eventOf(event, pod.name);
    const { said, voted } =
      happening === undefined
        ? { said: [], voted: undefined }
        : pod.handle(happening, event === TICK ? LATER_MS : 0);
    let facts: Facts = [];
    for (const { to: name, message } of said) {
      if (lost.includes(message.kind)) continue;
      const to = pods.findIndex((other) => other.name === name);
      const fact = { kind: 'said', from: pod.name, to, message } as const;
      const number = this.facts.numberOf(text(fact), fact);
      if (this.inboxes[to]?.includes(number) === false) this.inboxes[to].push(number);
      facts = union(facts, only(number));
    }
    if (voted !== undefined) {
      const fact = { kind: 'voted', ballot: text(voted.ballot), document: latin1(voted.document) } as const;
      facts = union(facts, only(this.facts.numberOf(text([pod.name, fact]), fact)));
    }
    const next = this.states.numberOf(fingerprint(pod), pod);
    return { next, facts, begins: said.some(({ message }) => message.kind === 'epochPrepare') };
  }

  private eventOf(event: number, name: string): PodEvent | undefined {
    const { plans, heard = (message) => message } = this.rules;
    if (event === CRASH) return undefined;
    if (event === TICK) return { kind: 'tick' };
    if (event === PROPOSE) {
      const document = plans.get(name);
      return document === undefined ? undefined : { kind: 'propose', document };
    }
    const { from, message } = this.saidAs(event);
    return { kind: 'message', from, message: heard(message) };
  }

  /** What a majority of the acceptors accepted in one ballot, and what anybody acts on. */
  private chosenIn({ pods, facts }: Place): ReadonlySet<string> {
    const votes = new Map<string, number>();
    const chosen = new Set<string>();
    for (const state of pods) {
      const pod = this.podOf(state);
      if (pod.epoch > must(this.rules.pods[0], 'a pod').epoch) chosen.add(latin1(pod.ring.bytes));
    }
    this.facts.values.forEach((fact, number) => {
      if (fact.kind !== 'voted' || !has(facts, number)) return;
      const of = fact.ballot + fact.document;
      const count = (votes.get(of) ?? 0) + 1;
      votes.set(of, count);
      if (count > pods.length / 2) chosen.add(fact.document);
    });
    return chosen;
  }

  private keyOf({ pods, ballots }: Pick<Place, 'pods' | 'ballots'>): number {
    assert(this.states.values.length <= this.statesMax, 'a place has a number of its own');
    return pods.reduce((key, state) => key * this.statesMax + state, ballots);
  }

  private wayTo(place: Place): readonly string[] {
    const way: string[] = [];
    for (let at = place; at.from !== undefined; at = at.from) {
      const i = at.pods.findIndex((state, pod) => state !== at.from?.pods[pod]);
      way.push(`${this.rules.pods[i]?.name} ${this.describe(at.by)}`);
    }
    return way.toReversed();
  }

  private podOf(state: number): EpochPod {
    return must(this.states.values[state], 'a state has its number from a pod');
  }

  private inbox(i: number): readonly number[] {
    return must(this.inboxes[i], 'a pod');
  }

  private saidAs(event: number): Extract<Fact, { kind: 'said' }> {
    const fact = this.facts.values[event - MESSAGES];
    return must(fact?.kind === 'said' ? fact : undefined, 'an event is something that was said');
  }

  private describe(event: number): string {
    if (event < MESSAGES) return must(['crashes', 'proposes', 'times out'][event], 'an event');
    const { from, message } = this.saidAs(event);
    const ballot = 'ballot' in message ? ` ${message.ballot.round}${message.ballot.node}` : '';
    return `hears ${message.kind}${ballot} from ${from}`;
  }
}

class Numbered<T> {
  readonly values: T[] = [];
  private readonly numbers = new Map<string, number>();

  numberOf(key: string, value: T): number {
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    this.numbers.set(key, this.values.length);
    return this.values.push(value) - 1;
  }
}

/** All that decides what a pod will do. When it is due does not: here its timers fire whenever they like. */
function fingerprint(pod: EpochPod): string {
  const machine = Object.entries(pod.machine).filter(
    ([field]) => !['dueMs', 'inVain', 'status', 'electorate'].includes(field),
  );
  return text([pod.name, pod.ring.topology.epoch, machine]);
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (inner instanceof Uint8Array) return latin1(inner);
    return inner instanceof Map || inner instanceof Set ? [...inner] : inner;
  });
}

function only(number: number): Facts {
  const words = new Array<number>((number >>> 5) + 1).fill(0);
  words[number >>> 5] = 1 << (number & 31);
  return words;
}

function has(facts: Facts, number: number): boolean {
  return ((facts[number >>> 5] ?? 0) & (1 << (number & 31))) !== 0;
}

function union(a: Facts, b: Facts): Facts {
  const words: number[] = [];
  for (let i = 0; i < Math.max(a.length, b.length); i++) words.push((a[i] ?? 0) | (b[i] ?? 0));
  return words;
}

function covers(a: Facts, b: Facts): boolean {
  return b.every((word, i) => (word & ~(a[i] ?? 0)) === 0);
}
