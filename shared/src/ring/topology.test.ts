import { describe, expect, it } from 'vitest';
import { must } from '../assert.ts';
import { DecodeError } from '../codec/bytes.ts';
import { bitFlips, cuts, readOrRefusal } from '../codec/damage.case.ts';
import { sipKey } from '../hash/siphash.ts';
import { NODES_MAX } from '../protocol/limits.ts';
import { decodeTopology, encodeTopology, flawOf, NOBODY, Ring, type Topology } from './topology.ts';

const KEY = sipKey(new Uint8Array(16));
const _ = NOBODY;

const member = (name: string, i: number, state: Topology['members'][number]['state'] = 'active') => ({
  name,
  disk: i.toString(16).padStart(32, '0'),
  zone: 'z',
  weight: 1,
  state,
});

const OWNED: Topology = {
  cluster: 'circlet',
  epoch: 7,
  replicas: 2,
  members: ['a', 'b', 'c', 'd'].map((name, i) => member(name, i)),
  owners: [
    [0, 1],
    [1, 2],
    [2, 0],
    [3, 1],
  ],
  move: undefined,
};

/** d comes, and takes a slot of a and one of b. */
const FILLING: Topology = {
  ...OWNED,
  members: OWNED.members.with(3, member('d', 3, 'joining')),
  owners: [
    [0, 1],
    [1, 2],
    [2, 0],
    [0, 1],
  ],
  move: {
    phase: 'filling',
    since: 7,
    seconds: [
      [3, _],
      [_, _],
      [_, _],
      [_, 3],
    ],
    weights: [1, 1, 1, 0],
  },
};
const SWITCHING: Topology = {
  ...FILLING,
  members: OWNED.members,
  owners: [
    [3, 1],
    [1, 2],
    [2, 0],
    [0, 3],
  ],
  move: {
    ...must(FILLING.move, 'a move'),
    phase: 'switching',
    seconds: [
      [0, _],
      [_, _],
      [_, _],
      [_, 1],
    ],
  },
};
/** Two members that become three: a third copy of each key is made. */
const GROWING: Topology = {
  ...FILLING,
  replicas: 3,
  members: FILLING.members.toSpliced(2, 1),
  owners: [
    [0, 1],
    [1, 0],
  ],
  move: {
    phase: 'filling',
    since: 7,
    seconds: [
      [_, _, 2],
      [_, _, 2],
    ],
    weights: [1, 1, 0],
  },
};
const SOUND = { OWNED, FILLING, SWITCHING, GROWING };

const moving = (of: Topology, change: Partial<NonNullable<Topology['move']>>): Topology => ({
  ...of,
  move: { ...must(of.move, 'a move'), ...change },
});
const row = (of: Topology, vnode: number, its: readonly number[]) =>
  moving(of, { seconds: must(of.move, 'a move').seconds.with(vnode, its) });
const weighing = (...weights: number[]): Topology => ({
  ...OWNED,
  members: OWNED.members.map((each, i) => ({ ...each, weight: weights[i] ?? 1 })),
});

