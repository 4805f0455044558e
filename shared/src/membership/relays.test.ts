import { expect, it } from 'vitest';
import { Relays } from './relays.ts';

const relay = { origin: 'o', originSeq: 70, target: 't', seq: 7 };

it('ends a relay once, by the answer of its target or by its timeout', () => {
  const relays = new Relays();
  relays.open(relay);
  expect(relays.answered('x', 7)).toBeUndefined();
  expect(relays.answered('t', 8)).toBeUndefined();
  expect(relays.answered('t', 7)).toEqual(relay);
  expect(relays.answered('t', 7)).toBeUndefined();
  relays.open(relay);
  expect(relays.expired('o', 6)).toBeUndefined();
  expect(relays.expired('o', 7)).toEqual(relay);
  expect(relays.has('o', 7)).toBe(false);
});

it('keeps one relay per origin', () => {
  const relays = new Relays();
  relays.open(relay);
  relays.open({ ...relay, target: 'u', seq: 8 });
  expect(relays.answered('t', 7)).toBeUndefined();
  expect(relays.has('o', 8)).toBe(true);
  relays.forget('o');
  expect(relays.has('o', 8)).toBe(false);
});
