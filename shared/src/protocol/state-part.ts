import { bytes, type Infer, list, struct, varint } from '../codec/schema.ts';
import { FRAME_BYTES_MAX, FULL_KEY_BYTES_MAX } from './limits.ts';
import { digest, dot, writeId } from './replica.ts';

/** What one storage pod has of one key, for another to merge: all of it, or one part of a state too large for a frame. */
export const statePart = struct({
  key: bytes(FULL_KEY_BYTES_MAX),
  /** Of the sender's whole state, of which `state` is part `part` of `parts`. */
  digest,
  part: varint,
  parts: varint,
  sole: list(writeId, FRAME_BYTES_MAX / 16),
  requires: list(dot, FRAME_BYTES_MAX / 16),
  state: bytes(FRAME_BYTES_MAX),
});

/** Whether an answer in several messages can have such a one. */
export function isPage({ page, pages }: { readonly page: number; readonly pages: number }): boolean {
  return page < pages && pages <= PAGES_MAX;
}

/** Whoever asked remembers which have come. The largest row that can be stored, a gigabyte, takes half as many. */
const PAGES_MAX = 4096;

export type StatePartSent = Infer<typeof statePart>;
