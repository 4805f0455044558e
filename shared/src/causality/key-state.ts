import { type Dot, compareDots } from './dot.ts';
import { emptyHistory, hasDot, type History, historyOf, union } from './history.ts';

/**
 * What a replica knows of one key: its siblings, the exact history of dots it has seen, and the ids of closed writes.
 *
 *     put X (blind)            {X@a1}              history {a: 1}
 *     put Y (blind)            {X@a1, Y@b1}        history {a: 1, b: 1}
 *     put Z, context {a1,b1}   {Z@a2}              history {a: 1-2, b: 1}
 *     delete, context {..,a2}  {tombstone@a3}      history {a: 1-3, b: 1}
 *
 * Everything that moves data (replication, hint, read repair, handoff, anti-entropy) is `merge`.
 */
export interface KeyState {
  /** Sorted by write-id. */
  readonly siblings: readonly Sibling[];
  readonly history: History;
  /** Writes known to be dead, sorted: a twin attempt's dot that turns up later stays dead too. */
  readonly closed: readonly WriteId[];
}

/** 16 bytes as a binary string: a logical write, however many attempts at it were made (law 5). */
export type WriteId = string;
export const WRITE_ID_BYTES = 16;

/** One logical write that nothing seen so far supersedes. All but the dots is fixed by its first coordinator. */
export interface Sibling {
  readonly writeId: WriteId;
  /** The dots that attempts minted for it, sorted; nearly always one. */
  readonly dots: readonly Dot[];
  /** A tombstone: the write was a delete, and its body is empty. */
  readonly deleted: boolean;
  /** The coordinator's wall clock, milliseconds since 1970. Shown to users; decides nothing but a tie below. */
  readonly writtenAtMs: number;
  /** CRC-32 of the body, computed where it entered the cluster and checked where it leaves it. */
  readonly check: number;
  /** Content type, metadata and value; replicas never look inside. */
  readonly body: Uint8Array;
}

/** Some write-ids, to be asked for. */
export type WriteIds = Pick<ReadonlySet<WriteId>, 'has'>;

/** Nearly always one or two, of which a list is made and searched several times faster than a set. */
export function idsOf(ids: readonly WriteId[]): WriteIds {
  return ids.length > 8 ? new Set(ids) : { has: (id) => ids.includes(id) };
}

export const emptyState: KeyState = { siblings: [], history: emptyHistory, closed: [] };

/** Whether it says as much as no state at all. */
export function isEmptyState({ siblings, history, closed }: KeyState): boolean {
  return siblings.length === 0 && history.actors.length === 0 && closed.length === 0;
}

export interface Merged {
  readonly state: KeyState;
  /**
   * Dots found under two different writes, or with two bodies: law 3 or a disk is broken somewhere. Both writes are kept,
   * or the body with the smaller check; raise an alarm.
   */
  readonly doubleDots: number;
}

/**
 * The least state that knows all that both know: commutative, associative, idempotent (protocol.md, rule 1).
 *
 * A write lives if no side has seen one of its dots die: a dot in a side's history which that side does not hold.
 * A write that dies is closed, unless it is `sole` (its coordinator got a dot from the first lead it tried and will
 * never ask another): a sole write has no twin that could turn up, so its id need not be remembered.
 */
export function merge(a: KeyState, b: KeyState, sole: WriteIds): Merged {
  const history = union(a.history, b.history);
  const alreadyClosed = unionOfSorted(a.closed, b.closed);
  const closing: WriteId[] = [];
  const siblings: Sibling[] = [];
  let doubleDots = 0;
  let i = 0;
  let j = 0;
  while (i < a.siblings.length || j < b.siblings.length) {
    const [left, right] = pair(a.siblings[i], b.siblings[j]);
    if (left !== undefined) i++;
    if (right !== undefined) j++;
    const sibling =
      left === undefined ? (right as Sibling) : right === undefined ? left : oneWrite(left, right);
    const verdictA = sawDie(a, left, sibling);
    const verdictB = sawDie(b, right, sibling);
    doubleDots += verdictA.doubleDots + verdictB.doubleDots + differingBodies(left, right);
    const isClosed = isAmong(alreadyClosed, sibling.writeId);
    if (isClosed || verdictA.died || verdictB.died) {
      if (!isClosed && !sole.has(sibling.writeId)) closing.push(sibling.writeId);
    } else {
      siblings.push(sibling);
    }
  }
  // Siblings come in the order of their ids, so what died did too.
  return { state: { siblings, history, closed: unionOfSorted(alreadyClosed, closing) }, doubleDots };
}

