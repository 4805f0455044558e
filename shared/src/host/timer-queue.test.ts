import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TimerQueue } from './timer-queue.ts';

function drained<T>(queue: TimerQueue<T>, nowMs = Number.POSITIVE_INFINITY): readonly T[] {
  const items: T[] = [];
  for (let item = queue.pop(nowMs); item !== undefined; item = queue.pop(nowMs)) items.push(item);
  return items;
}

describe('a timer queue', () => {
  it('gives what is due, earliest first, and keeps the rest', () => {
    const queue = new TimerQueue<string>();
    for (const [dueMs, item] of [
      [30, 'c'],
      [10, 'a'],
      [20, 'b'],
    ] as const)
      queue.push(dueMs, item);
    expect([queue.nextMs, queue.pop(9)]).toEqual([10, undefined]);
    expect(drained(queue, 20)).toEqual(['a', 'b']);
    expect(queue.nextMs).toBe(30);
    queue.clear();
    expect([queue.nextMs, queue.pop(99)]).toEqual([undefined, undefined]);
  });

  it('gives equal times in the order in which they were set, also around a pop', () => {
    const queue = new TimerQueue<number>();
    for (let i = 0; i < 50; i++) queue.push(5, i);
    expect(queue.pop(5)).toBe(0);
    queue.push(5, 50);
    expect(drained(queue)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  });

  it('does what a stable sort does, whatever goes in and out', () => {
    const steps = fc.array(
      fc.oneof({ weight: 3, arbitrary: fc.nat({ max: 20 }) }, fc.record({ popAt: fc.nat({ max: 20 }) })),
    );
    fc.assert(
      fc.property(steps, (asked) => {
        const queue = new TimerQueue<number>();
        let model: { readonly dueMs: number; readonly item: number }[] = [];
        asked.forEach((step, item) => {
          if (typeof step === 'number') {
            queue.push(step, item);
            model.push({ dueMs: step, item });
            model = model.toSorted((a, b) => a.dueMs - b.dueMs || a.item - b.item);
          }
          const popAt = typeof step === 'number' ? -1 : step.popAt;
          const due = model[0] !== undefined && model[0].dueMs <= popAt ? model.shift() : undefined;
          expect(queue.pop(popAt)).toBe(due?.item);
          expect(queue.nextMs).toBe(model[0]?.dueMs);
        });
        expect(drained(queue)).toEqual(model.map(({ item }) => item));
      }),
      { numRuns: 500 },
    );
  });
});
