import { type Context, contextSchema, emptyContext } from '@circlet/shared/causality/context.ts';
import { Writer } from '@circlet/shared/codec/bytes.ts';
import { siphash, sipKey } from '@circlet/shared/hash/siphash.ts';
import { fullKey } from '@circlet/shared/ring/key.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONTEXT_KEYS } from './app.case.ts';
import { ContextTokens, TOKEN_BYTES_MAX } from './context-token.ts';
import { Refused } from './problems.ts';

const keyOf = (bucket: string, key: string) => fullKey(Buffer.from(bucket), Buffer.from(key));
const KEY = keyOf('b', 'k');

const tokens = (options: Partial<ConstructorParameters<typeof ContextTokens>[0]> = {}) =>
  new ContextTokens({ clusterId: 'test', contextKeys: CONTEXT_KEYS, signWith: 'k1', ...options });

function reasonOf(accept: () => unknown): string | undefined {
  try {
    accept();
  } catch (error) {
    if (error instanceof Refused) return `${error.problem.code} ${error.problem.reason}`;
    throw error;
  }
  return undefined;
}

const CONTEXT: Context = {
  history: {
    actors: ['node-1.AAAAAAAAAAA.1', 'node-2.BBBBBBBBBBB.1'],
    ranges: [
      [1, 7],
      [2, 2, 4, 9],
    ],
  },
  writes: [
    { writeId: 'aaaaaaaaaaaaaaaa', sole: true },
    { writeId: '\x00\xff34567890123456', sole: false },
  ],
};

/** A token as only the cluster could make it, of any bytes. */
function signed(body: Uint8Array, { keyId = 'k1', version = 1 } = {}): string {
  const writer = new Writer();
  writer.u8(4);
  writer.latin1('test');
  writer.varint(KEY.length);
  writer.bytes(KEY);
  const start = writer.size;
  writer.u8(version);
  writer.u8(keyId.length);
  writer.latin1(keyId);
  writer.bytes(body);
  writer.bytes(siphash(CONTEXT_KEYS.get(keyId) ?? sipKey(new Uint8Array(16)), writer.view()));
  return Buffer.from(writer.finish().subarray(start)).toString('base64url');
}

function bytesOf(write: (writer: Writer) => void): Uint8Array {
  const writer = new Writer();
  write(writer);
  return writer.finish();
}

const manyWrites = (n: number) =>
  Array.from({ length: n }, (_, i) => ({ writeId: `${i}`.padStart(16, '0'), sole: false }));

describe('a token', () => {
  it('says what was put into it', () => {
    const token = tokens().issue(KEY, CONTEXT) ?? '';
    expect(tokens().accept(KEY, token)).toEqual(CONTEXT);
    expect(tokens().accept(KEY, tokens().issue(KEY, emptyContext) ?? '')).toEqual(emptyContext);
  });

  it('is what the comment on it says, so that coordinators of one version understand each other', () => {
    const writer = new Writer();
    contextSchema.write(writer, CONTEXT);
    expect(tokens().issue(KEY, CONTEXT)).toBe(signed(writer.finish()));
  });

  it('is refused with any one bit changed', () => {
    const token = Buffer.from(tokens().issue(KEY, CONTEXT) ?? '', 'base64url');
    for (let bit = 0; bit < token.length * 8; bit++) {
      const changed = Buffer.from(token);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(reasonOf(() => tokens().accept(KEY, changed.toString('base64url')))).toMatch(
        /^invalid_context /,
      );
    }
  });

  it('is refused with any one character changed, also where the change decodes to the same bytes', () => {
    // Lengths that leave 0, 2 and 4 spare bits in the last character.
    for (const id of ['k', 'k1', 'k12']) {
      const issuer = tokens({ contextKeys: new Map([[id, sipKey(new Uint8Array(16))]]), signWith: id });
      const token = issuer.issue(KEY, CONTEXT) ?? '';
      const accepted = Array.from(token).flatMap((own, at) =>
        Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= .')
          .filter((other) => other !== own)
          .map((other) => token.slice(0, at) + other + token.slice(at + 1))
          .filter((changed) => reasonOf(() => issuer.accept(KEY, changed)) === undefined),
      );
      expect(accepted).toEqual([]);
    }
  });

  it('is refused cut or lengthened anywhere', () => {
    const token = tokens().issue(KEY, CONTEXT) ?? '';
    for (let at = 0; at < token.length; at++) {
      expect(reasonOf(() => tokens().accept(KEY, token.slice(0, at)))).toMatch(/^invalid_context /);
    }
    for (const more of ['A', 'AA', '=', '==', ' ', '\n', `, ${token}`, token]) {
      expect(reasonOf(() => tokens().accept(KEY, token + more))).toMatch(/^invalid_context /);
    }
  });

  it('is good for its own key only', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (bucket, key) => {
        fc.pre(bucket !== 'b' || key !== 'k');
        const token = tokens().issue(keyOf('b', 'k'), CONTEXT) ?? '';
        expect(reasonOf(() => tokens().accept(keyOf(bucket, key), token))).toBe('invalid_context forged');
      }),
    );
    // The same bytes, divided otherwise between bucket and key.
    const token = tokens().issue(keyOf('ab', 'c'), CONTEXT) ?? '';
    expect(reasonOf(() => tokens().accept(keyOf('a', 'bc'), token))).toBe('invalid_context forged');
  });

  it('is good for its own cluster only, even where the secret is the same', () => {
    const token = tokens({ clusterId: 'other' }).issue(KEY, CONTEXT) ?? '';
    expect(reasonOf(() => tokens().accept(KEY, token))).toBe('invalid_context forged');
  });

  it('is refused when nobody who has the secret made it', () => {
    const stranger = tokens({ contextKeys: new Map([['k1', sipKey(new Uint8Array(16).fill(9))]]) });
    expect(reasonOf(() => tokens().accept(KEY, stranger.issue(KEY, CONTEXT) ?? ''))).toBe(
      'invalid_context forged',
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(reasonOf(() => tokens().accept(KEY, Buffer.from(bytes).toString('base64url')))).toMatch(
          /^invalid_context/,
        );
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(reasonOf(() => tokens().accept(KEY, text))).toMatch(/^invalid_context/);
      }),
    );
  });
});

