import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../assert.ts';
import { DecodeError, Reader } from '../codec/bytes.ts';
import { bitFlips, cuts, readOrRefusal } from '../codec/damage.case.ts';
import { NO_TOPOLOGY } from '../ring/topology.ts';
import { addressOf, decodeFrame, FrameBuilder, type FrameHeader, readHeader } from './frame.ts';
import { BODY_BYTES_MAX, CONTEXT_BYTES_MAX, FRAME_BYTES_MAX, FRAME_MESSAGES_MAX } from './limits.ts';
import { type Message, type MessageKind, schemaByTag, schemaOf } from './message.ts';
import { anyHeader, anyKinds, anyMessage } from './messages.case.ts';
import { PROTOCOL_VERSION } from './version.ts';

const HEADER: FrameHeader = {
  cluster: 'cluster!',
  role: 'storage',
  name: 'a',
  boot: 'AAAAAAAAAAA',
  toBoot: 'BBBBBBBBBBB',
  number: 7,
  epoch: 3,
  topology: NO_TOPOLOGY,
};

function frameOf(header: FrameHeader, ...messages: readonly Message[]): Uint8Array {
  const builder = new FrameBuilder();
  builder.begin(header);
  for (const message of messages) must(builder.add(message) || undefined, 'the frame has room');
  return builder.finish();
}

const HEAD = frameOf(HEADER);
const echo = (id: number): Message => ({ kind: 'echo', id, sentMs: 300 });
/** Tag, length, and what is said to be the message. */
const raw = (tag: number, body: readonly number[] | Uint8Array, length = body.length) =>
  Uint8Array.of(tag, length, length >>> 8, length >>> 16, length >>> 24, ...body);
const after = (...parts: readonly Uint8Array[]) =>
  Uint8Array.of(...HEAD, ...parts.flatMap((part) => [...part]));
const bodyOf = (message: Message) => frameOf(HEADER, message).subarray(HEAD.length + 5);
const kinds = Object.keys(anyKinds) as MessageKind[];
const samples = kinds.map((kind) =>
  must(fc.sample<Message>(anyKinds[kind], { numRuns: 1, seed: 42 })[0], 'one'),
);

describe('a frame', () => {
  it.each(kinds)('carries every %s there is', (kind) => {
    fc.assert(
      fc.property(anyHeader, anyKinds[kind], (header, message) => {
        const frame = decodeFrame(frameOf(header, message));
        expect(frame).toEqual({ header, messages: [message] });
      }),
      { numRuns: 150 },
    );
  });

  it('carries many messages of all kinds, in order', () => {
    fc.assert(
      fc.property(anyHeader, fc.array(anyMessage, { maxLength: 20 }), (header, messages) => {
        const bytes = frameOf(header, ...messages);
        const frame = decodeFrame(bytes);
        expect(frame).toEqual({ header, messages });
        expect(frameOf(frame.header, ...frame.messages)).toEqual(bytes);
      }),
      { numRuns: 300 },
    );
  });

  it('may be empty, and says whom to answer: that life of the sender', () => {
    expect(decodeFrame(HEAD)).toEqual({ header: HEADER, messages: [] });
    expect(addressOf(HEADER)).toEqual({ role: 'storage', name: 'a', boot: 'AAAAAAAAAAA' });
  });

  it('has its header checked before anything behind it is looked at', () => {
    const bytes = after(raw(1, [255, 255, 255]));
    expect(readHeader(new Reader(bytes))).toEqual(HEADER);
    expect(() => decodeFrame(bytes)).toThrow(DecodeError);
  });

  it.each([0, 2, 99, 255])('of version %i is none', (version) => {
    const bytes = HEAD.with(0, PROTOCOL_VERSION + version);
    if (version === 0) expect(decodeFrame(bytes)).toBeDefined();
    else expect(() => decodeFrame(bytes)).toThrow('unknown protocol version');
  });
});

describe('a frame that is cut short', () => {
  const bytes = frameOf(HEADER, ...samples);
  const ends = new Set(samples.map((_, i) => frameOf(HEADER, ...samples.slice(0, i)).length));

  it('at any byte is refused, or ends behind a message and has those before it', () => {
    for (const cut of cuts(bytes)) {
      const read = readOrRefusal(() => decodeFrame(cut));
      if (ends.has(cut.length)) {
        const { messages } = read as ReturnType<typeof decodeFrame>;
        expect(frameOf(HEADER, ...messages)).toEqual(cut);
      } else {
        expect(read).toBeInstanceOf(DecodeError);
      }
    }
  });

  it('within a message is refused for every kind, also when the length is cut with it', () => {
    for (const message of samples) {
      const body = bodyOf(message);
      const { tag } = schemaOf(message.kind);
      for (const cut of cuts(body)) {
        expect(readOrRefusal(() => decodeFrame(after(raw(tag, cut))))).toBeInstanceOf(DecodeError);
      }
    }
  });
});

