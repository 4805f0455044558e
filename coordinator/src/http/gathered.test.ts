import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { Gathered } from './gathered.ts';

it('is the pieces one after the other, however they are cut, and leaves them as they were', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), (pieces) => {
      const before = pieces.map((piece) => piece.slice());
      const gathered = new Gathered();
      for (const piece of pieces) gathered.add(piece);
      expect(Buffer.from(gathered.whole())).toEqual(Buffer.concat(pieces));
      expect(gathered.length).toBe(Buffer.concat(pieces).length);
      expect(pieces).toEqual(before);
    }),
  );
});

it('takes half a million pieces of one byte for little more than their bytes', () => {
  const gathered = new Gathered();
  const piece = Uint8Array.of(7);
  for (let i = 0; i < 500_000; i++) gathered.add(piece);
  const whole = gathered.whole();
  expect(whole).toHaveLength(500_000);
  expect(whole.every((byte) => byte === 7)).toBe(true);
  expect(whole.buffer.byteLength).toBeLessThanOrEqual(1_000_000);
});
