import { type Words128, md5 } from '../hash/md5.ts';

/**
 * Where a key falls on the ring. The ring is cut into Q equal vnodes, Q a power of two, so a vnode is the top bits
 * of the position (Dynamo's strategy 3, SOSP'07 section 6.2) and the order of positions is also the order of vnodes.
 *
 * `position.golden.test.ts` fixes the mapping for ever: a store that places a key elsewhere after an upgrade
 * has lost it.
 */
export type Position = Words128;

export const VNODES_MAX = 4096;

export function positionOf(key: Uint8Array): Position {
  return md5(key);
}

export function vnodeOf(position: Position, vnodes: number): number {
  return Math.floor(position[0] / (2 ** 32 / vnodes));
}

/**
 * The top 52 bits: an integer that a double holds exactly and that orders as the position does. Stores cluster
 * their rows by it; two keys share one with probability n^2 / 2^53, so it locates a key but never identifies it.
 */
export function prefixOf(position: Position): number {
  return position[0] * 2 ** 20 + (position[1] >>> 12);
}

/** The half-open range of prefixes that belong to a vnode. */
export function prefixRange(vnode: number, vnodes: number): readonly [number, number] {
  const width = 2 ** 52 / vnodes;
  return [vnode * width, (vnode + 1) * width];
}

export function positionHex(position: Position): string {
  return position.map((word) => word.toString(16).padStart(8, '0')).join('');
}
