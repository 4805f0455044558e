/**
 * A node of a Merkle tree is a range of the ring: level 0 is a whole vnode, and each level below divides a range into
 * {@link FANOUT} equal ones. Rows lie in ring order, so the rows of a range are one scan, however deep it is.
 */
export interface Range {
  readonly vnode: number;
  readonly level: number;
  /** Which of the FANOUT^level ranges of its level, in ring order. */
  readonly index: number;
}

export const FANOUT = 16;
/** The 52 bits of a prefix less the 12 of the most vnodes: below that, a range of such a ring is one prefix. */
export const LEVEL_MAX = 10;

export function wholeVnode(vnode: number): Range {
  return { vnode, level: 0, index: 0 };
}

export function childOf({ vnode, level, index }: Range, child: number): Range {
  return { vnode, level: level + 1, index: index * FANOUT + child };
}

/** Whether a ring of so many vnodes has it: what comes off the wire is any three numbers. */
export function isRange({ vnode, level, index }: Range, vnodes: number): boolean {
  return vnode < vnodes && level <= LEVEL_MAX && index < FANOUT ** level;
}

/** The prefixes in it: from the first, to the end without it. */
export function prefixesOf({ vnode, level, index }: Range, vnodes: number): readonly [number, number] {
  const width = widthOf(level, vnodes);
  const first = (vnode * FANOUT ** level + index) * width;
  return [first, first + width];
}

/** The range of this level in which a prefix lies. */
export function rangeOf(prefix: number, level: number, vnodes: number): Range {
  const at = Math.floor(prefix / widthOf(level, vnodes));
  const perVnode = FANOUT ** level;
  const vnode = Math.floor(at / perVnode);
  return { vnode, level, index: at - vnode * perVnode };
}

function widthOf(level: number, vnodes: number): number {
  return 2 ** 52 / vnodes / FANOUT ** level;
}