describe('a frame with more in it than it should have', () => {
  it.each(samples.map((message) => [message.kind, message] as const))(
    'bytes behind a %s are refused: within its length, and behind it',
    (kind, message) => {
      const body = bodyOf(message);
      const { tag } = schemaOf(kind);
      expect(decodeFrame(after(raw(tag, body))).messages).toEqual([message]);
      for (const trailing of [[0], [1, 2, 3]]) {
        expect(() => decodeFrame(after(raw(tag, [...body, ...trailing])))).toThrow('trailing bytes');
        expect(() => decodeFrame(after(raw(tag, body), Uint8Array.from(trailing)))).toThrow(DecodeError);
      }
    },
  );

  const unknown = Array.from({ length: 256 }, (_, tag) => tag).filter(
    (tag) => schemaByTag(tag) === undefined,
  );

  it('loses messages of tags that this version does not know, and no others', () => {
    expect(unknown.length).toBe(256 - kinds.length);
    for (const tag of unknown) {
      const bytes = after(
        raw(tag, [1, 2, 3]),
        raw(8, bodyOf(echo(1))),
        raw(tag, []),
        raw(8, bodyOf(echo(2))),
      );
      expect(decodeFrame(bytes).messages).toEqual([echo(1), echo(2)]);
    }
    fc.assert(
      fc.property(fc.array(fc.tuple(anyMessage, fc.constantFrom(...unknown), fc.uint8Array())), (parts) => {
        const bytes = after(
          ...parts.flatMap(([message, tag, body]) => [
            raw(tag, body),
            raw(schemaOf(message.kind).tag, bodyOf(message)),
          ]),
        );
        expect(decodeFrame(bytes).messages).toEqual(parts.map(([message]) => message));
      }),
      { numRuns: 100 },
    );
  });

  it('has lengths larger than what is left refused, known tag or not', () => {
    for (const tag of [8, 250]) {
      for (const length of [3, 4, 1000, 0x7fffffff, 0x80000000, 0xffffffff]) {
        expect(() => decodeFrame(after(raw(tag, [1, 2], length)))).toThrow('truncated');
      }
    }
    for (const left of [1, 2, 3, 4]) {
      expect(() => decodeFrame(after(Uint8Array.of(...raw(8, []).subarray(0, left))))).toThrow(DecodeError);
    }
  });

  // Nothing may be allocated for a count before it is known that so much can be there.
  it('has counts within a message that are larger than its data refused unread', () => {
    const huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
    for (const count of [huge, [0xff, 0xff, 0xff, 0x7f], [100]]) {
      expect(() => decodeFrame(after(raw(14, count)))).toThrow('count larger than its data');
      expect(() => decodeFrame(after(raw(16, count)))).toThrow('count larger than its data');
      expect(() => decodeFrame(after(raw(13, [1, ...count])))).toThrow('count larger than its data');
    }
  });
});

describe('the size of a frame', () => {
  const merge = (bytes: number): Message => ({
    kind: 'merge',
    id: 1,
    deadlineMs: 1,
    key: Uint8Array.of(1),
    owedSlots: 0,
    sole: [],
    heals: false,
    requires: [],
    state: new Uint8Array(bytes),
  });
  const room = FRAME_BYTES_MAX - frameOf(HEADER, merge(100_000)).length + 100_000;

  it('is what the bus takes, to the byte, for writing and for reading', () => {
    const largest = frameOf(HEADER, merge(room));
    expect(largest).toHaveLength(FRAME_BYTES_MAX);
    expect(decodeFrame(largest).messages).toHaveLength(1);
    const builder = new FrameBuilder();
    builder.begin(HEADER);
    expect(() => builder.add(merge(room + 1))).toThrow('a merge message larger than a frame');
    expect(builder.isEmpty).toBe(true);
    const larger = new Uint8Array(FRAME_BYTES_MAX + 1);
    larger.set(largest);
    expect(() => decodeFrame(larger)).toThrow('frame too large');
  });

  it('is kept by a builder, which says that a message has no room and loses nothing', () => {
    const builder = new FrameBuilder();
    builder.begin(HEADER);
    expect(builder.add(echo(1))).toBe(true);
    expect(builder.add(merge(room))).toBe(false);
    expect(builder.add(echo(2))).toBe(true);
    expect(decodeFrame(builder.finish()).messages).toEqual([echo(1), echo(2)]);
  });

  it('has room for a put of the largest value with the largest context and key', () => {
    const [lead] = fc.sample(anyKinds.lead, { numRuns: 1, seed: 1 });
    const writes = Array.from({ length: Math.floor(CONTEXT_BYTES_MAX / 17) }, (_, i) => ({
      writeId: String(i).padStart(16, '#'),
      sole: false,
    }));
    const largest = {
      ...must(lead, 'a lead'),
      key: new Uint8Array(1 + 128 + 1024),
      context: { history: { actors: [], ranges: [] }, writes },
      body: new Uint8Array(BODY_BYTES_MAX),
    };
    const bytes = frameOf({ ...HEADER, name: 'x'.repeat(63), number: Number.MAX_SAFE_INTEGER }, largest);
    expect(decodeFrame(bytes).messages).toEqual([largest]);
    const more = { ...largest, body: new Uint8Array(BODY_BYTES_MAX + 1) };
    expect(() => frameOf(HEADER, more)).toThrow(RangeError);
  });

  it('is at most 4096 messages, for writing and for reading', () => {
    const builder = new FrameBuilder();
    builder.begin(HEADER);
    for (let i = 0; i < FRAME_MESSAGES_MAX; i++) expect(builder.add(echo(i))).toBe(true);
    expect(builder.add(echo(0))).toBe(false);
    const full = builder.finish();
    expect(decodeFrame(full).messages).toHaveLength(FRAME_MESSAGES_MAX);
    expect(() => decodeFrame(Uint8Array.of(...full, ...raw(8, bodyOf(echo(0)))))).toThrow(
      'too many messages',
    );
  });

  it('begins anew with each frame of a builder', () => {
    const builder = new FrameBuilder();
    for (let number = 0; number < 3; number++) {
      builder.begin({ ...HEADER, number });
      expect(builder.isEmpty).toBe(true);
      builder.add(echo(number));
      expect(decodeFrame(builder.finish())).toEqual({
        header: { ...HEADER, number },
        messages: [echo(number)],
      });
    }
  });
});

