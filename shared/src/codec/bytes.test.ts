import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError, equalBytes, fromLatin1, latin1, Reader, toHex, Writer } from './bytes.ts';
import { readOrRefusal } from './damage.case.ts';

const integer = fc.oneof(fc.nat({ max: 300 }), fc.maxSafeNat());

function varintBytes(value: number): Uint8Array {
  const writer = new Writer();
  writer.varint(value);
  return writer.finish();
}

/** `value` as a varint, and so many bytes after it. */
const claim = (value: number, bytesAfter: number) =>
  new Reader(Uint8Array.from([...varintBytes(value), ...new Uint8Array(bytesAfter)]));

const readVarint = (...bytes: number[]) => new Reader(Uint8Array.from(bytes)).varint();

describe('a varint', () => {
  it.each([
    [0, '00'],
    [127, '7f'],
    [128, '8001'],
    [300, 'ac02'],
    [2 ** 32, '8080808010'],
    [Number.MAX_SAFE_INTEGER, 'ffffffffffffff0f'],
  ])('writes %i as %s', (value, hex) => {
    expect(toHex(varintBytes(value))).toBe(hex);
    expect(new Reader(varintBytes(value)).varint()).toBe(value);
  });

  it('comes back as it was', () => {
    fc.assert(
      fc.property(integer, (value) => {
        const reader = new Reader(varintBytes(value));
        expect(reader.varint()).toBe(value);
        reader.finish();
      }),
    );
  });

  it('has one encoding: padding is refused', () => {
    expect(() => readVarint(0x80, 0x00)).toThrow('padded varint');
    expect(() => readVarint(0xff, 0x80, 0x00)).toThrow('padded varint');
    expect(() => readVarint(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00)).toThrow('padded varint');
  });

  it('is refused above 2^53-1', () => {
    expect(() => readVarint(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10)).toThrow('varint above 2^53-1');
    expect(() => readVarint(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)).toThrow('varint above 2^53-1');
    expect(() => readVarint(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01)).toThrow(
      'varint above 2^53-1',
    );
  });

  it.each([-1, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY])('is not written for %d', (value) => {
    expect(() => varintBytes(value)).toThrow(RangeError);
  });

  it('is the only encoding of its value, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 10 }), (bytes) => {
        const reader = new Reader(bytes);
        const value = readOrRefusal(() => reader.varint());
        if (value instanceof DecodeError) return;
        expect(varintBytes(value)).toEqual(bytes.slice(0, reader.offset));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a writer', () => {
  type Op = ['u8' | 'u32' | 'varint', number] | ['bytes', Uint8Array] | ['latin1', string];
  const op: fc.Arbitrary<Op> = fc.oneof(
    fc.tuple(fc.constant('u8' as const), fc.nat({ max: 255 })),
    fc.tuple(fc.constant('u32' as const), fc.nat({ max: 2 ** 32 - 1 })),
    fc.tuple(fc.constant('varint' as const), integer),
    fc.tuple(fc.constant('bytes' as const), fc.uint8Array({ maxLength: 60 })),
    fc.tuple(
      fc.constant('latin1' as const),
      fc.uint8Array({ maxLength: 60 }).map((bytes) => latin1(bytes)),
    ),
  );

  function write(writer: Writer, [kind, value]: Op): void {
    if (kind === 'bytes') writer.bytes(value);
    else if (kind === 'latin1') writer.latin1(value);
    else writer[kind](value);
  }

  function read(reader: Reader, [kind, value]: Op): unknown {
    if (kind === 'bytes') return reader.bytes(value.length);
    if (kind === 'latin1') return reader.latin1(value.length);
    return reader[kind]();
  }

  it('is read back in the order written, however small it started', () => {
    fc.assert(
      fc.property(fc.array(op), fc.nat({ max: 9 }), (ops, initialBytes) => {
        const writer = new Writer(initialBytes);
        for (const one of ops) write(writer, one);
        const bytes = writer.finish();
        expect(writer.size).toBe(bytes.length);
        const reader = new Reader(bytes);
        for (const one of ops) expect(read(reader, one)).toEqual(one[1]);
        reader.finish();
      }),
    );
  });

  it('gives a copy with finish and a view with view', () => {
    const writer = new Writer(4);
    writer.u8(1);
    const copy = writer.finish();
    const view = writer.view();
    writer.reset();
    writer.u8(2);
    expect([...copy]).toEqual([1]);
    expect([...view]).toEqual([2]);
    expect(writer.size).toBe(1);
  });
});

describe('a reader', () => {
  it('stays inside its window', () => {
    const reader = new Reader(Uint8Array.of(9, 1, 2, 9), 1, 3);
    expect(reader.left).toBe(2);
    expect([reader.u8(), reader.u8()]).toEqual([1, 2]);
    expect(() => reader.u8()).toThrow('truncated');
    expect(() => reader.bytes(1)).toThrow('truncated');
    expect(() => reader.latin1(1)).toThrow('truncated');
  });

  it.each([0, 1, 2, 3])('does not read four bytes where %i are left', (length) => {
    expect(() => new Reader(new Uint8Array(length)).u32()).toThrow('truncated');
  });

  it('refuses trailing bytes', () => {
    expect(() => new Reader(Uint8Array.of(1)).finish()).toThrow('trailing bytes');
  });

  it('refuses a count that the bytes left cannot hold, before anything is read', () => {
    expect(claim(5, 10).count(2)).toBe(5);
    expect(() => claim(6, 10).count(2)).toThrow('count larger than its data');
    expect(() => claim(5, 10).count(1, 4)).toThrow('count larger than its data');
    expect(() => claim(2 ** 32, 5).count(1)).toThrow('count larger than its data');
    expect(() => claim(Number.MAX_SAFE_INTEGER, 2).count(1 << 20)).toThrow('count larger than its data');
  });

  it('gives views, not copies', () => {
    const buffer = Uint8Array.of(1, 2, 3);
    const view = new Reader(buffer).bytes(2);
    buffer[0] = 7;
    expect([...view]).toEqual([7, 2]);
  });
});

describe('small helpers', () => {
  it('hold any bytes as a binary string and give them back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(fromLatin1(latin1(bytes))).toEqual(bytes);
        expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
      }),
    );
  });

  it('compare bytes as their hex does', () => {
    const few = fc.uint8Array({ maxLength: 2, max: 2 });
    fc.assert(
      fc.property(few, few, (a, b) => {
        expect(equalBytes(a, b)).toBe(toHex(a) === toHex(b));
      }),
    );
  });
});
