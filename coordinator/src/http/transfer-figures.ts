import { transfersOf } from '@circlet/shared/ring/change.ts';
import { NOBODY, type Topology } from '@circlet/shared/ring/topology.ts';
import type { TransferFigures } from './change-schema.ts';

/**
 * What goes from whom to whom, and about how much: a vnode is taken for as large as all the others of its source. Where
 * one more copy is made, or a lost one anew, every owner gives some of it.
 */
export function transferFigures(
  topology: Topology,
  bytesOf: (name: string) => number | undefined,
): TransferFigures[] {
  const before = ownersBefore(topology);
  const vnodeBytes = bytesOfVnodes(before, bytesOf);
  const pairs = new Map<string, TransferFigures>();
  for (const { vnode, from, to } of copiesOf(topology)) {
    const sources = from === undefined ? (before[vnode] ?? []).filter((name) => name !== to) : [from];
    const bytes = sources.map((name) => vnodeBytes.get(name)).find((of) => of !== undefined);
    const key = `${to} ${from ?? ''}`;
    const pair = pairs.get(key) ?? { from: from ?? null, to, vnodes: 0, bytes: null };
    pair.vnodes++;
    if (bytes !== undefined) pair.bytes = (pair.bytes ?? 0) + bytes;
    pairs.set(key, pair);
  }
  return [...pairs]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { bytes, ...pair }]) => ({ ...pair, bytes: bytes === null ? null : Math.round(bytes) }));
}

interface Copy {
  readonly vnode: number;
  readonly from: string | undefined;
  readonly to: string;
}

function copiesOf(topology: Topology): readonly Copy[] {
  const refills = namesOf(topology).flatMap((names, vnode) =>
    names
      .filter((name) => topology.members.some((of) => of.name === name && of.state === 'refilling'))
      .map((to) => ({ vnode, from: undefined, to })),
  );
  return [...refills, ...transfersOf(topology)];
}

/** Of each vnode. */
function ownersBefore(topology: Topology): readonly (readonly string[])[] {
  const { move, members } = topology;
  const now = namesOf(topology);
  if (move?.phase !== 'switching') return now;
  return now.map((names, vnode) =>
    names.map((name, slot) => members[move.seconds[vnode]?.[slot] ?? NOBODY]?.name ?? name),
  );
}

function namesOf({ members, owners }: Topology): readonly (readonly string[])[] {
  return owners.map((of) => of.map((index) => members[index]?.name ?? ''));
}

function bytesOfVnodes(
  before: readonly (readonly string[])[],
  bytesOf: (name: string) => number | undefined,
): ReadonlyMap<string, number> {
  const vnodes = new Map<string, number>();
  for (const name of before.flat()) vnodes.set(name, (vnodes.get(name) ?? 0) + 1);
  return new Map(
    [...vnodes].flatMap(([name, count]) => {
      const bytes = bytesOf(name);
      return bytes === undefined ? [] : [[name, bytes / count]];
    }),
  );
}
