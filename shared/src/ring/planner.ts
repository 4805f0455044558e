/**
 * Decides which nodes own which vnodes, by three questions:
 *
 *   shares   how many replicas is each node due?    water-filling over the zones, then over the nodes of each
 *   owners   which vnodes make up its share?        min-cost flow: keeping a replica is free, a new one costs 1
 *   leads    which owner of a vnode is asked first? min-cost flow: keeping the order is free, a swap costs 1
 *
 * Every pod of a new cluster computes epoch 1 by itself and must get the same document: nothing here depends on
 * the order of the members, on a locale, or on rounding.
 */
import { assert, must } from '../assert.ts';
import { type Arc, FlowNetwork } from './min-cost-flow.ts';

export interface PlannedMember {
  readonly name: string;
  readonly zone: string;
  /** Positive integer, 1 = normal: beside such a node in its zone, one of weight 2 is due twice the replicas. */
  readonly weight: number;
}

/** vnode -> its owners in slot order; slot 0 is the first owner asked to lead. */
export type Placement = readonly (readonly string[])[];

interface Size {
  /** A power of two. */
  readonly vnodes: number;
  /** Wanted owners of each vnode, 1 or more; with fewer members than that, all of them own every vnode. */
  readonly replicas: number;
}

/**
 * The next placement. `current` is undefined for a new cluster and may name nodes that have left.
 *
 * - Owners: each vnode has min(replicas, members) of them, all different.
 * - Zones: a zone of n nodes holds at most min(n, level) replicas of a vnode, `level` being the least for which these
 *   limits make room for all owners. So no two owners share a zone when there are zones enough; otherwise none holds
 *   more than ceil(owners / zones), unless a zone has too few nodes and the others take in its stead.
 * - Balance: a node holds its share, rounded down or up. The zones share vnodes * owners replicas by weight, each up
 *   to its limit times vnodes; the nodes of a zone share the zone's part by weight, each up to vnodes, since a node
 *   holds a vnode once. What a limit cuts off goes to the others, by weight.
 * - Moves: of all placements with these properties, none has fewer (vnode, node) pairs that are not in `current`.
 * - Slots: a node leads (has slot 0 of) its replicas / owners vnodes, rounded down or up. Kept owners keep their slots
 *   and new ones fill the gaps, save in the fewest vnodes where such a lead needs a kept owner to change slots.
 *
 * Throws when there is no member, a name occurs twice, a weight or `replicas` is not a positive integer, `vnodes` is
 * not a power of two or not the length of `current`, or a vnode of `current` has an owner twice.
 */
export function planPlacement(
  current: Placement | undefined,
  members: readonly PlannedMember[],
  size: Size,
): Placement {
  check(current, members, size);
  const { vnodes } = size;
  const before = current ?? Array.from({ length: vnodes }, () => []);
  const seats = Math.min(size.replicas, members.length);
  const nodes = withShares(members, vnodes, seats);

  const owners = assign(nodes, vnodes, seats, (node, at) => ({
    share: node.share,
    offers: scattered(vnodes, at).map((vnode) => ({
      vnode,
      cost: before[vnode]?.includes(node.name) ? 0 : 1,
    })),
  }));

  const rows = owners.map((names, vnode) => keepSlots(before[vnode] ?? [], names));
  const leads = assign(nodes, vnodes, 1, ({ name }) => {
    const offers = rows.flatMap((row, vnode) =>
      row.owners.includes(name) ? [{ vnode, cost: swapsToLead(row, name) }] : [],
    );
    return { share: { numerator: offers.length, denominator: seats }, offers };
  });

  return rows.map((row, vnode) => fillSlots(row, must(leads[vnode]?.[0], 'a vnode has no lead'), vnode));
}

