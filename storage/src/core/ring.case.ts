import { must } from '@circlet/shared/assert.ts';
import { fullKey, type FullKey } from '@circlet/shared/ring/key.ts';
import { planPlacement } from '@circlet/shared/ring/planner.ts';
import { positionOf, vnodeOf } from '@circlet/shared/ring/position.ts';
import { Ring, type Topology } from '@circlet/shared/ring/topology.ts';
import { DIGEST_KEY } from './one-key.case.ts';

/** A planned topology of these names, three copies, sixteen vnodes. The disk of a name is the name, in hex. */
export function topologyOf(names: readonly string[], epoch = 1): Topology {
  const members = names.toSorted().map((name) => ({ name, zone: 'z', weight: 1 }));
  const placement = planPlacement(undefined, members, { vnodes: 16, replicas: 3 });
  return {
    cluster: 'test',
    epoch,
    replicas: 3,
    members: members.map((member) => ({ ...member, disk: diskOf(member.name), state: 'active' as const })),
    owners: placement.map((owners) =>
      owners.map((name) => members.findIndex((member) => member.name === name)),
    ),
    move: undefined,
  };
}

export function ringOf(names: readonly string[]): Ring {
  return new Ring(topologyOf(names), DIGEST_KEY);
}

export function diskOf(name: string): string {
  return Buffer.from(name.padEnd(16, '0')).toString('hex');
}

export function keyOf(name: string): FullKey {
  return fullKey(Uint8Array.of(98), new TextEncoder().encode(name));
}

export function ownersOf(ring: Ring, key: FullKey): readonly string[] {
  return ring.owners(vnodeOf(positionOf(key), ring.vnodes));
}

/** Distinct keys whose owners these are, in slot order; with fewer names, whose first owners they are. */
export function keysOwnedBy(ring: Ring, owners: readonly string[], count: number): readonly FullKey[] {
  const keys: FullKey[] = [];
  for (let i = 0; keys.length < count; i++) {
    must(i < 100_000 ? i : undefined, `no vnode is owned by ${owners.join()}`);
    const key = keyOf(`key ${i}`);
    if (owners.every((name, slot) => ownersOf(ring, key)[slot] === name)) keys.push(key);
  }
  return keys;
}

/** A key that this name does not own. */
export function keyOfOthers(ring: Ring, name: string): FullKey {
  for (let i = 0; ; i++) {
    const key = keyOf(`key ${i}`);
    if (!ownersOf(ring, key).includes(name)) return key;
  }
}
