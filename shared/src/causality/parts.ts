import { must } from '../assert.ts';
import { compareDots, type Dot } from './dot.ts';
import { hasDot } from './history.ts';
import { type KeyState, only, type Sibling } from './key-state.ts';
import { headSize } from './state-codec.ts';

/**
 * A state too large for one frame travels in parts (protocol.md, rule 3).
 *
 * The rule's "history minus the dots of what is not carried" is not enough. Let K, hidden from this part, have
 * superseded X, which the receiver acknowledged. K's dot is taken out, X's stays in: the receiver kills X and does not
 * have K. If the part with K is lost and the sender's disk dies, X is gone though nothing that survives superseded it.
 *
 * So every part but the last is only its siblings and their dots: it can kill nothing. The last one carries the whole
 * history, and is merged only where the siblings of the others have arrived.
 */
export interface StatePart {
  readonly state: KeyState;
  /** The dots of the parts before, which the receiver must have seen. Empty for a state in one part. */
  readonly requires: readonly Dot[];
}

/** At most `maxBytes` each, with what it requires; a part of one sibling may be larger, for none is ever cut. */
export function partsOf(state: KeyState, maxBytes: number): readonly StatePart[] {
  const { siblings } = state;
  if (siblings.length <= 1) return [{ state, requires: [] }];
  const wholeHeadBytes = headSize(state);
  if (siblings.reduce((sum, { body }) => sum + body.length, wholeHeadBytes) <= maxBytes)
    return [{ state, requires: [] }];
  // In parts every dot may cost its bytes again: as a range of its own, or among what the last part requires.
  const headBytes = siblings.reduce((sum, { dots }) => sum + dotsBytes(dots), wholeHeadBytes);
  const groups: Sibling[][] = [[]];
  let size = headBytes;
  for (const sibling of siblings) {
    const group = must(groups.at(-1), 'there is always a group');
    if (group.length > 0 && size + sibling.body.length > maxBytes) {
      groups.push([sibling]);
      size = headBytes + sibling.body.length;
    } else {
      group.push(sibling);
      size += sibling.body.length;
    }
  }
  const last = must(groups.pop(), 'there is always a group');
  const requires = groups.flatMap((group) => group.flatMap((sibling) => sibling.dots));
  return [
    ...groups.map((group) => ({ state: only(group), requires: [] })),
    { state: { ...state, siblings: last }, requires: requires.toSorted(compareDots) },
  ];
}

/** At most: an actor with its length, and a counter. */
function dotsBytes(dots: readonly Dot[]): number {
  return dots.reduce((sum, { actor }) => sum + actor.length + 9, 0);
}

/** The whole state, from all its parts in order. */
export function assemble(parts: readonly KeyState[]): KeyState {
  const last = must(parts.at(-1), 'a state has at least one part');
  const siblings = parts.flatMap((part) => part.siblings);
  return { ...last, siblings: siblings.toSorted((a, b) => (a.writeId < b.writeId ? -1 : 1)) };
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
