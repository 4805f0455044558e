import { describe, expect, it } from 'vitest';
import { must } from '../assert.ts';
import { sipKey } from '../hash/siphash.ts';
import { PreferenceLists } from './preference-list.ts';
import { decodeTopology, NOBODY, Ring, type Topology } from './topology.ts';

const VNODES = 256;
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const OWNERS = [2, 0, 1];
const ring = new Ring(
  {
    cluster: 'test',
    epoch: 1,
    replicas: 3,
    members: NAMES.map((name, i) => ({
      name,
      disk: i.toString(16).repeat(32),
      zone: 'z',
      weight: 1,
      state: 'active' as const,
    })),
    // All vnodes have the same owners, so what differs between their lists is their fallbacks.
    owners: Array.from({ length: VNODES }, () => OWNERS),
    move: undefined,
  },
  sipKey(new Uint8Array(16)),
);
const lists = Array.from({ length: VNODES }, (_, vnode) => new PreferenceLists(ring).of(vnode));

describe('a preference list', () => {
  it('has the owners in slot order, and behind them every other member once', () => {
    for (const { owners, fallbacks } of lists) {
      expect(owners).toEqual(['c', 'a', 'b']);
      expect(fallbacks.toSorted()).toEqual(['d', 'e', 'f', 'g']);
    }
  });

  it('is the same for every coordinator', () => {
    const other = new PreferenceLists(ring);
    expect(lists.map((_, vnode) => other.of(vnode))).toEqual(lists);
  });

  // Coordinators of two releases work side by side while a cluster is upgraded.
  it('is the same for coordinators of every release', () => {
    expect([0, 1, 255].map((vnode) => must(lists[vnode], 'a list').fallbacks.join(''))).toEqual([
      'dgef',
      'gdef',
      'degf',
    ]);
  });

  it('has an order of its own for each vnode, so that all others share what a dead owner leaves', () => {
    const first = lists.map(({ fallbacks: [name] }) => name);
    // Of 256 draws from four, each comes 64 times, give or take 7: four deviations are never seen.
    for (const name of ['d', 'e', 'f', 'g']) {
      const times = first.filter((each) => each === name).length;
      expect(Math.abs(times - VNODES / 4)).toBeLessThan(28);
    }
  });
});

/** g joins and takes the last slot of every even vnode from b; e and f leave, and own nothing any more. */
const MOVING: Topology = {
  ...ring.topology,
  members: ring.topology.members.map((of) =>
    of.name === 'g'
      ? { ...of, state: 'joining' as const }
      : of.name === 'e' || of.name === 'f'
        ? { ...of, state: 'leaving' as const }
        : of,
  ),
  move: {
    phase: 'filling',
    since: 1,
    seconds: Array.from({ length: VNODES }, (_, vnode) => [NOBODY, NOBODY, vnode % 2 === 0 ? 6 : NOBODY]),
    weights: [1, 1, 1, 1, 1, 1, 0],
  },
};

describe('a preference list while slots move', () => {
  const moving = new Ring(MOVING, sipKey(new Uint8Array(16)));
  const its = new PreferenceLists(moving);

  it('has beside each owner whoever takes its writes too, and none of them among the fallbacks', () => {
    expect(its.of(0)).toMatchObject({ owners: ['c', 'a', 'b'], seconds: [undefined, undefined, 'g'] });
    expect(its.of(1).seconds).toEqual([undefined, undefined, undefined]);
    for (let vnode = 0; vnode < VNODES; vnode++) {
      // The one that is joining is none of them anywhere.
      const expected = ['d', 'e', 'f'];
      expect(its.of(vnode).fallbacks.toSorted()).toEqual(expected);
    }
    expect(lists.every(({ seconds }) => seconds.length === 0)).toBe(true);
  });

  it('asks those who leave last to keep hints, in the order of the vnode among themselves and the others', () => {
    const first = new Set<string>();
    for (let vnode = 0; vnode < VNODES; vnode++) {
      const { fallbacks } = its.of(vnode);
      const before = must(lists[vnode], 'a list').fallbacks.filter((name) => fallbacks.includes(name));
      const leaves = (name: string) => name === 'e' || name === 'f';
      expect(fallbacks).toEqual([...before.filter((name) => !leaves(name)), ...before.filter(leaves)]);
      first.add(fallbacks.slice(-2).join());
    }
    expect(first).toEqual(new Set(['e,f', 'f,e']));
  });

  it('is the same for every coordinator that has the document, in whatever order it asks', () => {
    const others = new PreferenceLists(
      new Ring(decodeTopology(moving.bytes), sipKey(new Uint8Array(16).fill(9))),
    );
    for (let vnode = VNODES - 1; vnode >= 0; vnode--) expect(others.of(vnode)).toEqual(its.of(vnode));
  });
});