describe('a topology', () => {
  it.each(Object.entries(SOUND))('like %s is sound, and is read as it was written', (__, topology) => {
    expect(flawOf(topology)).toBeUndefined();
    expect(decodeTopology(encodeTopology(topology))).toEqual(topology);
  });

  // Each breaks one rule and no other.
  it.each<[string, Topology, string]>([
    ['epoch 0', { ...OWNED, epoch: 0 }, 'epochs start at 1'],
    ['no members', { ...OWNED, members: [] }, 'no members'],
    ['a member twice', { ...OWNED, members: OWNED.members.with(1, member('a', 9)) }, 'members out of order'],
    [
      'members that are not in order',
      { ...OWNED, members: OWNED.members.toReversed() },
      'members out of order',
    ],
    ['a weight of 0', weighing(1, 0), 'weight out of range'],
    ['a weight of 65', weighing(65), 'weight out of range'],
    ['no copies', { ...OWNED, replicas: 0 }, 'replicas out of range'],
    ['eight copies', { ...OWNED, replicas: 8 }, 'replicas out of range'],
    ['no vnodes', { ...OWNED, owners: [] }, 'vnodes not a power of two'],
    ['three vnodes', { ...OWNED, owners: OWNED.owners.slice(1) }, 'vnodes not a power of two'],
    ['fewer copies than it wants', { ...OWNED, replicas: 3 }, 'not N distinct owners'],
    ['more copies than it wants', { ...OWNED, replicas: 1 }, 'not N distinct owners'],
    ['no owners', { ...FILLING, owners: FILLING.owners.map(() => []) }, 'not N distinct owners'],
    ['an owner too few', { ...OWNED, owners: OWNED.owners.with(2, [2]) }, 'not N distinct owners'],
    [
      'an owner too few while they move',
      { ...FILLING, owners: FILLING.owners.with(2, [2]) },
      'not N distinct owners',
    ],
    ['an owner too many', { ...OWNED, owners: OWNED.owners.with(2, [2, 0, 1]) }, 'not N distinct owners'],
    [
      'one owner too many, and twice',
      { ...OWNED, owners: OWNED.owners.with(2, [2, 0, 0]) },
      'not N distinct owners',
    ],
    ['an owner twice', { ...OWNED, owners: OWNED.owners.with(2, [2, 2]) }, 'not N distinct owners'],
    [
      'an owner behind the last',
      { ...OWNED, owners: OWNED.owners.with(2, [2, 4]) },
      'owner outside the members',
    ],
    ['nobody for an owner', { ...OWNED, owners: OWNED.owners.with(2, [2, _]) }, 'owner outside the members'],
    ['a move since epoch 0', moving(FILLING, { since: 0 }), 'a move of another time'],
    ['a move of the next epoch', moving(FILLING, { since: 8 }), 'a move of another time'],
    ['a weight too few', moving(FILLING, { weights: [1, 1, 1] }), 'not a weight for each member'],
    ['a weight too many', moving(FILLING, { weights: [1, 1, 1, 0, 1] }), 'not a weight for each member'],
    ['no weights', moving(FILLING, { weights: [] }), 'not a weight for each member'],
    ['a weight of 65 before', moving(FILLING, { weights: [1, 65, 1, 0] }), 'not a weight for each member'],
    [
      'an owner that a cancel would remove',
      moving(FILLING, { weights: [1, 0, 1, 0] }),
      'an owner that was no member',
    ],
    [
      'a vnode that has no seconds',
      moving(FILLING, { seconds: FILLING.owners.slice(1) }),
      'not all vnodes have second nodes',
    ],
    [
      'seconds of a vnode that is not there',
      moving(FILLING, { seconds: [...must(FILLING.move, 'a move').seconds, [_, _]] }),
      'not all vnodes have second nodes',
    ],
    ['fewer seconds than owners', moving(FILLING, { seconds: [[_], [_], [_], [_]] }), 'not N second nodes'],
    [
      'more seconds than copies',
      moving(FILLING, {
        seconds: [
          [_, _, 3],
          [_, _, 3],
          [_, _, 3],
          [_, _, 3],
        ],
      }),
      'not N second nodes',
    ],
    ['seconds of unequal length', row(GROWING, 1, [_, _]), 'not N second nodes'],
    ['seconds of unequal length', row({ ...GROWING, replicas: 4 }, 1, [_, _, 2, _]), 'not N second nodes'],
    ['a second behind the last member', row(FILLING, 0, [4, _]), 'second node outside the members'],
    ['a second right before nobody', row(FILLING, 0, [_ - 1, _]), 'second node outside the members'],
    ['a second that owns the slot', row(FILLING, 0, [0, _]), 'a node has two slots of a vnode'],
    ['a second that owns another slot', row(FILLING, 0, [1, _]), 'a node has two slots of a vnode'],
    ['a second of two slots', row(FILLING, 0, [3, 3]), 'a node has two slots of a vnode'],
    ['an added slot for nobody', row(GROWING, 1, [_, _, _]), 'a slot without an owner'],
    ['a slot that is added too late', moving(GROWING, { phase: 'switching' }), 'a slot without an owner'],
  ])('with %s is refused, and no pod takes it from another', (__, topology, flaw) => {
    expect(flawOf(topology)).toBe(flaw);
    expect(() => decodeTopology(encodeTopology(topology))).toThrow(new DecodeError(`topology: ${flaw}`));
    expect(() => new Ring(topology, KEY)).toThrow(flaw);
  });

  it('has no more members than a byte can name beside nobody', () => {
    const crowd = (count: number): Topology => ({
      ...OWNED,
      members: Array.from({ length: count }, (__, i) => member(`n${String(i).padStart(3, '0')}`, i)),
      owners: [[NODES_MAX - 1, 0]],
    });
    expect(flawOf(crowd(NODES_MAX))).toBeUndefined();
    expect(decodeTopology(encodeTopology(crowd(NODES_MAX)))).toEqual(crowd(NODES_MAX));
    expect(flawOf(crowd(NODES_MAX + 1))).toBe('too many members');
  });

  it('in damaged bytes is refused, or another one that is sound', () => {
    for (const topology of Object.values(SOUND)) {
      const bytes = encodeTopology(topology);
      for (const cut of cuts(bytes))
        expect(readOrRefusal(() => decodeTopology(cut))).toBeInstanceOf(DecodeError);
      for (const flipped of bitFlips(bytes)) {
        const read = readOrRefusal(() => decodeTopology(flipped));
        if (read instanceof DecodeError) continue;
        expect(read).not.toEqual(topology);
        expect(flawOf(read)).toBeUndefined();
        expect(encodeTopology(read)).toEqual(flipped);
      }
    }
  });
});

