import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Piece, Splitter, type SplitterOptions } from './splitter.ts';

const LINES: SplitterOptions = { quotes: false, bytesMax: 1_000 };
const QUOTED: SplitterOptions = { quotes: true, bytesMax: 1_000 };

function split(chunks: readonly Buffer[], options: SplitterOptions): Piece[] {
  const splitter = new Splitter(options);
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
}

function texts(input: string, options: SplitterOptions): string[] {
  return split([Buffer.from(input)], options).map((piece) => piece.bytes.toString());
}

/** The same bytes, cut at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].toSorted((a, b) => a - b);
  const edges = [0, ...sorted, bytes.length];
  return edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
}

test('a record ends at LF or CRLF, and the last one at the end of the input', () => {
  expect(texts('a\nb\r\nc', LINES)).toEqual(['a', 'b', 'c']);
  expect(texts('a\nb\n', LINES)).toEqual(['a', 'b']);
  expect(texts('', LINES)).toEqual([]);
  expect(texts('\n\n', LINES)).toEqual(['', '']);
});

test('a line feed within quotes belongs to the record, and a doubled quote does not end them', () => {
  expect(texts('"a\nb",c\n"d ""\n"" e"\nf', QUOTED)).toEqual(['"a\nb",c', '"d ""\n"" e"', 'f']);
});

test('a quote in the middle of an unquoted field opens nothing', () => {
  expect(texts('5" pipe,x\nnext', QUOTED)).toEqual(['5" pipe,x', 'next']);
});

test('records know the line they begin on', () => {
  const pieces = split([Buffer.from('a\n"b\nb\nb"\nc\n')], QUOTED);
  expect(pieces.map((piece) => piece.line)).toEqual([1, 2, 5]);
});

test('a byte order mark is left out, also when it comes in pieces, and only at the very start', () => {
  const bytes = Buffer.from('\uFEFFa\n\uFEFFb\n');
  for (const places of [[], [1], [2], [1, 2], [3]]) {
    expect(split(cut(bytes, places), LINES).map((piece) => piece.bytes.toString())).toEqual(['a', '\uFEFFb']);
  }
  expect(split([Buffer.from([0xef, 0xbb]), Buffer.from('x')], LINES)[0]?.bytes).toEqual(
    Buffer.from([0xef, 0xbb, 0x78]),
  );
  expect(split([Buffer.from([0xef])], LINES)[0]?.bytes).toEqual(Buffer.from([0xef]));
});

test('a record that is too long is cut, marked, and does not disturb the next', () => {
  const pieces = split([Buffer.from(`${'x'.repeat(30)}\nshort\n`)], { quotes: false, bytesMax: 10 });
  expect(pieces.map(({ line, tooLong, bytes }) => [line, tooLong, bytes.toString()])).toEqual([
    [1, true, 'x'.repeat(10)],
    [2, false, 'short'],
  ]);
});

test('a record of exactly the most bytes is not too long', () => {
  expect(split([Buffer.from('0123456789\n')], { quotes: false, bytesMax: 10 })[0]?.tooLong).toBe(false);
});

test('memory stays bounded while a line without end goes by', () => {
  const splitter = new Splitter({ quotes: false, bytesMax: 100 });
  for (let i = 0; i < 1_000; i++) expect(splitter.push(Buffer.alloc(1_000, 'x'))).toEqual([]);
  expect(splitter.end().map((piece) => [piece.bytes.length, piece.tooLong])).toEqual([[100, true]]);
});

test('input that ends inside quotes says so', () => {
  expect(split([Buffer.from('a\n"b')], QUOTED).map((piece) => piece.open)).toEqual([false, true]);
});

test('chunks may end anywhere', () => {
  // Few kinds of bytes, so that quotes, commas, CR and LF meet each other and the edges of chunks all the time.
  const input = fc
    .array(fc.constantFrom('a', '"', ',', '\n', '\r', '\r\n', 'é', '\uFEFF'), { maxLength: 40 })
    .map((parts) => Buffer.from(parts.join('')));
  fc.assert(
    fc.property(
      input,
      fc.array(fc.nat(200), { maxLength: 8 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 12 }),
      (bytes, places, quotes, bytesMax) => {
        const options = { quotes, bytesMax };
        expect(split(cut(bytes, places), options)).toEqual(split([bytes], options));
      },
    ),
    { numRuns: 2_000 },
  );
});
