import { describe, expect, it } from 'vitest';
import { DecodeError, Reader, Writer } from '../codec/bytes.ts';
import { bitFlips, cuts, readOrRefusal } from '../codec/damage.case.ts';
import type { Infer, Schema } from '../codec/schema.ts';
import {
  candidate,
  CHANGED_MAX,
  type ChangeAsk,
  changeAsk,
  type ChangeTold,
  changeTold,
  filling,
  moved,
} from './change.ts';
import { DOCUMENT_BYTES_MAX } from './epoch.ts';
import { FrameBuilder } from './frame.ts';

function written<S extends Schema<unknown>>(schema: S, value: Infer<S>): Uint8Array {
  const writer = new Writer();
  schema.write(writer, value);
  return writer.finish();
}

function read<T>(schema: Schema<T>, bytes: Uint8Array): T {
  const reader = new Reader(bytes);
  const value = schema.read(reader);
  reader.finish();
  return value;
}

/** As it comes to the other side. */
const through = <T>(schema: Schema<T>, value: T): T => read(schema, written(schema, value as never));

const CANDIDATE = { disk: 'd'.repeat(32), zone: 'zone-1', weight: 1 };
const ASK: ChangeAsk = { id: 1, verb: 'join', names: ['n'], weight: 0, commits: '\xff'.repeat(16) };
const TOLD: ChangeTold = {
  id: 1,
  status: 'planned',
  digest: '\x00'.repeat(16),
  document: Uint8Array.of(1, 2, 3),
  reason: 'n is a member already',
};
const FILLING = { left: 300, of: 2 ** 40, bytes: Number.MAX_SAFE_INTEGER };

const MESSAGES: readonly (readonly [string, Schema<unknown>, unknown])[] = [
  ['candidate', candidate, CANDIDATE],
  ['changeAsk', changeAsk, ASK],
  ['changeAsk without a document', changeAsk, { ...ASK, commits: undefined }],
  ['changeTold', changeTold, TOLD],
  ['moved', moved, { isDone: true }],
  ['filling', filling, FILLING],
];

describe.each(MESSAGES)('a %s', (_, schema, value) => {
  it('is read as it was written; cut short or with more behind it, it is refused', () => {
    const bytes = written(schema, value as never);
    expect(read(schema, bytes)).toEqual(value);
    for (const wrong of [...cuts(bytes), Uint8Array.of(...bytes, 0)])
      expect(readOrRefusal(() => read(schema, wrong))).toBeInstanceOf(DecodeError);
  });

  it('with a bit changed is refused, or another one in its only form', () => {
    for (const flipped of bitFlips(written(schema, value as never))) {
      const other = readOrRefusal(() => read(schema, flipped));
      if (other instanceof DecodeError) continue;
      expect(other).not.toEqual(value);
      expect(written(schema, other as never)).toEqual(flipped);
    }
  });
});

describe('what asks for a change', () => {
  const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`);

  it.each(['join', 'leave', 'replace', 'weight', 'cancel'] as const)('can ask to %s', (verb) => {
    expect(through(changeAsk, { ...ASK, verb })).toEqual({ ...ASK, verb });
  });

  it('of more pods than are planned at once is not written, and not read', () => {
    const most = { ...ASK, names: names(CHANGED_MAX) };
    expect(through(changeAsk, most)).toEqual(most);
    expect(() => written(changeAsk, { ...ASK, names: names(CHANGED_MAX + 1) })).toThrow(RangeError);
    const bytes = written(changeAsk, most);
    // The count lies behind the id and the verb.
    expect(bytes[2]).toBe(CHANGED_MAX);
    expect(() => read(changeAsk, bytes.with(2, CHANGED_MAX + 1))).toThrow('count larger than its data');
  });

  it.each(['', 'N', 'a.b', '-a', 'x'.repeat(64), 'é'])('of a pod called %j is refused', (name) => {
    expect(() => through(changeAsk, { ...ASK, names: [name] })).toThrow(/text outside|characters where/);
  });

  it('has words that there are, and the digest of a document or none', () => {
    const bytes = written(changeAsk, ASK);
    expect(() => read(changeAsk, bytes.with(1, 5))).toThrow('unknown word');
    expect(() => written(changeAsk, { ...ASK, commits: 'short' })).toThrow(RangeError);
  });
});

describe('what is told of a change', () => {
  it.each(['planned', 'proposed', 'chosen', 'refused'] as const)('can be that it is %s', (status) => {
    expect(through(changeTold, { ...TOLD, status })).toEqual({ ...TOLD, status });
  });

  it('has a document that is no larger than the largest, and fits a frame with it', () => {
    const largest: ChangeTold = {
      ...TOLD,
      document: new Uint8Array(DOCUMENT_BYTES_MAX),
      reason: 'x'.repeat(200),
    };
    expect(through(changeTold, largest)).toEqual(largest);
    const builder = new FrameBuilder();
    builder.begin({
      cluster: 'cluster!',
      role: 'storage',
      name: 'x'.repeat(63),
      boot: 'AAAAAAAAAAA',
      toBoot: 'BBBBBBBBBBB',
      number: 7,
      epoch: 3,
      topology: '0'.repeat(16),
    });
    expect(builder.add({ kind: 'changeTold', ...largest })).toBe(true);
    const larger = { ...largest, document: new Uint8Array(DOCUMENT_BYTES_MAX + 1) };
    expect(() => written(changeTold, larger)).toThrow(RangeError);
    const bytes = written(changeTold, largest);
    // The lowest byte of the length, which lies behind the id, the status and the digest.
    expect(() => read(changeTold, bytes.with(18, 0x81))).toThrow('count larger than its data');
  });

  it.each(['a\nb', 'a\tb', 'caf\u00e9', '\x7f', '\x00', '\x1b[2J'])(
    'has no reason that a terminal would do more with than show it: %j',
    (reason) => {
      expect(() => through(changeTold, { ...TOLD, reason })).toThrow('text outside its alphabet');
    },
  );

  it('has a reason of one line of 200 characters, or none', () => {
    for (const reason of ['', ' ', '~', 'x'.repeat(200)])
      expect(through(changeTold, { ...TOLD, reason }).reason).toBe(reason);
    expect(() => written(changeTold, { ...TOLD, reason: 'x'.repeat(201) })).toThrow(RangeError);
  });
});

describe('who wants to join', () => {
  it.each([
    ['disk', 'd'.repeat(31)],
    ['disk', 'D'.repeat(32)],
    ['disk', 'd'.repeat(33)],
    ['zone', ''],
    ['zone', 'z one'],
    ['zone', 'z'.repeat(64)],
  ])('with a %s like %j is refused', (field, value) => {
    expect(() => through(candidate, { ...CANDIDATE, [field]: value })).toThrow(
      /text outside|characters where/,
    );
  });
});

describe('a step of a move', () => {
  it('is done or not, and nothing else', () => {
    expect([0, 1].map((byte) => read(moved, Uint8Array.of(byte)).isDone)).toEqual([false, true]);
    for (const byte of [2, 255]) expect(() => read(moved, Uint8Array.of(byte))).toThrow(DecodeError);
  });
});
