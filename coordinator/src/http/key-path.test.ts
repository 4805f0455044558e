import { splitKey } from '@circlet/shared/ring/key.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyInPath, keyOfText } from './key-path.ts';
import { Refused } from './problems.ts';

const PREFIX = '/v1/kv/';

function parsed(path: string): { bucket: string; key: string } {
  const { bucket, key } = splitKey(keyInPath(PREFIX + path, PREFIX));
  return { bucket: Buffer.from(bucket).toString(), key: Buffer.from(key).toString() };
}

function reasonOf(read: () => unknown): string | undefined {
  try {
    read();
  } catch (error) {
    if (error instanceof Refused) return `${error.problem.code} ${error.problem.reason}`;
    throw error;
  }
  return undefined;
}

const escaped = (bytes: Uint8Array) =>
  [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

/** Text that is a bucket or key: no NUL, no dot segment, within its limit. */
const name = (maxBytes: number) =>
  fc
    .string({ unit: 'binary', minLength: 1, maxLength: 60 })
    .filter(
      (text) => !text.includes('\0') && text !== '.' && text !== '..' && Buffer.byteLength(text) <= maxBytes,
    );

describe('a key in a path', () => {
  it('comes through byte for byte, however its bytes are escaped', () => {
    fc.assert(
      fc.property(name(128), name(1024), fc.boolean(), (bucket, key, everyByte) => {
        const encode = everyByte ? (text: string) => escaped(Buffer.from(text)) : encodeURIComponent;
        expect(parsed(`${encode(bucket)}/${encode(key)}`)).toEqual({ bucket, key });
      }),
      { numRuns: 1_000 },
    );
  });

  it('is the same key as the one that a batch names in JSON', () => {
    fc.assert(
      fc.property(name(128), name(1024), (bucket, key) => {
        const path = `${PREFIX}${encodeURIComponent(bucket)}/${encodeURIComponent(key)}`;
        expect(keyInPath(path, PREFIX)).toEqual(new Uint8Array(keyOfText(bucket, key)));
      }),
    );
  });

  it('may hold a slash, an emoji, and either spelling of an accented letter', () => {
    expect(parsed('b/a%2Fb').key).toBe('a/b');
    expect(parsed('b/%F0%9F%98%80').key).toBe('😀');
    const nfc = parsed('b/%C3%A9').key;
    const nfd = parsed('b/e%CC%81').key;
    expect(nfc.normalize()).toBe(nfd.normalize());
    expect(nfc).not.toBe(nfd);
  });

  it('keeps a plus sign, an escaped percent sign and lower-case escapes as they are', () => {
    expect(parsed('b/a+b%2b').key).toBe('a+b+');
    expect(parsed('b/%25ff').key).toBe('%ff');
    expect(parsed('b/%6b%6B').key).toBe('kk');
  });

  it('may be as long as its limit and no longer, counted in bytes', () => {
    const longest = '%C3%A9'.repeat(512);
    expect(Buffer.byteLength(parsed(`${'b'.repeat(128)}/${longest}`).key)).toBe(1024);
    expect(reasonOf(() => parsed(`b/${longest}x`))).toBe('invalid_key too_long');
    expect(reasonOf(() => parsed(`${'b'.repeat(129)}/k`))).toBe('invalid_key too_long');
  });

  it.each([
    ['b/', 'empty'],
    ['/k', 'empty'],
    ['b', 'missing'],
    ['', 'missing'],
    ['b/.', 'dot_segment'],
    ['b/..', 'dot_segment'],
    ['b/%2e', 'dot_segment'],
    ['b/%2E.', 'dot_segment'],
    ['../k', 'dot_segment'],
    ['b/a/c', 'slash'],
    ['b/a/', 'slash'],
    ['b/%00', 'nul'],
    ['b/a%00b', 'nul'],
    ['%00/k', 'nul'],
    ['b/%ff', 'not_utf8'],
    ['b/%C3', 'not_utf8'],
    ['b/%C0%AF', 'not_utf8'],
    ['b/%ED%A0%80', 'not_utf8'],
    ['%ff/k', 'not_utf8'],
    ['b/%', 'bad_escape'],
    ['b/%4', 'bad_escape'],
    ['b/%zz', 'bad_escape'],
    ['b%2/k', 'bad_escape'],
    ['b/a#c', 'bad_escape'],
    ['b/é', 'bad_escape'],
  ])('%s is refused: %s', (path, reason) => {
    expect(reasonOf(() => parsed(path))).toBe(`invalid_key ${reason}`);
  });

  it('names an existing key only where every byte of it is right', () => {
    // 0xff alone must not alias the text "%ff", as it does in a decoder that leaves bad escapes alone.
    expect(parsed('b/%25ff').key).toBe('%ff');
    expect(reasonOf(() => parsed('b/%ff'))).toBeDefined();
  });
});

describe('a key in JSON', () => {
  it.each([
    ['', 'k', 'empty'],
    ['b', '', 'empty'],
    ['b', '.', 'dot_segment'],
    ['b', '..', 'dot_segment'],
    ['b', 'a\0', 'nul'],
    ['b', '\ud800', 'not_utf8'],
    ['b', 'k'.repeat(1025), 'too_long'],
    ['é'.repeat(65), 'k', 'too_long'],
  ])('%j / %j is refused: %s', (bucket, key, reason) => {
    expect(reasonOf(() => keyOfText(bucket, key))).toBe(`invalid_key ${reason}`);
  });
});
