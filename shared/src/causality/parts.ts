import { must } from '../assert.ts';
import { HISTORY_BYTES_MAX } from '../protocol/limits.ts';
import { type Actor, compareDots, type Dot } from './dot.ts';
import { emptyHistory, hasDot, union } from './history.ts';
import { type KeyState, only, type Sibling, sortedIds, WRITE_ID_BYTES, type WriteId } from './key-state.ts';
import { headSize } from './state-codec.ts';

/**
 * A state too large for one frame travels in parts (protocol.md, rule 3).
 *
 * The rule's "history minus the dots of what is not carried" is not enough. Let K, hidden from this part, have
 * superseded X, which the receiver acknowledged. K's dot is taken out, X's stays in: the receiver kills X and does not
 * have K. If the part with K is lost and the sender's disk dies, X is gone though nothing that survives superseded it.
 *
 * So every part but the last is only its siblings and their dots: it can kill nothing. The last one carries the whole
 * history, and is merged only where the siblings of the others have arrived. Where the history is too large for that, it
 * has parts of its own, each of which is merged only there.
 */
export interface StatePart {
  readonly state: KeyState;
  /** The dots of the parts before, which the receiver must have seen. Empty for a state in one part. */
  readonly requires: readonly Dot[];
}

/**
 * At most `maxBytes` each, with what it requires; a part of one sibling may be larger, for none is ever cut. A history and
 * closed ids above `headBytesMax` leave no room for siblings, and are cut too.
 */
export function partsOf(
  state: KeyState,
  maxBytes: number,
  headBytesMax = HISTORY_BYTES_MAX,
): readonly StatePart[] {
  const { siblings } = state;
  if (bytesAtMost(state) <= maxBytes) return [{ state, requires: [] }];
  const wholeHeadBytes = headSize(state);
  const bytes = siblings.reduce((sum, { body }) => sum + body.length, wholeHeadBytes);
  if (bytes <= maxBytes) return [{ state, requires: [] }];
  // In parts every dot may cost its bytes again: as a range of its own, or among what the last part requires.
  const headBytes = siblings.reduce((sum, { dots }) => sum + dotsBytes(dots), wholeHeadBytes);
  if (headBytes > headBytesMax) return cutThroughout(state, maxBytes);
  if (siblings.length <= 1) return [{ state, requires: [] }];
  const groups = grouped(siblings, headBytes, maxBytes);
  const last = must(groups.pop(), 'there is always a group');
  return [
    ...groups.map((group) => ({ state: only(group), requires: [] })),
    { state: { ...state, siblings: last }, requires: dotsOf(groups.flat()) },
  ];
}

/**
 * First all siblings, then what was seen beside them. Each part with some of that is a state too: one that knows of all the
 * siblings and less of what they superseded. It kills nothing for which the receiver does not have the cause, and
 * nothing is acknowledged before all parts are merged.
 */
function cutThroughout(state: KeyState, maxBytes: number): readonly StatePart[] {
  const groups = grouped(state.siblings, PART_HEAD_BYTES, maxBytes, headOfSibling);
  const requires = dotsOf(state.siblings);
  const rest = cutHead(state, Math.max(maxBytes / 4, maxBytes - PART_HEAD_BYTES - dotsBytes(requires)));
  return [
    ...groups.flatMap((group) => (group.length === 0 ? [] : [{ state: only(group), requires: [] }])),
    ...rest.map((part) => ({ state: part, requires })),
  ];
}

/** History and closed ids in pieces of about `maxBytes`, a range or an id at least. */
function cutHead({ history, closed }: KeyState, maxBytes: number): readonly KeyState[] {
  const pieces: KeyState[] = [];
  let actors: Actor[] = [];
  let ranges: number[][] = [];
  let ids: WriteId[] = [];
  let bytes = 0;
  const flush = () => {
    pieces.push({ siblings: [], history: { actors, ranges }, closed: ids });
    [actors, ranges, ids, bytes] = [[], [], [], 0];
  };
  const makeRoom = (more: number) => {
    if (bytes > 0 && bytes + more > maxBytes) flush();
  };
  history.actors.forEach((actor, i) => {
    const of = must(history.ranges[i], 'every actor has ranges');
    for (let k = 0; k < of.length; k += 2) {
      makeRoom(actor.length + ACTOR_BYTES + RANGE_BYTES);
      if (actors.at(-1) !== actor) {
        actors.push(actor);
        ranges.push([]);
        bytes += actor.length + ACTOR_BYTES;
      }
      bytes += RANGE_BYTES;
      ranges.at(-1)?.push(...of.slice(k, k + 2));
    }
  });
  for (const writeId of closed) {
    makeRoom(WRITE_ID_BYTES);
    bytes += WRITE_ID_BYTES;
    ids.push(writeId);
  }
  flush();
  return pieces;
}

