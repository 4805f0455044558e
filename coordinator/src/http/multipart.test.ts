import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMultipart } from './multipart.case.ts';
import { multipart } from './multipart.ts';
import type { Part } from './representation.ts';

const random = (byte: number) => (n: number) => new Uint8Array(n).fill(byte);

const headerText = fc.stringMatching(/^[!-~](?:[ -~]{0,20}[!-~])?$/);
const part: fc.Arbitrary<Part> = fc.record({
  etag: fc.constant('"00"'),
  deleted: fc.constant(false),
  writtenAtMs: fc.nat({ max: 4_000_000_000_000 }),
  contentType: headerText,
  meta: fc.uniqueArray(fc.tuple(fc.stringMatching(/^[a-z0-9-]{1,8}$/), headerText), {
    selector: ([name]) => name,
    maxLength: 3,
  }),
  // Values that look like the syntax around them.
  value: fc.oneof(
    fc.uint8Array(),
    fc
      .array(fc.constantFrom('\r\n', '--', 'circlet-', '\r\n\r\n', '00', 'a'))
      .map((pieces) => Buffer.from(pieces.join(''))),
  ),
});

describe('a multipart body', () => {
  it('reads back as the siblings it was made of', () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
        const { contentType, body } = multipart(parts, random(0));
        const read = readMultipart(contentType, body);
        expect(read.map((each) => each.body)).toEqual(parts.map(({ value }) => Buffer.from(value)));
        read.forEach(({ headers }, i) => {
          const wanted = parts[i];
          expect(headers['content-type']).toBe(wanted?.contentType);
          expect(headers['etag']).toBe('"00"');
          for (const [name, value] of wanted?.meta ?? []) expect(headers[`circlet-meta-${name}`]).toBe(value);
        });
      }),
      { numRuns: 500 },
    );
  });

  it('has a boundary that occurs in no part, whatever the random source says first', () => {
    const drawn = [new Uint8Array(16), new Uint8Array(16), new Uint8Array(16).fill(1)];
    const value = Buffer.from(`--circlet-${'00'.repeat(16)}\r\n`);
    const parts: Part[] = [
      { etag: '"a"', deleted: false, writtenAtMs: 0, contentType: 'a/b', meta: [], value: Buffer.from('x') },
      { etag: '"b"', deleted: false, writtenAtMs: 0, contentType: 'a/b', meta: [], value },
    ];
    const { contentType, body } = multipart(parts, () => drawn.shift() ?? new Uint8Array(16));
    expect(drawn).toEqual([]);
    expect(readMultipart(contentType, body).map((each) => each.body)).toEqual([Buffer.from('x'), value]);
  });

  it('marks a concurrent delete, which has neither type nor value', () => {
    const deletion: Part = {
      etag: '"a"',
      deleted: true,
      writtenAtMs: 0,
      contentType: '',
      meta: [],
      value: new Uint8Array(0),
    };
    const { contentType, body } = multipart([deletion], random(0));
    const [read] = readMultipart(contentType, body);
    expect(read?.headers).toEqual({
      'circlet-deleted': 'true',
      etag: '"a"',
      'last-modified': 'Thu, 01 Jan 1970 00:00:00 GMT',
    });
    expect(read?.body).toHaveLength(0);
  });
});
