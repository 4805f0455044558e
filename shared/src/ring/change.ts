import { assert, must, unreachable } from '../assert.ts';
import { NODES_MAX } from '../protocol/limits.ts';
import { planPlacement } from './planner.ts';
import { flawOf, type Member, NOBODY, type Topology, WEIGHT_MAX } from './topology.ts';

/**
 * What an operator may want of the members, and the documents that follow one another until it is so:
 *
 *     owned --begun--> filling --switched--> switching --finished--> owned
 *                         \--cancelled--> owned
 *
 * A dead member whose place another one takes needs no such steps: nothing of the old one is read or written any more, as
 * with a lost disk (protocol.md, rules 10 and 13).
 */
export type Change =
  | { readonly kind: 'join'; readonly members: readonly Candidate[] }
  | { readonly kind: 'leave'; readonly names: readonly string[] }
  | { readonly kind: 'replace'; readonly name: string; readonly by: Candidate; readonly isDead: boolean }
  | { readonly kind: 'weight'; readonly name: string; readonly weight: number };

/** A pod that is no member, on a disk that no member has. */
export type Candidate = Omit<Member, 'state'>;

/** Why a change cannot be, in words for the operator: they fit the reason of a `changeTold`. */
export class ChangeRefused extends Error {
  override name = 'ChangeRefused';
}

/** The document that begins the change. Throws {@link ChangeRefused}. */
export function begun(topology: Topology, change: Change): Topology {
  const { move, members } = topology;
  if (move?.phase === 'filling') refuse('another change is under way: wait until it is done, or cancel it');
  if (move !== undefined) refuse('another change is under way: wait until it is done');
  const refilling = members.find(({ state }) => state === 'refilling');
  if (refilling !== undefined) refuse(`${refilling.name} is being refilled: wait until it is done`);
  switch (change.kind) {
    case 'join':
      return joined(topology, change.members);
    case 'leave':
      return left(topology, change.names);
    case 'replace':
      return change.isDead ? succeeded(topology, change) : replaced(topology, change);
    case 'weight':
      return weighed(topology, change);
    default:
      return unreachable(change);
  }
}

/** The new have everything: from now on they are read, and the old are still written. */
export function switched(topology: Topology): Topology {
  const { move, owners } = topology;
  assert(move?.phase === 'filling', 'only what is filled is switched to');
  const pairs = move.seconds.map((seconds, vnode) =>
    seconds.map((second, slot) => ({ first: owners[vnode]?.[slot] ?? NOBODY, second })),
  );
  return {
    ...topology,
    epoch: topology.epoch + 1,
    members: topology.members.map((of) =>
      of.state === 'joining' ? { ...of, state: 'active' as const } : of,
    ),
    owners: pairs.map((of) => of.map(({ first, second }) => (second === NOBODY ? first : second))),
    move: {
      ...move,
      phase: 'switching',
      seconds: pairs.map((of) => of.map(({ first, second }) => (second === NOBODY ? NOBODY : first))),
    },
  };
}

/** Whoever was to go is gone. */
export function finished(topology: Topology): Topology {
  assert(topology.move?.phase === 'switching', 'only what was switched to is finished');
  return without(topology, (of) => of.state === 'leaving');
}

/** As it was before, while nothing is read from the new. Throws {@link ChangeRefused}. */
export function cancelled(topology: Topology): Topology {
  const { move, members } = topology;
  if (move === undefined) return refuse('no change is under way');
  if (move.phase === 'switching')
    refuse('the new owners are read already: wait until it is done, and turn it back by another change');
  const before = members.map((of, i) => ({
    ...of,
    weight: must(move.weights[i], 'each member has a weight'),
    state: of.state === 'leaving' ? ('active' as const) : of.state,
  }));
  // Not by its state: one that lost its disk on the way in is refilling.
  return without({ ...topology, members: before }, ({ weight }) => weight === 0);
}

/** A member comes back on another disk, an empty one. One that is not read need not be refilled: what it is to have it is sent. */
export function withDisk(topology: Topology, name: string, disk: string): Topology {
  const isUnread = ({ state }: Member) =>
    state === 'joining' || (state === 'leaving' && topology.move?.phase === 'switching');
  return changedMember(topology, name, (of) => ({
    ...of,
    disk,
    state: isUnread(of) ? of.state : 'refilling',
  }));
}