describe('context keys', () => {
  it('all verify, and the marked one signs, so that a key can be rotated without a gap', () => {
    const old = tokens({ signWith: 'k1' }).issue(KEY, CONTEXT) ?? '';
    const fresh = tokens({ signWith: 'k2' }).issue(KEY, CONTEXT) ?? '';
    for (const token of [old, fresh]) {
      expect(tokens({ signWith: 'k1' }).accept(KEY, token)).toEqual(CONTEXT);
      expect(tokens({ signWith: 'k2' }).accept(KEY, token)).toEqual(CONTEXT);
    }
    const k1 = CONTEXT_KEYS.get('k1') ?? sipKey(new Uint8Array(16));
    const onlyOld = tokens({ contextKeys: new Map([['k1', k1]]) });
    expect(onlyOld.accept(KEY, old)).toEqual(CONTEXT);
    expect(reasonOf(() => onlyOld.accept(KEY, fresh))).toBe('invalid_context unknown_key');
  });

  it('must hold the one that signs', () => {
    expect(() => tokens({ signWith: 'k9' })).toThrow(RangeError);
  });
});

describe('a token that the cluster signed but would not issue', () => {
  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['a claim of 2^40 actors', bytesOf((writer) => writer.varint(2 ** 40))],
    [
      'a counter of 2^63',
      bytesOf((writer) => {
        writer.varint(1);
        writer.varint(20);
        writer.latin1('node-1.AAAAAAAAAAA.1');
        writer.varint(1);
        writer.bytes(Uint8Array.from([...Array<number>(9).fill(0x80), 0x01]));
        writer.varint(0);
        writer.varint(0);
      }),
    ],
    ['trailing bytes', bytesOf((writer) => (contextSchema.write(writer, CONTEXT), writer.u8(0)))],
  ])('%s is refused without being built', (_, bytes) => {
    expect(reasonOf(() => tokens().accept(KEY, signed(bytes)))).toBe('invalid_context malformed');
  });

  it('another version is refused', () => {
    const bytes = bytesOf((writer) => contextSchema.write(writer, CONTEXT));
    expect(reasonOf(() => tokens().accept(KEY, signed(bytes, { version: 2 })))).toBe(
      'invalid_context malformed',
    );
  });

  it('more than a header can carry is refused unread', () => {
    const actors = Array.from({ length: 10_000 }, (_, i) => `node.AAAAAAAAAAA.${i.toString(36)}`).toSorted();
    const large: Context = { history: { actors, ranges: actors.map(() => [1, 1]) }, writes: [] };
    const bytes = bytesOf((writer) => contextSchema.write(writer, large));
    expect(reasonOf(() => tokens().accept(KEY, signed(bytes)))).toBe('invalid_context malformed');
    expect(tokens().issue(KEY, large)).toBeUndefined();
  });
});

it('is issued up to a size that fits request headers, and not above', () => {
  const sizes = Array.from(
    { length: 800 },
    (_, n) => tokens().issue(KEY, { ...emptyContext, writes: manyWrites(n) })?.length,
  );
  const largest = Math.max(...sizes.map((size) => size ?? 0));
  expect(largest).toBeLessThanOrEqual((TOKEN_BYTES_MAX * 4) / 3);
  expect(largest).toBeGreaterThan((TOKEN_BYTES_MAX * 4) / 3 - 40);
  expect(sizes.at(-1)).toBeUndefined();
  const token = tokens().issue(KEY, { ...emptyContext, writes: manyWrites(500) }) ?? '';
  expect(tokens().accept(KEY, token).writes).toHaveLength(500);
});
