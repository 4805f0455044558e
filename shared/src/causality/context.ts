import type { Reader, Writer } from '../codec/bytes.ts';
import { bool, id, list, optional, struct } from '../codec/schema.ts';
import { CONTEXT_BYTES_MAX } from '../protocol/limits.ts';
import type { Dot } from './dot.ts';
import {
  covers,
  emptyHistory,
  type History,
  historyOf,
  readHistory,
  union,
  writeHistory,
} from './history.ts';
import { knows, type KeyState, type Sibling, sortedIds, WRITE_ID_BYTES, type WriteId } from './key-state.ts';

/**
 * What a client has seen of one key (law 4). A get hands out the history of everything it returned, a put what the
 * client sent plus its own write, never the replica's history: a context that covers siblings its holder was not
 * shown would destroy them with the next put.
 */
export interface Context {
  readonly history: History;
  /** The writes seen, alive or closed; a put sent with this context closes those that may have a twin. */
  readonly writes: readonly SeenWrite[];
  /**
   * A write of its holder's that was superseded before its put was answered. It has no dot here: what superseded it was not
   * shown, and the dots that died with it must not be covered. Only its id says that the holder knows of it.
   */
  readonly superseded?: WriteId | undefined;
}

export interface SeenWrite {
  readonly writeId: WriteId;
  readonly sole: boolean;
}

export const emptyContext: Context = { history: emptyHistory, writes: [] };

/**
 * Closed ids are carried too: else a replica that holds a closed write's second dot, and gets the next put before what
 * closed the write, shows both. A key that is overwritten again and again under Idempotency-Keys has many until the
 * next reap round; then some are left out, and such a replica shows what was superseded until it is repaired, even beside a
 * deletion (docs/guarantees.md says so).
 */
export function contextOf(state: KeyState, sole: ReadonlySet<WriteId>): Context {
  const alive = state.siblings.map(({ writeId }) => ({ writeId, sole: sole.has(writeId) }));
  const closed = state.closed.slice(0, CLOSED_IN_CONTEXT_MAX).map((writeId) => ({ writeId, sole: false }));
  // What is alive comes last: of the context of the next put it is what should be left out last.
  return { history: state.history, writes: [...closed, ...alive] };
}

/** 1 KiB of a header that every get hands out. */
export const CLOSED_IN_CONTEXT_MAX = 64;

/**
 * What a put returns: the context it was sent with and the write itself. What that context named is superseded by now,
 * and as a closed id it is carried only so far: a client that writes on and on with the context of its last write would
 * drag all of them along. A sole write that is gone has nothing to close.
 */
export function contextWith(sent: Context, writeId: WriteId, dots: readonly Dot[], sole: boolean): Context {
  const closed = sent.writes.filter((seen) => !seen.sole && seen.writeId !== writeId);
  return {
    history: union(sent.history, historyOf(dots)),
    writes: [...closed.slice(-CLOSED_IN_CONTEXT_MAX), { writeId, sole }],
  };
}

/** What a put returns that was superseded before its retry: what the client sent, and the name of its write. */
export function contextOfSuperseded(sent: Context, writeId: WriteId): Context {
  return { ...contextWith(sent, writeId, [], false), superseded: writeId };
}

/** Whether a state is at least as new as what the context's holder has seen: a session's reads never go back. */
export function isAtLeast(state: KeyState, { history, superseded }: Context): boolean {
  return covers(state.history, history) && (superseded === undefined || knows(state, superseded));
}

/**
 * A put as a state to merge: one sibling and the history of its context plus its own dots. Merging it anywhere, in
 * any order, any number of times, gives the same result.
 */
export function delta(context: Context, sibling: Sibling): KeyState {
  const closed = context.writes.filter((seen) => !seen.sole && seen.writeId !== sibling.writeId);
  return {
    siblings: [sibling],
    history: union(context.history, historyOf(sibling.dots)),
    closed: sortedIds(closed.map((seen) => seen.writeId)),
  };
}

/** The writes of a context that need no closing. */
export function soleWrites(context: Context): readonly WriteId[] {
  return context.writes.filter((seen) => seen.sole).map((seen) => seen.writeId);
}

const seenWrites = list(
  struct({ writeId: id(WRITE_ID_BYTES), sole: bool }),
  CONTEXT_BYTES_MAX / WRITE_ID_BYTES,
);

const supersededWrite = optional(id(WRITE_ID_BYTES));

export const contextSchema = {
  write: (writer: Writer, context: Context): void => {
    writeHistory(writer, context.history);
    seenWrites.write(writer, context.writes);
    supersededWrite.write(writer, context.superseded);
  },
  read: (reader: Reader): Context => ({
    history: readHistory(reader),
    writes: seenWrites.read(reader),
    superseded: supersededWrite.read(reader),
  }),
  layout: `context(history,${seenWrites.layout},${supersededWrite.layout})`,
};
