import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { headerFault, parseCsvRecord, rowToJson } from './csv.ts';

function fields(text: string): readonly string[] | string {
  const parsed = parseCsvRecord(Buffer.from(text));
  return parsed.kind === 'fields' ? parsed.fields : parsed.reason;
}

test.each([
  ['a,b,c', ['a', 'b', 'c']],
  ['', ['']],
  [',', ['', '']],
  ['a,', ['a', '']],
  ['"a,b",c', ['a,b', 'c']],
  ['"say ""hi""",""', ['say "hi"', '']],
  ['"a\r\nb"', ['a\r\nb']],
  ['a "b" c,d', ['a "b" c', 'd']],
  [' "x"', [' "x"']],
  ['""""', ['"']],
])('%j', (text, expected) => {
  expect(fields(text)).toEqual(expected);
});

test('text after a closing quote is refused', () => {
  expect(fields('a,"b"c')).toBe('field 2 goes on after its closing quote');
});

test('a quote that is never closed is refused', () => {
  expect(fields('a,b,"c')).toBe('field 3 has no closing quote');
});

test('bytes that are not UTF-8 are refused rather than replaced', () => {
  expect(parseCsvRecord(Buffer.from([0x61, 0xff]))).toEqual({ kind: 'malformed', reason: 'not valid UTF-8' });
});

test('a header needs a different name for each column', () => {
  expect(headerFault(['a', 'b'])).toBeUndefined();
  expect(headerFault(['a', ''])).toBe('column 2 has no name');
  expect(headerFault(['a', 'b', 'a'])).toBe('two columns are named "a"');
});

test('a row becomes a JSON object of strings, columns in the order of the file', () => {
  expect(rowToJson(['b', '1', '__proto__'], ['007', 'x"y', ''])).toBe(
    String.raw`{"b":"007","1":"x\"y","__proto__":""}`,
  );
});

test('what a row holds is what its JSON holds', () => {
  const name = fc.string({ minLength: 1 });
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(name, fc.string()), { selector: ([key]) => key, minLength: 1 }),
      (row) => {
        const parsed: Record<string, string> = JSON.parse(
          rowToJson(
            row.map(([key]) => key),
            row.map(([, value]) => value),
          ),
        );
        expect(Object.keys(parsed).length).toBe(row.length);
        for (const [key, value] of row) expect(parsed[key]).toBe(value);
      },
    ),
  );
});
