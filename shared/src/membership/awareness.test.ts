import { expect, it } from 'vitest';
import { Awareness } from './awareness.ts';

it('stretches time by the score, which stays between 0 and its maximum', () => {
  const awareness = new Awareness(4);
  expect(awareness.scale(300)).toBe(300);
  awareness.add(-1);
  expect(awareness.scale(300)).toBe(300);
  awareness.add(1);
  expect(awareness.scale(300)).toBe(600);
  for (let i = 0; i < 10; i += 1) awareness.add(1);
  expect(awareness.scale(300)).toBe(1_500);
  awareness.add(-1);
  expect(awareness.score).toBe(3);
});