/** In groups of `maxBytes` at most, beside `headBytes` that each has, or of one sibling. */
function grouped(
  siblings: readonly Sibling[],
  headBytes: number,
  maxBytes: number,
  more: (sibling: Sibling) => number = () => 0,
): Sibling[][] {
  const groups: Sibling[][] = [[]];
  let size = headBytes;
  for (const sibling of siblings) {
    const bytes = sibling.body.length + more(sibling);
    const group = must(groups.at(-1), 'there is always a group');
    if (group.length > 0 && size + bytes > maxBytes) {
      groups.push([sibling]);
      size = headBytes + bytes;
    } else {
      group.push(sibling);
      size += bytes;
    }
  }
  return groups;
}

function dotsOf(siblings: readonly Sibling[]): readonly Dot[] {
  return siblings.flatMap(({ dots }) => dots).toSorted(compareDots);
}

/** Its dots are in the history and with the sibling. */
function headOfSibling({ dots }: Sibling): number {
  return 2 * dotsBytes(dots) + SIBLING_HEAD_BYTES;
}

/** Whether a receiver that merged the last of these has merged all: it is refused without those before. */
export function lastTellsAll(parts: readonly StatePart[]): boolean {
  return parts.length === 1 || parts.filter(({ requires }) => requires.length > 0).length === 1;
}

/** Says without encoding it that a small state is small. */
function bytesAtMost({ siblings, history, closed }: KeyState): number {
  return (
    PART_HEAD_BYTES +
    history.actors.reduce(
      (sum, actor, i) => sum + actor.length + ACTOR_BYTES + 8 * (history.ranges[i]?.length ?? 0),
      0,
    ) +
    closed.length * WRITE_ID_BYTES +
    siblings.reduce((sum, { dots, body }) => sum + SIBLING_HEAD_BYTES + 12 * dots.length + body.length, 0)
  );
}

/** At most: an actor with its length, and a counter. */
export function dotsBytes(dots: readonly Dot[]): number {
  return dots.reduce((sum, { actor }) => sum + actor.length + 9, 0);
}

/** At most, beside its name: the length of that, and how many ranges it has. */
const ACTOR_BYTES = 1 + 4;
const RANGE_BYTES = 2 * 8;
/** At most: id, flags, how many dots, time, check and the length of the body. */
const SIBLING_HEAD_BYTES = WRITE_ID_BYTES + 1 + 2 + 8 + 4 + 4;
/** At most: the version, and how many actors, closed ids and siblings there are. */
const PART_HEAD_BYTES = 1 + 3 * 4;

/** The whole state, from all its parts in order. */
export function assemble(parts: readonly KeyState[]): KeyState {
  const [whole] = parts;
  if (parts.length === 1 && whole !== undefined) return whole;
  const siblings = parts.flatMap((part) => part.siblings);
  return {
    siblings: siblings.toSorted((a, b) => (a.writeId < b.writeId ? -1 : 1)),
    history: parts.reduceRight((history, part) => union(history, part.history), emptyHistory),
    closed: sortedIds(parts.flatMap((part) => part.closed)),
  };
}

/**
 * What a receiver that holds `own` may merge for this part; undefined when it has not seen what the part requires. A
 * required sibling that it holds, the sender holds too, with just these dots; one it has seen die is dead whatever the
 * part says.
 */
export function completed(own: KeyState, { state, requires }: StatePart): KeyState | undefined {
  if (requires.length === 0) return state;
  if (!requires.every((dot) => hasDot(own.history, dot))) return undefined;
  const carried = new Set(state.siblings.map(({ writeId }) => writeId));
  const required = new Set(requires.map(({ actor, counter }) => `${actor}@${counter}`));
  const assumed = own.siblings.flatMap((sibling) => {
    const dots = sibling.dots.filter(({ actor, counter }) => required.has(`${actor}@${counter}`));
    return dots.length === 0 || carried.has(sibling.writeId) ? [] : [{ ...sibling, dots }];
  });
  return assemble([only(assumed), state]);
}