function check(
  current: Placement | undefined,
  members: readonly PlannedMember[],
  { vnodes, replicas }: Size,
): void {
  demand(
    isPositive(vnodes) && Number.isInteger(Math.log2(vnodes)),
    `vnodes must be a power of two: ${vnodes}`,
  );
  demand(isPositive(replicas), `replicas must be a positive integer: ${replicas}`);
  demand(members.length > 0, 'a placement needs a member');
  const names = new Set<string>();
  for (const { name, weight } of members) {
    demand(isPositive(weight), `the weight of ${name} must be a positive integer: ${weight}`);
    demand(!names.has(name), `two members are called ${name}`);
    names.add(name);
  }
  if (current === undefined) return;
  demand(current.length === vnodes, `the current placement has ${current.length} vnodes, not ${vnodes}`);
  for (const [vnode, owners] of current.entries()) {
    demand(new Set(owners).size === owners.length, `vnode ${vnode} has an owner twice: ${owners.join(', ')}`);
  }
}

function demand(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}

function isPositive(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

/** Exact, for a share of 12 that came out as 12.000000000000002 would round up to 13. */
interface Fraction {
  readonly numerator: number;
  readonly denominator: number;
}

interface Node extends PlannedMember {
  /** Most replicas of one vnode that may lie in the node's zone. */
  readonly zoneLimit: number;
  /** Replicas the node is due. */
  readonly share: Fraction;
}

/** The members with what they are due, in an order that depends on their names and zones alone. */
function withShares(members: readonly PlannedMember[], vnodes: number, seats: number): Node[] {
  const byName = members.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const groups = [...Map.groupBy(byName, ({ zone }) => zone).values()];
  let level = 1;
  while (sum(groups, (group) => Math.min(group.length, level)) < seats) level += 1;

  const zones = groups.map((group) => {
    const zoneLimit = Math.min(group.length, level);
    return {
      nodes: group.map((member) => ({ ...member, zoneLimit, limit: vnodes })),
      weight: sum(group, ({ weight }) => weight),
      limit: zoneLimit * vnodes,
    };
  });
  const all = { numerator: vnodes * seats, denominator: 1 };
  return divide(all, zones).flatMap(({ share, nodes }) => divide(share, nodes));
}

/** Water-filling: shares in proportion to weight, none above its limit. The limits must add up to `total` or more. */
function divide<Part extends { readonly weight: number; readonly limit: number }>(
  total: Fraction,
  parts: readonly Part[],
): (Part & { readonly share: Fraction })[] {
  const full = new Set<Part>();
  for (;;) {
    const open = parts.filter((part) => !full.has(part));
    const rest = total.numerator - total.denominator * sum([...full], ({ limit }) => limit);
    const denominator = total.denominator * sum(open, ({ weight }) => weight);
    const overflowing = open.filter(({ weight, limit }) => rest * weight > limit * denominator);
    if (overflowing.length === 0) {
      return parts.map((part) => ({
        ...part,
        share: full.has(part)
          ? { numerator: part.limit, denominator: 1 }
          : { numerator: rest * part.weight, denominator },
      }));
    }
    // Filling one part up raises what the others get: none of these can come back below its limit.
    for (const part of overflowing) full.add(part);
  }
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}

/** A node's share of the vnodes it is offered, and what taking each of them costs: 0 or 1. */
interface Wish {
  readonly share: Fraction;
  readonly offers: readonly { readonly vnode: number; readonly cost: number }[];
}

/**
 * Gives every vnode `seats` nodes and every node its share, rounded down or up, at the least total cost. Answers
 * vnode -> names, in the order of `nodes`.
 *
 *   owed, extra -> node -> its zone in a vnode -> vnode -> sink
 *
 * `owed` feeds each node its share rounded down, `extra` the one more it may get. What `owed` has sent stays sent, so
 * no node ends below its share, and the total is still the least. All of it fits: it does in fractions, when every
 * vnode takes the same part of each node it is offered to, and so in whole numbers, the capacities being whole.
 */
function assign(
  nodes: readonly Node[],
  vnodes: number,
  seats: number,
  wishOf: (node: Node, at: number) => Wish,
): string[][] {
  const network = new FlowNetwork();
  const sink = network.vertex();
  const zoneLimits = new Map(nodes.map(({ zone, zoneLimit }) => [zone, zoneLimit]));
  const targets = Array.from({ length: vnodes }, () => {
    const vnode = network.vertex();
    network.connect(vnode, sink, seats, 0);
    return new Map(
      Array.from(zoneLimits, ([zone, limit]) => {
        const zoneInVnode = network.vertex();
        network.connect(zoneInVnode, vnode, limit, 0);
        return [zone, zoneInVnode];
      }),
    );
  });

  const choices: { readonly name: string; readonly vnode: number; readonly arc: Arc }[] = [];
  const sources = nodes.map((node, at) => {
    const { share, offers } = wishOf(node, at);
    const vertex = network.vertex();
    for (const { vnode, cost } of offers) {
      const target = must(targets[vnode]?.get(node.zone), 'a node was offered a vnode that is not there');
      choices.push({ name: node.name, vnode, arc: network.connect(vertex, target, 1, cost) });
    }
    const due = share.numerator / share.denominator;
    return { vertex, least: Math.floor(due), most: Math.ceil(due) };
  });

  const owed = network.vertex();
  const extra = network.vertex();
  // Unit by unit and node after node: if a node took all its share at once, the last nodes would be left with the
  // same vnodes and meet in every one of them.
  for (let unit = 0; sources.some(({ most }) => unit < most); unit++) {
    for (const { vertex, least, most } of sources) {
      if (unit < most) network.connect(unit < least ? owed : extra, vertex, 1, 0);
    }
  }
  const filled = network.maximise(owed, sink) + network.maximise(extra, sink);
  assert(filled === seats * vnodes, 'the shares do not fill the vnodes');

  const chosen: string[][] = Array.from({ length: vnodes }, () => []);
  for (const { name, vnode, arc } of choices) {
    if (arc.carried > 0) chosen[vnode]?.push(name);
  }
  return chosen;
}

/**
 * All vnodes, in another order for each node. In the same order the same nodes would meet in vnode after vnode, and
 * the others of such a group would take the whole load of one that fails. The triangular numbers visit every residue
 * of a power of two once, and so does an odd multiple of them.
 */
function scattered(vnodes: number, at: number): number[] {
  return Array.from({ length: vnodes }, (_, step) => (at + ((2 * at + 1) * step * (step + 1)) / 2) % vnodes);
}

interface Row {
  readonly owners: readonly string[];
  /** By slot, the owner that had it before and has it still. */
  readonly kept: readonly (string | undefined)[];
}

function keepSlots(before: readonly string[], owners: readonly string[]): Row {
  return { owners, kept: owners.map((_, slot) => owners.find((owner) => owner === before[slot])) };
}

/** 1 if that owner gets slot 0 only when a kept owner leaves its slot. */
function swapsToLead({ kept }: Row, owner: string): 0 | 1 {
  const isFree = kept[0] === undefined && !kept.includes(owner);
  return isFree || kept[0] === owner ? 0 : 1;
}

function fillSlots(row: Row, lead: string, vnode: number): string[] {
  const { owners, kept } = row;
  const seats = swapsToLead(row, lead) === 0 ? kept.with(0, lead) : kept;
  const waiting = owners.filter((owner) => !seats.includes(owner));
  // By turns: in the order of names, the first names would stand in for every lead that fails. Fresh leads take turns
  // themselves, vnode by vnode, so the turn goes on when they have all had theirs.
  const turn = Math.floor(vnode / owners.length) % waiting.length;
  const newcomers = [...waiting.slice(turn), ...waiting.slice(0, turn)].values();
  const slots = seats.map((owner) => owner ?? must(newcomers.next().value, 'a slot has no owner'));
  const first = must(slots[0], 'a vnode has no owner');
  return slots.with(slots.indexOf(lead), first).with(0, lead);
}
