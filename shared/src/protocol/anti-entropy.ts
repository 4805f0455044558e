import { FANOUT } from '../merkle/range.ts';
import { VNODES_MAX } from '../ring/position.ts';
import { bool, type Infer, id, list, struct, u8, varint } from '../codec/schema.ts';
import { FRAME_MESSAGES_MAX } from './limits.ts';
import { statePart } from './state-part.ts';

/**
 * Anti-entropy between two owners. Every message stands for itself: what it says is compared with what the receiver has when
 * it gets to it, and answered with what is one step nearer to the rows that differ. So nothing is remembered, nothing has
 * to be resumed, and a lost message ends a walk that the next round begins again.
 *
 *     roots   ->  the hashes of all vnodes that both own                (the only message when they are equal)
 *     nodes       those of the parts of a range that differs
 *     rows        those of its rows, when they are few
 *     told        states that the other lacks, or has otherwise
 *     ask         the same the other way round: give me what you have there
 */
const range = { vnode: varint, level: u8, index: varint };

/** Rows that are told by their hashes; a range with more is divided. */
export const ROWS_LISTED_MAX = 32;
const ROWS_ASKED_MAX = 4096;

export const treeRoots = struct({ roots: list(struct({ vnode: varint, hash: id(16) }), VNODES_MAX) });
export const treeNodes = struct({ ...range, hashes: list(id(8), FANOUT) });
export const treeRows = struct({
  ...range,
  /** By their place from the beginning of the range. None: everything that the other has there is wanted. */
  rows: list(
    struct({
      offset: varint,
      hash: id(8),
      /** How many dots its history has, modulo 256: whoever has fewer asks, whoever has as many or more tells. Only a hint. */
      dots: u8,
    }),
    ROWS_LISTED_MAX,
  ),
});

export const rowsAsk = struct({
  /** Not 0 when it matters that everything has arrived: then each page says which of how many it is. */
  id: varint,
  /** Places in the ring. */
  prefixes: list(varint, ROWS_ASKED_MAX),
});
export const rowsTold = struct({
  /** The `id` of the question, 0 for what nobody asked for. */
  answers: varint,
  page: varint,
  pages: varint,
  /** What the receiver has beyond this is wanted. */
  more: bool,
  entries: list(statePart, FRAME_MESSAGES_MAX),
});

export type TreeRoots = Infer<typeof treeRoots>;
export type TreeNodes = Infer<typeof treeNodes>;
export type TreeRows = Infer<typeof treeRows>;
export type RowsAsk = Infer<typeof rowsAsk>;
export type RowsTold = Infer<typeof rowsTold>;
