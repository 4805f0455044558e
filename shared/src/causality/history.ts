import { assert } from '../assert.ts';
import { type Reader, type Writer, DecodeError } from '../codec/bytes.ts';
import { type Actor, actorId, type Dot } from './dot.ts';

/**
 * The exact set of dots that a replica has seen of one key: a version vector generalised to ranges, so that gaps
 * ("dot clouds") need no second structure. `{a: [1,7, 9,9]}` has seen a's dots 1 to 7 and 9, but not 8.
 *
 * Exactness is what makes merging safe: a vector that claims "12" also claims 1 to 11, and claiming what was
 * never seen deletes acknowledged writes (the amnesia note in invariants.md). Immutable; actors sorted, ranges
 * ascending, disjoint and not adjacent, so that equal sets have equal encodings.
 */
export interface History {
  readonly actors: readonly Actor[];
  /** For each actor its ranges, flattened: first, last, first, last, ... */
  readonly ranges: readonly (readonly number[])[];
}

export const emptyHistory: History = { actors: [], ranges: [] };

export function historyOf(dots: Iterable<Dot>): History {
  let history = emptyHistory;
  for (const dot of dots) history = withDot(history, dot);
  return history;
}

export function hasDot(history: History, dot: Dot): boolean {
  const ranges = rangesOf(history, dot.actor);
  if (ranges === undefined) return false;
  for (let i = 0; i < ranges.length; i += 2) {
    if (dot.counter < (ranges[i] as number)) return false;
    if (dot.counter <= (ranges[i + 1] as number)) return true;
  }
  return false;
}

/** The highest counter seen of an actor, 0 when none was. */
export function lastCounter(history: History, actor: Actor): number {
  return rangesOf(history, actor)?.at(-1) ?? 0;
}

/** How many dots it has. */
export function countDots({ ranges }: History): number {
  let dots = 0;
  for (const of of ranges) {
    for (let i = 0; i < of.length; i += 2) dots += (of[i + 1] as number) - (of[i] as number) + 1;
  }
  return dots;
}

export function withDot(history: History, dot: Dot): History {
  return union(history, { actors: [dot.actor], ranges: [[dot.counter, dot.counter]] });
}

export function union(a: History, b: History): History {
  if (b.actors.length === 0) return a;
  if (a.actors.length === 0) return b;
  const actors: Actor[] = [];
  const ranges: (readonly number[])[] = [];
  let i = 0;
  let j = 0;
  while (i < a.actors.length || j < b.actors.length) {
    const left = a.actors[i];
    const right = b.actors[j];
    if (right === undefined || (left !== undefined && left < right)) {
      actors.push(left as Actor);
      ranges.push(a.ranges[i++] as readonly number[]);
    } else if (left === undefined || right < left) {
      actors.push(right);
      ranges.push(b.ranges[j++] as readonly number[]);
    } else {
      actors.push(left);
      ranges.push(unionRanges(a.ranges[i++] as readonly number[], b.ranges[j++] as readonly number[]));
    }
  }
  return { actors, ranges };
}

/** Every dot of `b` is in `a`. */
export function covers(a: History, b: History): boolean {
  return b.actors.every((actor, i) => {
    const wanted = b.ranges[i] as readonly number[];
    const have = rangesOf(a, actor);
    return have !== undefined && rangesCover(have, wanted);
  });
}

export function sameHistory(a: History, b: History): boolean {
  return (
    a.actors.length === b.actors.length &&
    a.actors.every((actor, i) => {
      const left = a.ranges[i] as readonly number[];
      const right = b.ranges[i] as readonly number[];
      return actor === b.actors[i] && left.length === right.length && left.every((n, k) => n === right[k]);
    })
  );
}

export function writeHistory(writer: Writer, history: History): void {
  writer.varint(history.actors.length);
  for (let i = 0; i < history.actors.length; i++) {
    actorId.write(writer, history.actors[i] as Actor);
    const ranges = history.ranges[i] as readonly number[];
    writer.varint(ranges.length / 2);
    let after = 0;
    for (let k = 0; k < ranges.length; k += 2) {
      const first = ranges[k] as number;
      const last = ranges[k + 1] as number;
      writer.varint(first - after);
      writer.varint(last - first);
      after = last;
    }
  }
}

export function readHistory(reader: Reader): History {
  const n = reader.count(4);
  // Of their size at once: an array that grows by its first item makes room for seventeen.
  const actors = new Array<Actor>(n);
  const ranges = new Array<readonly number[]>(n);
  for (let i = 0; i < n; i++) {
    const actor = actorId.read(reader);
    if (i > 0 && actor <= (actors[i - 1] as Actor)) throw new DecodeError('actors out of order');
    const count = reader.count(2);
    if (count === 0) throw new DecodeError('an actor without dots');
    const of = new Array<number>(2 * count);
    let after = 0;
    for (let k = 0; k < count; k++) {
      // The first range starts at 1 or later; a later one leaves a gap, or it would be the same range.
      const gap = reader.varint();
      if (gap < (k === 0 ? 1 : 2)) throw new DecodeError('ranges not canonical');
      const first = after + gap;
      const last = first + reader.varint();
      if (last > Number.MAX_SAFE_INTEGER) throw new DecodeError('counter above 2^53-1');
      of[2 * k] = first;
      of[2 * k + 1] = last;
      after = last;
    }
    actors[i] = actor;
    ranges[i] = of;
  }
  return { actors, ranges };
}

function rangesOf(history: History, actor: Actor): readonly number[] | undefined {
  const i = history.actors.indexOf(actor);
  return i < 0 ? undefined : history.ranges[i];
}

function unionRanges(a: readonly number[], b: readonly number[]): readonly number[] {
  const merged: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const fromA = j >= b.length || (i < a.length && (a[i] as number) <= (b[j] as number));
    const first = (fromA ? a[i] : b[j]) as number;
    const last = (fromA ? a[i + 1] : b[j + 1]) as number;
    if (fromA) i += 2;
    else j += 2;
    const end = merged.length - 1;
    if (end > 0 && first <= (merged[end] as number) + 1) {
      merged[end] = Math.max(merged[end] as number, last);
    } else {
      merged.push(first, last);
    }
  }
  assert(merged.length > 0, 'an actor in a history has at least one dot');
  return merged;
}

function rangesCover(have: readonly number[], wanted: readonly number[]): boolean {
  let i = 0;
  for (let k = 0; k < wanted.length; k += 2) {
    const first = wanted[k] as number;
    const last = wanted[k + 1] as number;
    while (i < have.length && (have[i + 1] as number) < first) i += 2;
    if (i >= have.length || (have[i] as number) > first || (have[i + 1] as number) < last) return false;
  }
  return true;
}
