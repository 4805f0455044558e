import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError, Reader, Writer } from './bytes.ts';
import { cuts, readOrRefusal } from './damage.case.ts';
import {
  ascii,
  bool,
  bytes,
  id,
  type Infer,
  list,
  optional,
  type Schema,
  signed,
  struct,
  u8,
  u32,
  varint,
  word,
} from './schema.ts';

function encode<T>(schema: Schema<T>, value: T): Uint8Array {
  const writer = new Writer(1);
  schema.write(writer, value);
  return writer.finish();
}

function decode<T>(schema: Schema<T>, encoded: Uint8Array): T {
  const reader = new Reader(encoded);
  const value = schema.read(reader);
  reader.finish();
  return value;
}

/** One of everything, nested. */
const everything = struct({
  u8,
  u32,
  varint,
  signed,
  bool,
  id: id(4),
  color: word('red', 'green'),
  bytes: bytes(50),
  name: ascii(8, /^[a-z]*$/),
  maybe: optional(varint),
  list: list(struct({ id: id(2), tags: list(ascii(3, /^[a-z]+$/), 4) }), 5),
});

const letters = (min: number, max: number) => fc.stringMatching(new RegExp(`^[a-z]{${min},${max}}$`));
const binary = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((b) => String.fromCharCode(...b));

const anything: fc.Arbitrary<Infer<typeof everything>> = fc.record({
  u8: fc.nat({ max: 255 }),
  u32: fc.nat({ max: 2 ** 32 - 1 }),
  varint: fc.maxSafeNat(),
  signed: fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 }),
  bool: fc.boolean(),
  id: binary(4),
  color: fc.constantFrom('red' as const, 'green' as const),
  bytes: fc.uint8Array({ maxLength: 50 }),
  name: letters(0, 8),
  maybe: fc.option(fc.maxSafeNat(), { nil: undefined }),
  list: fc.array(fc.record({ id: binary(2), tags: fc.array(letters(1, 3), { maxLength: 4 }) }), {
    maxLength: 5,
  }),
});

describe('every schema', () => {
  it('reads what it wrote', () => {
    fc.assert(
      fc.property(anything, (value) => {
        expect(decode(everything, encode(everything, value))).toEqual(value);
      }),
    );
  });

  it('throws a DecodeError wherever the bytes are cut', () => {
    fc.assert(
      fc.property(anything, (value) => {
        for (const cut of cuts(encode(everything, value))) {
          expect(() => decode(everything, cut)).toThrow(DecodeError);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('refuses one byte too many', () => {
    fc.assert(
      fc.property(anything, fc.nat({ max: 255 }), (value, extra) => {
        const encoded = Uint8Array.from([...encode(everything, value), extra]);
        expect(() => decode(everything, encoded)).toThrow('trailing bytes');
      }),
      { numRuns: 50 },
    );
  });

  it('reads any bytes either as a value with exactly that encoding or not at all', () => {
    // Bytes with one changed, too: they get further than noise does.
    const nearly = fc.tuple(anything, fc.nat(), fc.nat({ max: 255 })).map(([value, at, byte]) => {
      const encoded = encode(everything, value);
      encoded[at % encoded.length] = byte;
      return encoded;
    });
    fc.assert(
      fc.property(fc.oneof(nearly, fc.uint8Array({ maxLength: 80 })), (input) => {
        const value = readOrRefusal(() => decode(everything, input));
        if (value instanceof DecodeError) return;
        expect(encode(everything, value)).toEqual(input);
      }),
      { numRuns: 2000 },
    );
  });
});

/** A claim, and five bytes to make it good. */
const claim = (...head: number[]) => Uint8Array.from([...head, 1, 2, 3, 4, 5]);

describe('a claimed length', () => {
  const TWO_TO_32 = [0x80, 0x80, 0x80, 0x80, 0x10];

  it('of 2^32 items in 10 bytes is refused before an item is read', () => {
    let reads = 0;
    const counted: Schema<number> = { ...u8, read: (reader) => (reads++, reader.u8()) };
    expect(() => decode(list(counted, 2 ** 40), claim(...TWO_TO_32))).toThrow('count larger than its data');
    expect(reads).toBe(0);
  });

  it('of 2^32 items is refused even where an item may be empty', () => {
    expect(() => decode(list(struct({}), 2 ** 40), claim(...TWO_TO_32))).toThrow(
      'count larger than its data',
    );
  });

  it('of 2^32 bytes in 10 is refused', () => {
    expect(() => decode(bytes(2 ** 40), claim(...TWO_TO_32))).toThrow('count larger than its data');
    expect(() => decode(ascii(2 ** 40, /./), claim(...TWO_TO_32))).toThrow('count larger than its data');
  });

  it('above the maximum is refused although the bytes are there', () => {
    expect(decode(bytes(5), claim(5))).toHaveLength(5);
    expect(() => decode(bytes(4), claim(5))).toThrow(DecodeError);
    expect(() => decode(list(u8, 4), claim(5))).toThrow(DecodeError);
    expect(() => decode(ascii(4, /./), claim(5))).toThrow(DecodeError);
  });
});

describe('what is not a value', () => {
  it.each<[string, Schema<unknown>, number[], string]>([
    ['a bool of 2', bool, [2], 'bool'],
    ['an optional of 2', optional(u8), [2, 0], 'bool'],
    ['a word that was never listed', word('red', 'green'), [2], 'unknown word'],
    ['text outside its alphabet', ascii(4, /^[a-z]+$/), [1, 65], 'text outside its alphabet'],
    ['text that is not ASCII', ascii(4, /^[a-z]+$/), [2, 0xc3, 0xa9], 'text outside its alphabet'],
    [
      'text with a line end where $ might match',
      ascii(4, /^[a-z]+$/),
      [2, 97, 10],
      'text outside its alphabet',
    ],
  ])('%s is refused', (_, schema, input, reason) => {
    expect(() => decode(schema, Uint8Array.from(input))).toThrow(reason);
  });

  it.each<[string, () => unknown]>([
    ['bytes over their maximum', () => encode(bytes(2), new Uint8Array(3))],
    ['text over its maximum', () => encode(ascii(2, /./), 'abc')],
    ['an id of another length', () => encode(id(2), 'abc')],
    ['a list over its maximum', () => encode(list(u8, 2), [1, 2, 3])],
  ])('%s is not written', (_, write) => {
    expect(write).toThrow(RangeError);
  });
});

describe('a layout', () => {
  it('names every field, type and maximum', () => {
    expect(everything.layout).toBe(
      '{u8:u8,u32:u32,varint:varint,signed:signed,bool:bool,id:id4,color:word(red|green),bytes:bytes<=50,' +
        'name:ascii<=8^[a-z]*$,maybe:optional(varint),list:list<=5({id:id2,tags:list<=4(ascii<=3^[a-z]+$)})}',
    );
  });
});
