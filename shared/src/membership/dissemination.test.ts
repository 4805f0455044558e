import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Dissemination, transmitLimit } from './dissemination.ts';
import type { MemberUpdate } from './member.ts';

const update = (name: string, incarnation = 0): MemberUpdate => ({ name, status: 'alive', incarnation });
const names = (updates: readonly MemberUpdate[]): string[] => updates.map(({ name }) => name);

describe('transmit limit', () => {
  it.each([
    [1, 4],
    [3, 4],
    [9, 4],
    [10, 8],
    [99, 8],
    [100, 12],
  ])('%i members: %i transmissions', (members, limit) => {
    expect(transmitLimit(members, 4)).toBe(limit);
  });
});

describe('piggyback queue', () => {
  it('drops an update after its last transmission', () => {
    const queue = new Dissemination();
    queue.enqueue(update('a'));
    expect([1, 2, 3].map(() => names(queue.take(16, 2)))).toEqual([['a'], ['a'], []]);
    expect(queue.size).toBe(0);
  });

  it('replaces what it holds about a member and transmits the news in full', () => {
    const queue = new Dissemination();
    queue.enqueue(update('a', 1));
    queue.take(16, 2);
    queue.enqueue(update('a', 2));
    expect(queue.size).toBe(1);
    expect([1, 2, 3].map(() => queue.take(16, 2))).toEqual([[update('a', 2)], [update('a', 2)], []]);
  });

  it('sends the least sent first, and the newest of those', () => {
    const queue = new Dissemination();
    for (const name of ['a', 'b', 'c']) queue.enqueue(update(name));
    expect(names(queue.take(2, 4))).toEqual(['c', 'b']);
    expect(names(queue.take(2, 4))).toEqual(['a', 'c']);
    queue.enqueue(update('d'));
    expect(names(queue.take(2, 4))).toEqual(['d', 'b']);
  });

  it('says nothing about those it is told to skip, and keeps it for later', () => {
    const queue = new Dissemination();
    queue.enqueue(update('a'));
    queue.enqueue(update('b'));
    expect(names(queue.take(16, 1, ['a']))).toEqual(['b']);
    expect(names(queue.take(16, 1))).toEqual(['a']);
  });

  it('forgets', () => {
    const queue = new Dissemination();
    queue.enqueue(update('a'));
    queue.forget('a');
    expect(queue.take(16, 4)).toEqual([]);
  });

  it('transmits each of any set of updates exactly up to the limit, never more than asked at once', () => {
    fc.assert(
      fc.property(
        fc.nat(40),
        fc.integer({ min: 1, max: 16 }),
        fc.integer({ min: 1, max: 8 }),
        (n, max, limit) => {
          const queue = new Dissemination();
          for (let i = 0; i < n; i += 1) queue.enqueue(update(`m${i}`));
          const counts = new Map<string, number>();
          while (queue.size > 0) {
            const taken = names(queue.take(max, limit));
            expect(taken.length).toBeLessThanOrEqual(max);
            for (const name of taken) counts.set(name, (counts.get(name) ?? 0) + 1);
          }
          expect(counts.size).toBe(n);
          expect([...counts.values()].every((count) => count === limit)).toBe(true);
        },
      ),
    );
  });
});
