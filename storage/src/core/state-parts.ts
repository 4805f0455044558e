import { dotsBytes, partsOf } from '@circlet/shared/causality/parts.ts';
import { encodeState } from '@circlet/shared/causality/state-codec.ts';
import { STATE_PART_BYTES_MAX } from '@circlet/shared/protocol/limits.ts';
import type { StatePartSent } from '@circlet/shared/protocol/state-part.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import { type Row, soleOf, stateOf } from './row.ts';

/** A row as it goes to another storage pod: whole, or in parts that are valid states themselves (rule 3). */
export function partsOfRow(key: FullKey, row: Row): readonly StatePartSent[] {
  const state = stateOf(row);
  const sole = soleOf(state, row.sole);
  return partsOf(state, STATE_PART_BYTES_MAX).map((each, part, { length: parts }) => ({
    key,
    digest: row.digest,
    part,
    parts,
    sole,
    requires: each.requires,
    state: parts === 1 ? row.state : encodeState(each.state),
  }));
}

/** Parts dealt out to messages that fit a frame each: one at least, which may be empty. */
export function inFrames(entries: readonly StatePartSent[]): readonly (readonly StatePartSent[])[] {
  const frames: StatePartSent[][] = [[]];
  let bytes = 0;
  for (const entry of entries) {
    const more = partBytes(entry);
    bytes += more;
    if (bytes > STATE_PART_BYTES_MAX && frames.at(-1)?.length !== 0) {
      frames.push([]);
      bytes = more;
    }
    frames.at(-1)?.push(entry);
  }
  return frames;
}

export function partBytes({ state, key, requires }: StatePartSent): number {
  return state.length + key.length + dotsBytes(requires);
}
