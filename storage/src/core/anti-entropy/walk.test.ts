import { wholeHash } from '@circlet/shared/merkle/hash.ts';
import { wholeVnode } from '@circlet/shared/merkle/range.ts';
import { positionOf, prefixOf } from '@circlet/shared/ring/position.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Turn } from '../effects.ts';
import { MemoryStore } from '../memory-store.ts';
import { ringOf } from '../ring.case.ts';
import { Budget } from './budget.ts';
import { fill, keysOf, stateOfBytes } from './rows.case.ts';
import { Trees } from './trees.ts';
import { Walk } from './walk.ts';

const RING = ringOf(['a', 'b', 'c']);
const KEYS = keysOf(300);

describe('what a peer says', () => {
  let store: MemoryStore;
  let trees: Trees;
  let budget: Budget;
  let walk: Walk;
  let turn: Turn;

  beforeEach(() => {
    store = new MemoryStore();
    fill(store, KEYS);
    trees = new Trees(store, RING.vnodes);
    trees.build(1_000);
    budget = new Budget(1024 * 1024);
    walk = new Walk('a', store, budget, RING, trees);
    turn = { now: { monoMs: 1_000, wallMs: 1_000 }, effects: [] };
  });

  /** One step; how many tasks were worked on. */
  function step(): number {
    budget.begin(0);
    let tasks = 0;
    for (; walk.isBusy && !budget.isSpent; tasks++) walk.work(turn);
    return tasks;
  }

  const roots = (hashOf: (vnode: number) => string) => ({
    kind: 'treeRoots' as const,
    roots: Array.from({ length: RING.vnodes }, (_, vnode) => ({ vnode, hash: hashOf(vnode) })),
  });
  const ours = (vnode: number) => wholeHash(trees.hash(wholeVnode(vnode)));

  it('of its roots costs what they are many', () => {
    for (let i = 0; i < 100; i++) walk.add({ kind: 'compare', peer: 'b', message: roots(ours) });
    expect(step()).toBeLessThanOrEqual(512 / RING.vnodes);
  });

  it('of its roots is gone through in parts when a step has no room for all, and none of it is lost', () => {
    const message = roots(() => 'of another state');
    walk.add({ kind: 'compare', peer: 'b', message });
    let parts = 0;
    for (; walk.isBusy; parts++) {
      budget.begin(0);
      budget.rows = 30;
      walk.work(turn);
    }
    expect(parts).toBeGreaterThan(2);
    const described = turn.effects.map((effect) => (effect.kind === 'send' ? effect.message : undefined));
    expect(described.map((each) => each?.kind === 'treeRows' || each?.kind === 'treeNodes')).toEqual(
      message.roots.map(() => true),
    );
  });

  it('that it lacks is told about a frame at a time when the rows are large', () => {
    fill(store, KEYS.slice(0, 60), stateOfBytes(100_000));
    const prefixes = KEYS.slice(0, 60).map((key) => prefixOf(positionOf(key)));
    walk.add({ kind: 'give', peer: 'b', id: 0, prefixes, more: false });
    const told: number[] = [];
    for (; walk.isBusy; turn.effects.length = 0) {
      walk.work(turn);
      const messages = turn.effects.map((effect) => (effect.kind === 'send' ? effect.message : undefined));
      told.push(
        messages.reduce((sum, each) => sum + (each?.kind === 'rowsTold' ? each.entries.length : 0), 0),
      );
    }
    expect(told.reduce((sum, count) => sum + count, 0)).toBe(60);
    expect(Math.max(...told)).toBeLessThan(12);
  });

  it('waits in so much memory, however large the messages are', () => {
    const prefixes = Array.from({ length: 4_000 }, (_, i) =>
      prefixOf(positionOf(KEYS[i % 300] as Uint8Array)),
    );
    for (let id = 1; id <= 100; id++) walk.add({ kind: 'give', peer: 'b', id, prefixes, more: false });
    let asked = 0;
    for (; walk.isBusy; asked += 64) walk.work(turn);
    expect(asked).toBeGreaterThan(50_000);
    expect(asked).toBeLessThan(70_000);
  });
});