describe('the ring of a topology', () => {
  const ring = (topology: Topology) => new Ring(topology, KEY);
  const vnodes = [0, 1, 2, 3];

  it('that does not move has nobody beside the owners', () => {
    const owned = ring(OWNED);
    expect(owned.isMoving).toBe(false);
    expect(vnodes.map((vnode) => owned.seconds(vnode))).toEqual([[], [], [], []]);
    expect(vnodes.map((vnode) => owned.keepers(vnode))).toEqual(vnodes.map((vnode) => owned.owners(vnode)));
    expect(owned.slots).toBe(2);
  });

  it('that moves has a second for each slot that does, by slot', () => {
    const filling = ring(FILLING);
    expect(filling.isMoving).toBe(true);
    expect(filling.seconds(0)).toEqual(['d', undefined]);
    expect(filling.seconds(1)).toEqual([undefined, undefined]);
    expect(filling.seconds(3)).toEqual([undefined, 'd']);
    expect(filling.owners(0)).toEqual(['a', 'b']);
    expect(ring(SWITCHING).owners(0)).toEqual(['d', 'b']);
    expect(ring(SWITCHING).seconds(0)).toEqual(['a', undefined]);
  });

  it('that moves is kept by the owners and the seconds: the same in both phases', () => {
    expect(vnodes.map((vnode) => ring(FILLING).keepers(vnode))).toEqual([
      ['a', 'b', 'd'],
      ['b', 'c'],
      ['c', 'a'],
      ['a', 'b', 'd'],
    ]);
    for (const vnode of vnodes) {
      expect(ring(SWITCHING).keepers(vnode).toSorted()).toEqual(ring(FILLING).keepers(vnode).toSorted());
    }
  });

  it('has the same slot for a node as owner and as second, and none for a stranger', () => {
    const slots = (topology: Topology) =>
      vnodes.map((vnode) => ['a', 'b', 'c', 'd', 'e'].map((name) => ring(topology).slotOf(vnode, name)));
    expect(slots(FILLING)).toEqual([
      [0, 1, -1, 0, -1],
      [-1, 0, 1, -1, -1],
      [1, -1, 0, -1, -1],
      [0, 1, -1, 1, -1],
    ]);
    expect(slots(SWITCHING)).toEqual(slots(FILLING));
    expect(ring(FILLING).slotOf(4, 'a')).toBe(-1);
  });

  it('has those for owners that are read, and no seconds', () => {
    expect(ring(FILLING).isOwner(0, 'a')).toBe(true);
    expect(ring(FILLING).isOwner(0, 'd')).toBe(false);
    expect(ring(SWITCHING).isOwner(0, 'a')).toBe(false);
    expect(ring(SWITCHING).isOwner(0, 'd')).toBe(true);
    expect(ring(FILLING).isOwner(0, 'e')).toBe(false);
    expect(ring(FILLING).isOwner(4, 'a')).toBe(false);
  });

  it('counts a slot that is being added, for which there is no owner yet', () => {
    const growing = ring(GROWING);
    expect(growing.slots).toBe(3);
    expect([growing.owners(0), growing.seconds(0)]).toEqual([
      ['a', 'b'],
      [undefined, undefined, 'd'],
    ]);
    expect(growing.slotOf(0, 'd')).toBe(2);
    expect(growing.keepers(1)).toEqual(['b', 'a', 'd']);
    expect([ring(OWNED).slots, ring(FILLING).slots, ring(SWITCHING).slots]).toEqual([2, 2, 2]);
  });

  it('has another digest for another phase, and for another key', () => {
    const digests = [
      ring(OWNED),
      ring(FILLING),
      ring(SWITCHING),
      new Ring(OWNED, sipKey(new Uint8Array(16).fill(1))),
    ];
    expect(new Set(digests.map(({ digest }) => digest)).size).toBe(4);
    expect(ring(decodeTopology(ring(FILLING).bytes)).digest).toBe(ring(FILLING).digest);
  });
});