describe('a header', () => {
  it.each([
    ['a role', { role: 'observer' }],
    ['a name', { name: 'a.b' }],
    ['a name', { name: '*' }],
    ['a name', { name: '' }],
    ['a name', { name: 'x'.repeat(64) }],
    ['a boot', { boot: 'short' }],
    ['a boot', { boot: 'a.b.c.d.e.f' }],
    ['a boot', { toBoot: '>>>>>>>>>>>' }],
    ['a mark', { cluster: 'cluster' }],
  ])('with %s that is none is not written, or not read: %j', (_, wrong) => {
    const write = () => frameOf({ ...HEADER, ...wrong } as FrameHeader);
    const read = () => decodeFrame(write());
    expect(read).toThrow(/bytes where|text outside|unknown word|characters where/);
  });

  it('with any bit changed is another header, or none', () => {
    for (const bytes of bitFlips(HEAD)) {
      const read = readOrRefusal(() => decodeFrame(bytes));
      expect(read instanceof DecodeError ? undefined : read.header).not.toEqual(HEADER);
    }
  });
});

describe('bytes that are no frame', () => {
  /** A frame with some of its bytes changed, taken out or doubled. */
  const damaged = fc
    .tuple(
      fc.array(anyMessage, { maxLength: 4 }),
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
    )
    .map(([messages, changes]) => {
      let bytes = frameOf(HEADER, ...messages);
      for (const [at, byte] of changes) {
        const i = at % bytes.length;
        if (byte % 4 === 0)
          bytes = Uint8Array.of(...bytes.subarray(0, i), ...bytes.subarray(i + 1 + (byte >> 4)));
        else if (byte % 4 === 1) bytes = Uint8Array.of(...bytes.subarray(0, i), byte, ...bytes.subarray(i));
        else bytes = bytes.with(i, byte);
        if (bytes.length === 0) break;
      }
      return bytes;
    });
  const behindATag = fc
    .tuple(fc.constantFrom(...kinds), fc.uint8Array({ maxLength: 120 }), fc.boolean())
    .map(([kind, body, isWhole]) =>
      after(raw(schemaOf(kind).tag, body, isWhole ? body.length : body.length * 7)),
    );
  const inputs = fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged, behindATag);

  it('are refused with a DecodeError and nothing else; what is read is what would be written', () => {
    const seen = { read: 0, refused: 0 };
    fc.assert(
      fc.property(inputs, (bytes) => {
        const read = readOrRefusal(() => decodeFrame(bytes));
        if (read instanceof DecodeError) {
          seen.refused++;
          return;
        }
        seen.read++;
        const again = frameOf(read.header, ...read.messages);
        // One encoding for each frame: what differs was a message of an unknown tag.
        if (again.length === bytes.length) expect(again).toEqual(bytes);
        expect(decodeFrame(again)).toEqual(read);
      }),
      { numRuns: 20_000 },
    );
    expect(seen.read).toBeGreaterThan(1000);
    expect(seen.refused).toBeGreaterThan(10_000);
  });
});
