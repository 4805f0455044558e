import { assert } from '@circlet/shared/assert.ts';
import { latin1 } from '@circlet/shared/codec/bytes.ts';
import type { MessageOf } from '@circlet/shared/protocol/message.ts';
import { isAntiEntropyMessage } from '@circlet/storage/core/anti-entropy/anti-entropy.ts';
import { type Difference, type Differences, hasArrived, type Kind, leastBytes } from './differences.ts';
import type { Owner } from './owner.ts';
import type { Pair } from './pair.ts';
import { locate } from './states.ts';
import { type Counts, Traffic } from './traffic.ts';

/** Which of the two says first what it has: the walk then looks at it from the other end. */
export type Begins = 'ahead' | 'behind';

export interface Measured extends Counts {
  readonly keys: number;
  readonly differing: number;
  readonly kind: Kind;
  readonly begins: Begins;
  /**
   * Messages that began a round, until all was equal: with many differences a walk takes longer than a round.
   */
  readonly rounds: number;
  readonly leastBytes: number;
  readonly aheadMs: number;
  readonly behindMs: number;
  readonly framesMs: number;
  /** From the first message to the last state stored. */
  readonly virtualMs: number;
}

export interface Quiet {
  readonly rounds: number;
  readonly counts: Counts;
  readonly cpuMs: number;
}

const LIMIT_MS = 600_000;
const QUIET_ROUNDS = 12;

/**
 * Both have said the same of every vnode since anything else was said: no walk goes on, and nothing differs.
 */
class Settled {
  private readonly roots = new Map<string, string>();
  private readonly pair: Pair;

  constructor(pair: Pair) {
    this.pair = pair;
  }

  see(from: string, message: MessageOf<'treeRoots'> | undefined): void {
    if (message === undefined) this.roots.clear();
    else if (message.roots.length === 256) this.roots.set(from, message.roots.map(({ hash }) => hash).join());
  }

  get isSo(): boolean {
    const [a, b] = this.pair.owners.map(({ name }) => this.roots.get(name));
    return a !== undefined && a === b;
  }
}

/**
 * Makes the owners differ right before a round of the one that is to begin, and counts until they are equal
 * again.
 */
export function measure(
  pair: Pair,
  differences: Differences,
  what: { readonly keys: number; readonly differing: number; readonly kind: Kind; readonly begins: Begins },
): Measured {
  const { kind, differing, begins } = what;
  afterRoundOf(pair, begins === 'ahead' ? pair.behind : pair.ahead);
  const drawn = differences.draw(kind, differing);
  differences.write(drawn);

  const traffic = new Traffic();
  const settled = new Settled(pair);
  const left = new Map(drawn.map((each) => [latin1(locate(each.n).key), each]));
  const cpu = cpuOf(pair);
  let beganMs: number | undefined;
  let equalMs: number | undefined;
  let rounds = 0;
  /** What was counted when something was last said that is not the beginning of a round. */
  let atLast: Counts = traffic.soFar();
  pair.onFrame = (frame) => {
    // It took a millisecond to arrive.
    if (beganMs === undefined) assert(frame.from === pair[begins].name, `${begins} begins`);
    beganMs ??= pair.nowMs - 1;
    traffic.count(frame);
    for (const message of frame.messages) {
      if (message.kind === 'treeRoots') {
        settled.see(frame.from, message);
        if (equalMs === undefined) rounds++;
      } else if (isAntiEntropyMessage(message)) {
        settled.see(frame.from, undefined);
        atLast = traffic.soFar();
      }
    }
  };
  pair.onHandled = (messages) => {
    for (const message of messages) {
      if (message.kind === 'rowsTold') for (const { key } of message.entries) strike(pair.behind, left, key);
    }
    if (left.size === 0) equalMs ??= pair.nowMs;
  };
  pair.runUntil(() => settled.isSo && left.size === 0, LIMIT_MS, `equal: ${left.size} keys are left`);
  for (const each of drawn) {
    for (const owner of pair.owners) assert(hasArrived(owner, each), `${owner.name} has key ${each.n}`);
  }
  return {
    ...what,
    ...atLast,
    rounds,
    leastBytes: leastBytes(drawn),
    ...cpu(),
    virtualMs: (equalMs ?? pair.nowMs) - (beganMs ?? pair.nowMs),
  };
}

/** What owners that are equal say to each other. */
export function measureQuiet(pair: Pair): Quiet {
  const traffic = new Traffic();
  const cpu = cpuOf(pair);
  pair.onFrame = (frame) => traffic.count(frame);
  pair.onHandled = () => undefined;
  // Each of the two begins one in five seconds.
  pair.run((QUIET_ROUNDS / 2) * 5_000);
  const { aheadMs, behindMs, framesMs } = cpu();
  return { rounds: QUIET_ROUNDS, counts: traffic.soFar(), cpuMs: aheadMs + behindMs + framesMs };
}

/** Runs until a round of this owner has come to nothing. */
function afterRoundOf(pair: Pair, owner: Owner): void {
  let hasBegun = false;
  pair.onHandled = () => undefined;
  pair.onFrame = ({ from }) => {
    hasBegun = from === owner.name;
  };
  pair.runUntil(() => hasBegun, LIMIT_MS, `a round of ${owner.name}`);
  pair.run(200);
}

function strike(owner: Owner, left: Map<string, Difference>, key: Uint8Array): void {
  const name = latin1(key);
  const difference = left.get(name);
  if (difference !== undefined && hasArrived(owner, difference)) left.delete(name);
}

/** What was used since, milliseconds. */
function cpuOf({ ahead, behind }: Pair): () => Pick<Measured, 'aheadMs' | 'behindMs' | 'framesMs'> {
  const used = () => [ahead.turnsUs, behind.turnsUs, ahead.framesUs + behind.framesUs].map((us) => us / 1000);
  const before = used();
  return () => {
    const [aheadMs = 0, behindMs = 0, framesMs = 0] = used().map((ms, i) => ms - (before[i] ?? 0));
    return { aheadMs, behindMs, framesMs };
  };
}
