import type { RowsTold } from '@circlet/shared/protocol/anti-entropy.ts';
import { describe, expect, it } from 'vitest';
import { Repairs } from './repairs.ts';

const told = (answers: number): RowsTold => ({ answers, page: 0, pages: 1, more: false, entries: [] });

describe('repairs that wait for an owner who is away', () => {
  /** More than are asked about in the time after which one is asked again. */
  const WAITING = 600;

  it('do not keep others from being asked about, whose owners are all there', () => {
    const repairs = new Repairs(0);
    for (let prefix = 0; prefix <= WAITING; prefix++) repairs.found(prefix, 0);
    const othersOf = (prefix: number) => (prefix < WAITING ? ['b', 'away'] : ['b', 'd']);
    const answered: number[] = [];
    for (let nowMs = 0; nowMs < 30_000; nowMs += 1_000) {
      for (const { id, others } of repairs.due(nowMs, othersOf))
        for (const other of others.filter((name) => name !== 'away')) {
          const whole = repairs.told(other, told(id));
          if (whole !== undefined) answered.push(whole.prefix);
        }
    }
    expect(new Set(answered)).toEqual(new Set([WAITING]));
  });

  it('are themselves asked about again and again, each in its turn', () => {
    const repairs = new Repairs(0);
    for (let prefix = 0; prefix < WAITING; prefix++) repairs.found(prefix, 0);
    const asked = new Map<number, number>();
    for (let nowMs = 0; nowMs < 60_000; nowMs += 1_000) {
      for (const { prefix } of repairs.due(nowMs, () => ['away']))
        asked.set(prefix, (asked.get(prefix) ?? 0) + 1);
    }
    expect(asked.size).toBe(WAITING);
    expect(new Set(asked.values())).toEqual(new Set([10]));
  });
});
