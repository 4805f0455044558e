import { describe, expect, it } from 'vitest';
import { sipKey } from '../hash/siphash.ts';
import { PreferenceLists } from './preference-list.ts';
import { Ring } from './topology.ts';

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

  it('has an order of its own for each vnode, so that all others share what a dead owner leaves', () => {
    const first = lists.map(({ fallbacks: [name] }) => name);
    // Of 256 draws from four, each comes 64 times, give or take 7: four deviations are never seen.
    for (const name of ['d', 'e', 'f', 'g']) {
      const times = first.filter((each) => each === name).length;
      expect(Math.abs(times - VNODES / 4)).toBeLessThan(28);
    }
  });
});
