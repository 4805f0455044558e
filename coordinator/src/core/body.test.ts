import { DecodeError } from '@circlet/shared/codec/bytes.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBody, encodeBody } from './body.ts';

const latin1 = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)),
  maxLength: 300,
});
const bodies = fc.record({
  contentType: latin1,
  meta: fc.array(fc.tuple(latin1, latin1), { maxLength: 5 }),
  value: fc.uint8Array({ maxLength: 500 }),
});

/** As a body, or refused as one should be. */
const isTaken = (bytes: Uint8Array) => {
  try {
    return decodeBody(bytes) !== undefined;
  } catch (error) {
    return error instanceof DecodeError;
  }
};

describe('a body', () => {
  it('comes back as it went in', () => {
    fc.assert(
      fc.property(bodies, (body) => {
        expect(decodeBody(encodeBody(body))).toEqual(body);
      }),
    );
  });

  it('may be nothing but an empty value', () => {
    const empty = { contentType: '', meta: [], value: new Uint8Array(0) };
    expect(decodeBody(encodeBody(empty))).toEqual(empty);
  });

  it('that was cut short or came from elsewhere is a decode error or another body, never a crash', () => {
    expect(fc.check(fc.property(fc.uint8Array({ maxLength: 40 }), isTaken))).toMatchObject({ failed: false });
    expect(() => decodeBody(new Uint8Array(0))).toThrow(DecodeError);
    expect(() => decodeBody(Uint8Array.of(2, 0, 0))).toThrow('unknown body version 2');
    expect(() => decodeBody(Uint8Array.of(1, 200))).toThrow(DecodeError);
  });
});
