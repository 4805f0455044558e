import { expect, test } from 'vitest';
import { Coordinators } from './coordinators.ts';

test('calls go round', () => {
  const coordinators = new Coordinators(['a', 'b', 'c']);
  expect([1, 2, 3, 4].map(() => coordinators.order(0)[0])).toEqual(['a', 'b', 'c', 'a']);
  expect(coordinators.order(0)).toEqual(['b', 'c', 'a']);
});

test('one that fails rests at the end of the order, each time for longer', () => {
  const coordinators = new Coordinators(['a', 'b']);
  coordinators.failed('a', 0);
  expect([coordinators.order(1), coordinators.order(2)]).toEqual([
    ['b', 'a'],
    ['b', 'a'],
  ]);
  expect(coordinators.order(500)[0]).toBe('a');
  coordinators.failed('a', 500);
  coordinators.order(0);
  expect(coordinators.order(1_499)).toEqual(['b', 'a']);
  coordinators.order(0);
  expect(coordinators.order(1_500)[0]).toBe('a');
});

test('failures of calls that were under way together count once', () => {
  const coordinators = new Coordinators(['a', 'b']);
  for (let i = 0; i < 64; i++) coordinators.failed('a', i);
  coordinators.order(0);
  coordinators.order(0);
  expect(coordinators.order(600)[0]).toBe('a');
});

test('rests have an end, and an answer forgets them', () => {
  const coordinators = new Coordinators(['a', 'b']);
  let nowMs = 0;
  for (let i = 0; i < 50; i++) {
    coordinators.failed('a', nowMs);
    nowMs += 30_000;
  }
  expect(coordinators.order(nowMs)[0]).toBe('a');
  coordinators.failed('a', nowMs);
  coordinators.answered('a');
  coordinators.order(nowMs);
  expect(coordinators.order(nowMs)[0]).toBe('a');
});

test('when all rest, all are still asked, the one first that is back first', () => {
  const coordinators = new Coordinators(['a', 'b']);
  coordinators.failed('b', 0);
  coordinators.failed('a', 10);
  expect(coordinators.order(20)).toEqual(['b', 'a']);
});
