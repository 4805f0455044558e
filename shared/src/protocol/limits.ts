import { assert } from '../assert.ts';

/**
 * Everything that could grow has a bound, and the full case is a tested answer. Sizes in bytes unless the name
 * says otherwise. The relations between them are asserted at the end: they are what makes a frame always fit.
 */

export const BUCKET_BYTES_MAX = 128;
export const KEY_BYTES_MAX = 1024;
export const FULL_KEY_BYTES_MAX = 1 + BUCKET_BYTES_MAX + KEY_BYTES_MAX;

/** One value. Half of a NATS payload, so that a value, its headers and a large history always share a frame. */
export const VALUE_BYTES_MAX = 512 * 1024;
export const META_BYTES_MAX = 4 * 1024;
export const CONTENT_TYPE_BYTES_MAX = 256;
/** Content type, metadata and value of one sibling, with their length fields. */
export const BODY_BYTES_MAX = VALUE_BYTES_MAX + META_BYTES_MAX + CONTENT_TYPE_BYTES_MAX + 1024;

/** A decoded causal context; a token above it was not issued by us. */
export const CONTEXT_BYTES_MAX = 64 * 1024;

/** Dots that attempts may have minted for one write. An attempt past the third never happens (protocol.md, 14). */
export const DOTS_PER_WRITE_MAX = 64;

/** Siblings after which a put that would add one more is refused; merges are never refused (protocol.md, 19). */
export const SIBLINGS_DEFAULT_MAX = 1000;

/** A frame stays below the server's `max_payload`, 1 MiB unless configured otherwise; the rest is its own headers. */
export const PAYLOAD_BYTES_MAX = 1024 * 1024;
export const FRAME_BYTES_MAX = PAYLOAD_BYTES_MAX - 16 * 1024;
/** A key state above this travels in parts, each a valid state of its own (protocol.md, 3). */
export const STATE_PART_BYTES_MAX = FRAME_BYTES_MAX - 96 * 1024;
export const FRAME_MESSAGES_MAX = 4096;

/** What a part has for the history of its key beside a value of the largest size; a larger one has parts of its own. */
export const HISTORY_BYTES_MAX = STATE_PART_BYTES_MAX - BODY_BYTES_MAX - 4096;
/**
 * Closed write-ids of one key. Every overwrite under an Idempotency-Key closes one, and only reap rounds will remove them:
 * a put that would close more than this is refused. Two sides of a partition can come to more, and all of it still travels.
 */
export const CLOSED_MAX = 16_384;
/** How many more a delete may close: a value that can be neither replaced nor deleted would be there for good. */
export const CLOSED_RESERVE = 1_024;

export const NODES_MAX = 255;
export const REPLICAS_MAX = 7;

export const BATCH_OPERATIONS_MAX = 256;
export const BATCH_BYTES_MAX = 4 * 1024 * 1024;

export const TIMEOUT_MS_MIN = 10;
export const TIMEOUT_MS_MAX = 60_000;
export const TIMEOUT_MS_DEFAULT = 5_000;
/** What a sender may err by about the receiver's clock. */
export const CLOCK_ERROR_MS = 10_000;

assert(
  BODY_BYTES_MAX + CONTEXT_BYTES_MAX + FULL_KEY_BYTES_MAX + 4096 < FRAME_BYTES_MAX,
  'a put fits one frame',
);
assert(
  (CLOSED_MAX + CLOSED_RESERVE) * 16 + CONTEXT_BYTES_MAX < HISTORY_BYTES_MAX,
  'a full history and a value fit one part',
);
