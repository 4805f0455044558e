import type { Ring } from '@circlet/shared/ring/topology.ts';

/** One question of a refill: all that the owner has of the vnode. */
export interface Source {
  readonly owner: string;
  readonly disk: string;
  readonly vnode: number;
}

/**
 * From whom a node has to fetch what it is to have in this topology, vnode by vnode:
 *
 *     its disk was lost     from every other owner: acknowledged writes of the old disk are each on some of them (rule 13)
 *     it is to own a slot   from the owner of the slot first, and what that one has lost without knowing, from the others
 *     it owns a slot now    from the owner that was, once more: what reached that one alone is gone when it drops its rows
 */
export function sourcesOf(ring: Ring, name: string): readonly Source[] {
  if (ring.member(name)?.state !== 'refilling' && !ring.isMoving) return [];
  const sources: Source[] = [];
  for (let vnode = 0; vnode < ring.vnodes; vnode++) {
    for (const owner of ownersToAsk(ring, vnode, name))
      sources.push({ owner, disk: ring.member(owner)?.disk ?? '', vnode });
  }
  return sources;
}

/** For whom and when a source counts as done: an answer from another move says nothing. */
export function scopeOf(ring: Ring, name: string): string {
  const { move } = ring.topology;
  return isRefilling(ring, name) || move === undefined ? 'disk' : `${move.phase} ${move.since}`;
}

function ownersToAsk(ring: Ring, vnode: number, name: string): readonly string[] {
  const owners = ring.owners(vnode);
  const slot = ring.slotOf(vnode, name);
  if (slot < 0) return [];
  if (isRefilling(ring, name)) return owners.filter((owner) => owner !== name);
  // What one has whose disk was lost, it has from the others, and what it took since, both nodes of its slot took.
  const isWhole = (owner: string | undefined): owner is string =>
    owner !== undefined && !isRefilling(ring, owner);
  const phase = ring.topology.move?.phase;
  if (owners[slot] === name)
    return [phase === 'switching' ? ring.seconds(vnode)[slot] : undefined].filter(isWhole);
  return phase === 'filling' ? [owners[slot], ...owners.toSpliced(slot, 1)].filter(isWhole) : [];
}

function isRefilling(ring: Ring, name: string): boolean {
  return ring.member(name)?.state === 'refilling';
}
