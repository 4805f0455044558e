import { ROWS_LISTED_MAX } from './anti-entropy.ts';
import { type Infer, id, list, struct, varint } from '../codec/schema.ts';
import { diskId } from '../ring/topology.ts';
import { FRAME_MESSAGES_MAX } from './limits.ts';
import { statePart } from './state-part.ts';

/**
 * How a member whose disk was lost comes back with an empty one (rule 13):
 *
 *     new pod -> member      replace    I have the name of a member and another, empty disk
 *     (an epoch names the new disk, whose member is refilling: it takes writes and vouches for nothing)
 *     new pod -> each owner  refillAsk  what do you have in this stretch of a vnode that I have not, or otherwise?
 *     owner -> new pod       refillTold states; how far they go
 *     (an epoch says that it is active)
 */
export const replace = struct({ disk: diskId });

/** Rows that the asking pod has in the stretch it asks about. */
export const ROWS_COMPARED_MAX = 16 * ROWS_LISTED_MAX;

export const refillAsk = struct({
  id: varint,
  vnode: varint,
  /** Places in the ring: from here, to before there. */
  first: varint,
  end: varint,
  rows: list(struct({ offset: varint, hash: id(8) }), ROWS_COMPARED_MAX),
});

export const refillTold = struct({
  id: varint,
  page: varint,
  pages: varint,
  /** Up to before this place, everything that was missing is in the pages. */
  reached: varint,
  entries: list(statePart, FRAME_MESSAGES_MAX),
});

export type RefillAsk = Infer<typeof refillAsk>;
export type RefillTold = Infer<typeof refillTold>;