/** A member has everything again. That it was on its way out shows in what it is to own. */
export function refilled(topology: Topology, name: string): Topology {
  const { members, owners, move } = topology;
  const self = members.findIndex((of) => of.name === name);
  const isKept = owners.some((of, vnode) =>
    of.some((owner, slot) => {
      const second = move?.phase === 'filling' ? (move.seconds[vnode]?.[slot] ?? NOBODY) : NOBODY;
      return (second === NOBODY ? owner : second) === self;
    }),
  );
  const state = move === undefined || isKept ? 'active' : 'leaving';
  return changedMember(topology, name, (of) => ({ ...of, state }));
}

function changedMember(topology: Topology, name: string, change: (member: Member) => Member): Topology {
  const members = topology.members.map((of) => (of.name === name ? change(of) : of));
  return { ...topology, epoch: topology.epoch + 1, members };
}

/** What goes where. */
export interface Transfer {
  readonly vnode: number;
  readonly slot: number;
  /** Undefined where one more copy is made. */
  readonly from: string | undefined;
  readonly to: string;
}

export function transfersOf({ members, owners, move }: Topology): readonly Transfer[] {
  if (move === undefined) return [];
  const nameOf = (index: number | undefined) =>
    index === undefined || index === NOBODY ? undefined : members[index]?.name;
  return move.seconds.flatMap((seconds, vnode) =>
    seconds.flatMap((second, slot) => {
      const [old, next] = [nameOf(owners[vnode]?.[slot]), nameOf(second)];
      const [from, to] = move.phase === 'filling' ? [old, next] : [next, old];
      return second === NOBODY || to === undefined ? [] : [{ vnode, slot, from, to }];
    }),
  );
}

// ---- each change ----

function joined(topology: Topology, candidates: readonly Candidate[]): Topology {
  if (candidates.length === 0) refuse('name the pods that are to join');
  checkDistinct(candidates.map(({ name }) => name));
  for (const [i, candidate] of candidates.entries()) {
    checkCandidate(topology, candidate);
    const twin = candidates.find(({ disk }, j) => j < i && disk === candidate.disk);
    if (twin !== undefined) refuse(`${twin.name} and ${candidate.name} have the same disk`);
  }
  const count = topology.members.length + candidates.length;
  if (count > NODES_MAX) refuse(`there would be ${count} members, and a cluster has at most ${NODES_MAX}`);
  const members = inOrder([
    ...topology.members,
    ...candidates.map((of) => ({ ...of, state: 'joining' as const })),
  ]);
  return moved(topology, members, placed(topology, members));
}

function left(topology: Topology, names: readonly string[]): Topology {
  if (names.length === 0) refuse('name the members that are to leave');
  checkDistinct(names);
  for (const name of names) memberOf(topology, name);
  const members = topology.members.map((of) =>
    names.includes(of.name) ? { ...of, state: 'leaving' as const } : of,
  );
  const rest = members.filter(({ state }) => state !== 'leaving').length;
  const copies = topology.owners[0]?.length ?? 0;
  if (rest < copies)
    refuse(
      `${rest === 1 ? '1 member' : `${rest === 0 ? 'no' : rest} members`} would be left for ${copies === 1 ? '1 copy' : `${copies} copies`} of each key: let others join first`,
    );
  return moved(topology, members, placed(topology, members));
}

function replaced(topology: Topology, { name, by }: Change & { readonly kind: 'replace' }): Topology {
  checkReplacement(topology, name, by);
  if (topology.members.length === NODES_MAX)
    refuse(
      `a cluster has at most ${NODES_MAX} members, and ${by.name} would be one more until ${name} has left`,
    );
  const members = inOrder([
    ...topology.members.map((of) => (of.name === name ? { ...of, state: 'leaving' as const } : of)),
    { ...by, state: 'joining' as const },
  ]);
  return moved(topology, members, (names) => names.map((of) => (of === name ? by.name : of)));
}

/** One step: the slots of a dead member are those of an empty one that is refilled from all others. */
function succeeded(topology: Topology, { name, by }: Change & { readonly kind: 'replace' }): Topology {
  checkReplacement(topology, name, by);
  const index = indexOf(topology.members, name);
  if (topology.owners.some(([first, ...others]) => first === index && others.length === 0))
    refuse(`${name} has the only copy of some keys, and is down: start it, and replace it while it is up`);
  const members = inOrder([
    ...topology.members.filter((of) => of.name !== name),
    { ...by, state: 'refilling' as const },
  ]);
  const owners = namesOf(topology).map((names) =>
    names.map((of) => indexOf(members, of === name ? by.name : of)),
  );
  return sound({ ...topology, epoch: topology.epoch + 1, members, owners });
}

