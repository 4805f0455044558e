import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { CsvReader } from './csv-reader.ts';
import { type AnyRecord, InputError } from './record.ts';

function read(
  chunks: readonly Buffer[],
  options: { key: string; value?: string; recordBytesMax?: number },
): AnyRecord[] {
  const reader = new CsvReader({ value: undefined, ...options });
  return [...chunks.flatMap((chunk) => reader.push(chunk)), ...reader.end()];
}

function readText(
  text: string,
  options: { key: string; value?: string; recordBytesMax?: number },
): AnyRecord[] {
  return read([Buffer.from(text)], options);
}

test('a row is stored as a JSON object under the value of the key column', () => {
  const [record] = readText('id,name\r\n1,"Zürich, ZH"\r\n', { key: 'id' });
  expect(record).toMatchObject({
    kind: 'record',
    number: 1,
    line: 2,
    key: '1',
    contentType: 'application/json',
  });
  expect(record?.kind === 'record' && record.value.toString()).toBe('{"id":"1","name":"Zürich, ZH"}');
});

test('--value stores one column as text', () => {
  const [record] = readText('id,name\n1,Bern\n', { key: 'id', value: 'name' });
  expect(record).toMatchObject({ contentType: 'text/plain; charset=utf-8', value: Buffer.from('Bern') });
  expect(record?.source.toString()).toBe('{"id":"1","name":"Bern"}');
});

test('a row of another width, without a key or with a broken quote fails alone, with its line', () => {
  const records = readText('id,name\n1\n,x\n"a"b,x\n2,ok\n', { key: 'id' });
  expect(
    records.map((record) => [record.line, record.kind === 'malformed' ? record.reason : record.key]),
  ).toEqual([
    [2, '1 fields under 2 columns'],
    [3, 'the key is empty'],
    [4, 'field 1 goes on after its closing quote'],
    [5, '2'],
  ]);
});

test('a row that is too long fails alone', () => {
  const records = readText(`id\n${'x'.repeat(50)}\n2\n`, { key: 'id', recordBytesMax: 20 });
  expect(records.map((record) => record.kind)).toEqual(['malformed', 'record']);
  expect(records[0]).toMatchObject({ reason: 'longer than 20 bytes', line: 2 });
});

test('blank lines are no rows', () => {
  expect(readText('id\n\n1\n\r\n', { key: 'id' }).map((record) => [record.number, record.line])).toEqual([
    [1, 3],
  ]);
});

test.each([
  ['', 'it is empty'],
  ['a,b\n', 'it has no column "id", only "a", "b"'],
  ['id,id\n', 'two columns are named "id"'],
  ['"id\n', 'its first line should name the columns, but it is field 1 has no closing quote'],
])('a header such as %j ends the import', (text, message) => {
  expect(() => readText(text, { key: 'id' })).toThrow(InputError);
  expect(() => readText(text, { key: 'id' })).toThrow(message);
});

/** Any text with the characters that matter often in it. */
const field = fc
  .array(
    fc.oneof(
      fc.constantFrom('"', ',', '\n', '\r', '\r\n', ' '),
      fc.string({ unit: 'grapheme', maxLength: 3 }),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''));

const table = fc.integer({ min: 1, max: 5 }).chain((width) =>
  fc.record({
    // The key column is first; its values must be keys.
    rows: fc.array(
      fc.tuple(fc.integer({ min: 0, max: 1e6 }), fc.array(field, { minLength: width, maxLength: width })),
      { maxLength: 12 },
    ),
    names: fc.uniqueArray(
      field.filter((name) => name !== '' && name !== 'id'),
      { minLength: width, maxLength: width },
    ),
    newline: fc.constantFrom('\n', '\r\n'),
    quoteAll: fc.boolean(),
    bom: fc.boolean(),
    lastNewline: fc.boolean(),
  }),
);

function written(text: string, always: boolean): string {
  return always || /[",\r\n]/.test(text) || text.startsWith('\uFEFF')
    ? `"${text.replaceAll('"', '""')}"`
    : text;
}

test('any table comes back as it was written, wherever the chunks end', () => {
  fc.assert(
    fc.property(
      table,
      fc.array(fc.nat(), { maxLength: 10 }),
      ({ rows, names, newline, quoteAll, bom, lastNewline }, places) => {
        const all = [['id', ...names], ...rows.map(([id, values]) => [String(id), ...values])];
        const text = all.map((row) => row.map((value) => written(value, quoteAll)).join(',')).join(newline);
        const bytes = Buffer.from((bom ? '\uFEFF' : '') + text + (lastNewline ? newline : ''));
        const edges = [
          0,
          ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b),
          bytes.length,
        ];
        const chunks = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));

        const records = read(chunks, { key: 'id' });
        expect(records.map((record) => record.number)).toEqual(rows.map((_, i) => i + 1));
        const values = records.map((record) =>
          record.kind === 'record' ? Object.entries(JSON.parse(record.value.toString())) : record.reason,
        );
        const expected = rows.map(([id, row]) =>
          Object.entries(Object.fromEntries([['id', String(id)], ...names.map((name, k) => [name, row[k]])])),
        );
        expect(values).toEqual(expected);
      },
    ),
    { numRuns: 500 },
  );
});