/** The next write in order, from whichever side or sides hold it. */
function pair(
  left: Sibling | undefined,
  right: Sibling | undefined,
): readonly [Sibling | undefined, Sibling | undefined] {
  if (left === undefined || right === undefined || left.writeId === right.writeId) return [left, right];
  return left.writeId < right.writeId ? [left, undefined] : [undefined, right];
}

/**
 * Two copies of one write: all dots of both. Attempts of one coordinator are equal in the rest; where a client's
 * retry made them differ, every replica must keep the same copy, so the smaller (time, check) wins.
 */
function oneWrite(left: Sibling, right: Sibling): Sibling {
  const leftFirst =
    left.writtenAtMs !== right.writtenAtMs ? left.writtenAtMs < right.writtenAtMs : left.check <= right.check;
  const kept = leftFirst ? left : right;
  const dots = joinDots(left.dots, right.dots);
  return dots.length === kept.dots.length ? kept : { ...kept, dots };
}

/** A dot was minted for one copy and merging keeps the smallest, so the same dots with another body is damage. */
function differingBodies(left: Sibling | undefined, right: Sibling | undefined): number {
  if (left === undefined || right === undefined || left.check === right.check) return 0;
  return joinDots(left.dots, right.dots).length === Math.min(left.dots.length, right.dots.length) ? 1 : 0;
}

/** Whether this side has seen a dot of the write and no longer holds it. */
function sawDie(
  side: KeyState,
  held: Sibling | undefined,
  write: Sibling,
): { readonly died: boolean; readonly doubleDots: number } {
  let doubleDots = 0;
  for (const dot of write.dots) {
    if (held?.dots.some((own) => compareDots(own, dot) === 0)) continue;
    if (!hasDot(side.history, dot)) continue;
    // Held under another write: the dot was issued twice. That is no evidence of a death, so nothing is lost.
    if (!side.siblings.some((other) => other.dots.some((own) => compareDots(own, dot) === 0))) {
      return { died: true, doubleDots };
    }
    doubleDots++;
  }
  return { died: false, doubleDots };
}

function joinDots(a: readonly Dot[], b: readonly Dot[]): readonly Dot[] {
  const dots = [...a];
  for (const dot of b) if (!a.some((own) => compareDots(own, dot) === 0)) dots.push(dot);
  return dots.length === a.length ? a : dots.toSorted(compareDots);
}

/**
 * Of two lists in order. A key that is overwritten under Idempotency-Keys has thousands of closed ids, nearly all of them
 * on both sides of every merge: nothing is copied that need not be.
 */
function unionOfSorted(a: readonly WriteId[], b: readonly WriteId[]): readonly WriteId[] {
  if (b.length === 0) return a;
  if (a.length === 0) return b;
  const both: WriteId[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const left = a[i];
    const right = b[j];
    if (right === undefined || (left !== undefined && left <= right)) {
      both.push(left as WriteId);
      i++;
      if (left === right) j++;
    } else {
      both.push(right);
      j++;
    }
  }
  return both;
}

/** Whether a list in order has the id. */
export function isAmong(sorted: readonly WriteId[], id: WriteId): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as WriteId) < id) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === id;
}

export function sortedIds(ids: readonly WriteId[]): readonly WriteId[] {
  if (ids.length <= 1) return ids;
  return [...new Set(ids)].toSorted();
}

export function findWrite(state: KeyState, writeId: WriteId): Sibling | undefined {
  return state.siblings.find((sibling) => sibling.writeId === writeId);
}

/** Whether the write is there, or was and has been superseded. */
export function knows(state: KeyState, writeId: WriteId): boolean {
  return findWrite(state, writeId) !== undefined || isAmong(state.closed, writeId);
}

export function liveSiblings(state: KeyState): readonly Sibling[] {
  return state.siblings.filter((sibling) => !sibling.deleted);
}

/**
 * These siblings and nothing else: a state that has seen only their dots, and can therefore kill nothing. It is what a
 * message or an answer that carries some of the siblings may claim (law 4; `parts.ts` shows why no more).
 */
export function only(siblings: readonly Sibling[]): KeyState {
  return { siblings, history: historyOf(siblings.flatMap((sibling) => sibling.dots)), closed: [] };
}
