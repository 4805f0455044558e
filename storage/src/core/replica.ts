import { delta, soleWrites } from '@circlet/shared/causality/context.ts';
import { type Dot, isActorOf, makeActor } from '@circlet/shared/causality/dot.ts';
import { type History, lastCounter } from '@circlet/shared/causality/history.ts';
import {
  emptyState,
  findWrite,
  idsOf,
  isAmong,
  isEmptyState,
  type KeyState,
  merge,
  type Sibling,
  type WriteId,
} from '@circlet/shared/causality/key-state.ts';
import { completed, type StatePart } from '@circlet/shared/causality/parts.ts';
import type { SipKey } from '@circlet/shared/hash/siphash.ts';
import {
  CLOSED_MAX,
  CLOSED_RESERVE,
  CLOCK_ERROR_MS,
  DOTS_PER_WRITE_MAX,
  TIMEOUT_MS_MAX,
} from '@circlet/shared/protocol/limits.ts';
import type { Lead, Led, RefusalReason } from '@circlet/shared/protocol/replica.ts';
import { type Row, seal, soleOf, stateOf } from './row.ts';

/**
 * The rules of one replica for one key, as functions from the row before to the row after. What `before` is:
 * `undefined` when nothing is held, `'corrupt'` when something was and cannot be read.
 */
export type Before = Row | 'corrupt' | undefined;

/** Who the replica is in this life, what it has issued in it, and what its clock says. */
export interface Minter {
  readonly node: string;
  readonly boot: string;
  /** Keys all digests (protocol.md, rule 25). */
  readonly digestKey: SipKey;
  /** The last serial that was given to an actor in this life. */
  readonly serial: number;
  readonly monoMs: number;
}

export interface Hinting {
  /** Slots this replica stands in for, 0 as an owner. */
  readonly owed: number;
  readonly wallMs: number;
}

export type LeadResult =
  | {
      readonly kind: 'led';
      readonly outcome: Led['outcome'];
      readonly dots: readonly Dot[];
      readonly writtenAtMs: number;
      /** The row to store; undefined when nothing changed. */
      readonly row?: Row;
      /** The serial to remember as issued. */
      readonly serial: number;
      readonly doubleDots: number;
    }
  | { readonly kind: 'refused'; readonly reason: RefusalReason };

/**
 * Step 1 of a write: give it a dot and merge it (law 3; protocol.md, rules 1, 2, 4, 19, 22). A lead that already holds
 * or has closed the write mints nothing: the coordinator learns what is there and must still reach W with it.
 */
export function lead(before: Before, request: Lead, minter: Minter, hinting: Hinting): LeadResult {
  const row = before === 'corrupt' ? undefined : before;
  const state = row === undefined ? emptyState : stateOf(row);
  const known = knownWrite(state, request, minter.serial);
  if (known !== undefined) return known;

  const { dot, serial } = mint(row, state, request.context.history, minter);
  const { writeId, deleted, writtenAtMs, check, body } = request;
  const sibling: Sibling = { writeId, dots: [dot], deleted, writtenAtMs, check, body };
  const sole = idsOf([...soleWrites(request.context), ...soleOf(state, row?.sole ?? 0)]);
  const { state: next, doubleDots } = merge(state, delta(request.context, sibling), sole);
  if (next.siblings.length > Math.max(state.siblings.length, request.siblingsMax)) {
    return { kind: 'refused', reason: 'too_many_siblings' };
  }
  const closedMax = CLOSED_MAX + (deleted ? CLOSED_RESERVE : 0);
  if (next.closed.length > Math.max(state.closed.length, closedMax)) {
    return { kind: 'refused', reason: 'history_full' };
  }
  return {
    kind: 'led',
    outcome: 'minted',
    dots: [dot],
    writtenAtMs,
    row: {
      ...seal(minter.digestKey, next, sole),
      own: { actor: dot.actor, last: dot.counter },
      suspectSince: suspicion(before, undefined, minter),
      ...owing(row, hinting),
    },
    serial,
    doubleDots,
  };
}

/** What is to be said of a write that this replica has met before, or under the same client key with other content. */
function knownWrite(state: KeyState, request: Lead, serial: number): LeadResult | undefined {
  const { writeId } = request;
  const held = findWrite(state, writeId);
  if (held !== undefined) {
    const { dots, writtenAtMs } = held;
    return { kind: 'led', outcome: 'held', dots, writtenAtMs, serial, doubleDots: 0 };
  }
  if (isAmong(state.closed, writeId)) {
    const { writtenAtMs } = request;
    return { kind: 'led', outcome: 'closed', dots: [], writtenAtMs, serial, doubleDots: 0 };
  }
  if (!request.keyed) return undefined;
  const clientKey = writeId.slice(0, 8);
  const misused = (other: WriteId) => other.startsWith(clientKey);
  if (state.closed.some(misused) || state.siblings.some((sibling) => misused(sibling.writeId))) {
    return { kind: 'refused', reason: 'idempotency_mismatch' };
  }
  return undefined;
}

/**
 * The next dot. An actor is extended only in the life that began it, on an intact row, and while nothing newer of it is
 * known, here or to the client, than the row itself issued; in every other case a new serial starts at 1, so that a row
 * lost, restored, handed off or copied can never make a dot repeat (rule 4). A suspect row is intact: it forgot the actor of
 * the damaged one with everything else, and began its own, of which it has issued every dot.
 */
