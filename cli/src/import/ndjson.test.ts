import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { NdjsonReader } from './ndjson.ts';
import type { AnyRecord } from './record.ts';

interface Options {
  readonly key: string;
  readonly value?: string;
  readonly recordBytesMax?: number;
}

function read(chunks: readonly Buffer[], options: Options): AnyRecord[] {
  const reader = new NdjsonReader({ value: undefined, ...options });
  return [...chunks.flatMap((chunk) => reader.push(chunk)), ...reader.end()];
}

function one(text: string, options: Options): string {
  const [record] = read([Buffer.from(text)], options);
  if (record?.kind !== 'record') return `malformed: ${record?.reason}`;
  return `${record.key} = ${record.value.toString()} (${record.contentType})`;
}

test('a line is stored byte for byte, under the value of its key field', () => {
  expect(one('{"id":"a",  "n": 1.0}\r\n', { key: 'id' })).toBe(
    'a = {"id":"a",  "n": 1.0} (application/json)',
  );
});

test('a JSON pointer reaches into the record, and a plain name never does', () => {
  const line = '{"a":{"b/c":["x","y"]},"/a":"plain"}';
  expect(one(line, { key: '/a/b~1c/1' })).toMatch(/^y = /);
  expect(one(line, { key: '//a' })).toMatch(/^malformed/);
  expect(one(line, { key: '/~1a' })).toMatch(/^plain = /);
  expect(one('{"a.b":"dots"}', { key: 'a.b' })).toMatch(/^dots = /);
});

test('a number is a key as the file spells it, where a double would change it', () => {
  expect(one('{"id":42}', { key: 'id' })).toMatch(/^42 = /);
  expect(one('{"id":12345678901234567891}', { key: 'id' })).toMatch(/^12345678901234567891 = /);
  expect(one('{"id":0.10}', { key: 'id' })).toMatch(/^0.10 = /);
});

test.each(['{"id":null}', '{"id":true}', '{"id":{}}', '{}', '[]', '7', '{"x":{"id":"a"}}'])(
  '%s has no key',
  (line) => {
    expect(one(line, { key: 'id' })).toBe(
      'malformed: field "id" is missing, or is neither a string nor a number',
    );
  },
);

test('a field that the language gives every object is no field', () => {
  expect(one('{}', { key: 'constructor' })).toMatch(/^malformed/);
  expect(one('{"__proto__":"p"}', { key: '__proto__' })).toMatch(/^p = /);
});

test.each([
  ['{"id":""}', 'the key is empty'],
  ['{"id":".."}', 'the key is "..", which a path cannot carry'],
  [String.raw`{"id":"\ud800"}`, 'the key is not valid Unicode'],
  [String.raw`{"id":"a\u0000"}`, 'the key contains a NUL'],
  [`{"id":"${'é'.repeat(513)}"}`, 'the key is 1026 bytes long, and 1024 is the most'],
])('%s cannot be stored', (line, reason) => {
  expect(one(line, { key: 'id' })).toBe(`malformed: ${reason}`);
});

test('--value stores a field: text as text, anything else as JSON with its numbers as spelled', () => {
  expect(one('{"id":"a","v":"Grüezi"}', { key: 'id', value: 'v' })).toBe(
    'a = Grüezi (text/plain; charset=utf-8)',
  );
  expect(one('{"id":"a","v":{"n":[1.50,12345678901234567891]}}', { key: 'id', value: 'v' })).toBe(
    'a = {"n":[1.50,12345678901234567891]} (application/json)',
  );
  expect(one('{"id":"a","v":null}', { key: 'id', value: 'v' })).toBe('a = null (application/json)');
  expect(one('{"id":"a"}', { key: 'id', value: 'v' })).toBe('malformed: field "v" is missing');
});

test('what is wrong with a line names no second place: the line of the file is told already', () => {
  const reason = one('{"id":"a" "b"}', { key: 'id' });
  expect(reason).toMatch(/^malformed: not valid JSON: /);
  expect(reason).not.toMatch(/line \d/);
});

test('bad lines fail alone, with their line number; blank ones are skipped', () => {
  const text = '{"id":"a"}\n\n{"id":\n  \n{"id":"b"}\n';
  const records = read([Buffer.from(text), Buffer.from([0xff, 0x0a])], { key: 'id' });
  expect(records.map((record) => [record.number, record.line, record.kind])).toEqual([
    [1, 1, 'record'],
    [2, 3, 'malformed'],
    [3, 5, 'record'],
    [4, 6, 'malformed'],
  ]);
  expect(records[1]).toMatchObject({ reason: expect.stringMatching(/^not valid JSON: /) });
  expect(records[3]).toMatchObject({ reason: 'not valid UTF-8' });
});

test('a line that is too long fails alone, and only its beginning is kept', () => {
  const text = `{"id":"a"}\n{"id":"${'x'.repeat(500)}"}\n{"id":"c"}\n`;
  const records = read([Buffer.from(text)], { key: 'id', recordBytesMax: 100 });
  expect(records.map((record) => record.kind)).toEqual(['record', 'malformed', 'record']);
  expect(records[1]).toMatchObject({ line: 2, reason: 'longer than 100 bytes' });
  expect(records[1]?.source.length).toBe(100);
});

test('any records come back as they were written, wherever the chunks end', () => {
  const record = fc.record({
    id: fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }),
    data: fc.jsonValue(),
  });
  fc.assert(
    fc.property(
      fc.array(record),
      fc.array(fc.nat(), { maxLength: 10 }),
      fc.constantFrom('\n', '\r\n'),
      (all, places, newline) => {
        const good = all.filter(({ id }) => id !== '.' && id !== '..' && !id.includes('\0'));
        const bytes = Buffer.from(good.map((each) => JSON.stringify(each)).join(newline));
        const edges = [
          0,
          ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b),
          bytes.length,
        ];
        const chunks = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
        const records = read(chunks, { key: 'id' });
        expect(
          records.map((each) =>
            each.kind === 'record' ? [each.line, each.key, each.value.toString()] : each.reason,
          ),
        ).toEqual(good.map((each, i) => [i + 1, each.id, JSON.stringify(each)]));
      },
    ),
    { numRuns: 300 },
  );
});