function weighed(topology: Topology, { name, weight }: Change & { readonly kind: 'weight' }): Topology {
  if (memberOf(topology, name).weight === weight) refuse(`${name} has weight ${weight} already`);
  checkWeight(name, weight);
  const members = topology.members.map((of) => (of.name === name ? { ...of, weight } : of));
  return moved(topology, members, placed(topology, members));
}

// ---- documents ----

/** Owners keep their slots, and whoever is new takes that of one who goes. */
function moved(
  topology: Topology,
  members: readonly Member[],
  next: (names: readonly string[], vnode: number) => readonly string[],
): Topology {
  const before = namesOf(topology);
  const seconds = before.map((names, vnode) => {
    const wanted = next(names, vnode);
    const coming = wanted.filter((of) => !names.includes(of));
    const its = names.map((of) =>
      wanted.includes(of) ? NOBODY : indexOf(members, must(coming.shift(), 'as many come as go')),
    );
    return [...its, ...coming.map((of) => indexOf(members, of))];
  });
  const isStill =
    seconds.every((its) => its.every((index) => index === NOBODY)) &&
    members.every(({ state }) => state !== 'joining' && state !== 'leaving');
  if (isStill) return sound({ ...topology, epoch: topology.epoch + 1, members });
  const weights = members.map((of) => topology.members.find(({ name }) => name === of.name)?.weight ?? 0);
  return sound({
    ...topology,
    epoch: topology.epoch + 1,
    members,
    owners: before.map((names) => names.map((of) => indexOf(members, of))),
    move: { phase: 'filling', since: topology.epoch + 1, seconds, weights },
  });
}

function placed(
  topology: Topology,
  members: readonly Member[],
): (names: readonly string[], vnode: number) => readonly string[] {
  const staying = members.filter(({ state }) => state !== 'leaving');
  const size = { vnodes: topology.owners.length, replicas: topology.replicas };
  const placement = planPlacement(namesOf(topology), staying, size);
  return (_, vnode) => must(placement[vnode], 'a vnode has a place');
}

function without(topology: Topology, isGone: (member: Member) => boolean): Topology {
  const members = topology.members.filter((of) => !isGone(of));
  const owners = namesOf(topology).map((names) => names.map((of) => indexOf(members, of)));
  return sound({ ...topology, epoch: topology.epoch + 1, members, owners, move: undefined });
}

function namesOf({ members, owners }: Topology): readonly (readonly string[])[] {
  return owners.map((of) => of.map((index) => must(members[index], 'an owner is a member').name));
}

function indexOf(members: readonly Member[], name: string): number {
  const index = members.findIndex((of) => of.name === name);
  assert(index >= 0, `${name} is no member`);
  return index;
}

function inOrder(members: readonly Member[]): readonly Member[] {
  return members.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function memberOf({ members }: Topology, name: string): Member {
  return members.find((of) => of.name === name) ?? refuse(`${name} is not a member`);
}

function checkDistinct(names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) refuse(`${twice} is named twice`);
}

function checkReplacement(topology: Topology, name: string, by: Candidate): void {
  memberOf(topology, name);
  if (by.name === name) refuse(`${name} cannot take its own place`);
  checkCandidate(topology, by);
}

function checkCandidate({ members }: Topology, { name, disk, weight }: Candidate): void {
  if (members.some((of) => of.name === name)) refuse(`${name} is a member already`);
  const twin = members.find((of) => of.disk === disk);
  if (twin !== undefined) refuse(`${name} has the disk of ${twin.name}, which is a member`);
  checkWeight(name, weight);
}

function checkWeight(name: string, weight: number): void {
  if (!Number.isInteger(weight) || weight < 1 || weight > WEIGHT_MAX)
    refuse(`${name} cannot have weight ${weight}: it is a whole number of 1 to ${WEIGHT_MAX}`);
}

/** What the document's rules forbid, the operator cannot have. */
function sound(topology: Topology): Topology {
  const flaw = flawOf(topology);
  return flaw === undefined ? topology : refuse(flaw);
}

function refuse(why: string): never {
  throw new ChangeRefused(why);
}