function mint(
  row: Row | undefined,
  state: KeyState,
  shown: History,
  minter: Minter,
): { dot: Dot; serial: number } {
  const own = row?.own;
  const extends_ =
    row !== undefined &&
    own !== undefined &&
    isActorOf(own.actor, minter.node, minter.boot) &&
    lastCounter(state.history, own.actor) === own.last &&
    lastCounter(shown, own.actor) <= own.last;
  if (extends_) return { dot: { actor: own.actor, counter: own.last + 1 }, serial: minter.serial };
  const serial = minter.serial + 1;
  return { dot: { actor: makeActor(minter.node, minter.boot, serial), counter: 1 }, serial };
}

export type MergeResult =
  /** The row to store; undefined when nothing changed. */
  | { readonly kind: 'merged'; readonly row?: Row; readonly doubleDots: number }
  /** What stood for a damaged row was healed, and nobody has anything: there is no row. */
  | { readonly kind: 'vacant' }
  /** The part needs others that have not arrived. */
  | { readonly kind: 'incomplete' }
  /** More attempts at one write than there can be: a row with them could be written, and never read again. */
  | { readonly kind: 'overfull' }
  /** The state holds a dot of this very life that was never issued: somebody else runs under our identity. */
  | { readonly kind: 'clone' };

/**
 * Everything that moves data ends here. `othersReadMs` says that the incoming state has all that every other owner had at
 * this moment or later; see {@link suspicion}.
 */
export function mergeInto(
  before: Before,
  part: StatePart,
  sole: readonly WriteId[],
  othersReadMs: number | undefined,
  minter: Minter,
  hinting: Hinting,
): MergeResult {
  const row = before === 'corrupt' ? undefined : before;
  if (isClone(row, part.state, minter)) return { kind: 'clone' };
  const state = row === undefined ? emptyState : stateOf(row);
  const incoming = completed(state, part);
  if (incoming === undefined) return { kind: 'incomplete' };
  const allSole = idsOf([...sole, ...soleOf(state, row?.sole ?? 0)]);
  const merged = merge(state, incoming, allSole);
  if (merged.state.siblings.some(({ dots }) => dots.length > DOTS_PER_WRITE_MAX)) {
    return { kind: 'overfull' };
  }
  const suspectSince = suspicion(before, othersReadMs, minter);
  if (isEmptyState(merged.state) && suspectSince === undefined) return { kind: 'vacant' };
  const next: Row = {
    ...seal(minter.digestKey, merged.state, allSole),
    own: row?.own,
    suspectSince,
    ...owing(row, hinting),
  };
  if (row !== undefined && sameRow(row, next)) return { kind: 'merged', doubleDots: merged.doubleDots };
  return { kind: 'merged', row: next, doubleDots: merged.doubleDots };
}

function isClone(row: Row | undefined, incoming: KeyState, minter: Minter): boolean {
  return incoming.history.actors.some((actor) => {
    if (!isActorOf(actor, minter.node, minter.boot)) return false;
    if (Number.parseInt(actor.slice(actor.lastIndexOf('.') + 1), 36) > minter.serial) return true;
    return row?.own?.actor === actor && lastCounter(incoming.history, actor) > row.own.last;
  });
}

/**
 * A row that replaces a damaged one may lack writes which the damaged one had acknowledged, so it must not vouch. What all
 * other owners have makes it whole, but not at once: a write that this replica and one other are to acknowledge may be on
 * its way to that other still, and be counted with the acknowledgement from before the damage. So they must be read when
 * nothing can be counted any more that was acknowledged here before. A write that was had been begun by then, and its
 * coordinator counts nothing past the deadline, TIMEOUT_MS_MAX after it was begun at most: from then on, whatever owner's
 * acknowledgement of it was counted has the write, and shows it to whoever reads it. (What is allowed for the error of
 * clocks covers how far two of them drift apart in that time. Owners refuse late work too, but nothing rests on theirs.)
 *
 * A write that was counted by a fallback instead, and is still held there as a hint, may be missing: strict quorums count
 * owners only, and the others promise no more before hints are delivered. The damage happened before it was found, and a
 * new life begins the wait anew, for it cannot compare the clocks.
 */
function suspicion(
  before: Before,
  othersReadMs: number | undefined,
  { boot, monoMs }: Minter,
): Row['suspectSince'] {
  const since = before === 'corrupt' ? undefined : before?.suspectSince;
  if (before !== 'corrupt' && since === undefined) return undefined;
  if (since?.boot !== boot) return { boot, monoMs: Math.floor(monoMs) };
  const isWhole = othersReadMs !== undefined && othersReadMs > since.monoMs + HEALABLE_MS;
  return isWhole ? undefined : since;
}

/** After so long, nothing is on its way any more that was begun before. */
export const HEALABLE_MS = TIMEOUT_MS_MAX + CLOCK_ERROR_MS;

function sameRow(a: Row, b: Row): boolean {
  return (
    a.digest === b.digest &&
    a.sole === b.sole &&
    a.suspectSince?.boot === b.suspectSince?.boot &&
    a.suspectSince?.monoMs === b.suspectSince?.monoMs &&
    a.owed === b.owed
  );
}

/** A hint owes its state to every slot it was taken for; its age is that of the oldest write in it. */
function owing(
  row: Row | undefined,
  { owed, wallMs }: Hinting,
): Pick<Row, 'owed' | 'covered' | 'hintedAtMs'> {
  if (owed === 0) return OWES_NOTHING;
  return {
    owed: (row?.owed ?? 0) | owed,
    // Nobody is known to cover what it has become.
    covered: [],
    hintedAtMs: row?.hintedAtMs || Math.max(0, Math.floor(wallMs)),
  };
}

const OWES_NOTHING = { owed: 0, covered: [], hintedAtMs: 0 };
