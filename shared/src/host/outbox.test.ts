import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFrame } from '../protocol/frame.ts';
import { FRAME_BYTES_MAX, FRAME_MESSAGES_MAX } from '../protocol/limits.ts';
import { NO_TOPOLOGY } from '../ring/topology.ts';
import { Outbox } from './outbox.ts';
import { echo, MARK, merge, type SentFrame, toP } from './rig.case.ts';

function outbox(role: 'storage' | 'coordinator' = 'storage'): {
  readonly box: Outbox;
  readonly frames: SentFrame[];
} {
  const frames: SentFrame[] = [];
  const box = new Outbox(
    { cluster: 'test', clusterMark: MARK, role, name: 'n', boot: 'boot-000000' },
    {
      payloadBytesMax: 1024 * 1024,
      listen: () => undefined,
      send: (subject, bytes, token) =>
        frames.push({ subject, ...decodeFrame(bytes), bytes: bytes.length, token }),
    },
  );
  return { box, frames };
}

const ids = (frame: SentFrame | undefined) =>
  frame?.messages.map((message) => ('id' in message ? message.id : undefined));

describe('an outbox', () => {
  it('puts all messages to one pod into one frame, in order, and sends nothing before it is flushed', () => {
    const { box, frames } = outbox();
    box.add(toP, echo(1));
    box.add({ role: 'storage', name: 'b' }, echo(2));
    box.add(toP, echo(3));
    expect(frames).toEqual([]);
    box.flush();
    expect(frames.map(ids)).toEqual([[1, 3], [2]]);
    box.flush();
    expect(frames).toHaveLength(2);
  });

  it('keeps apart what is for two lives of a pod, and says in the header which is meant', () => {
    const { box, frames } = outbox();
    box.add({ ...toP, boot: 'AAAAAAAAAAA' }, echo(1));
    box.add({ ...toP, boot: 'BBBBBBBBBBB' }, echo(2));
    box.add(toP, echo(3));
    box.flush();
    expect(frames.map(({ header }) => header.toBoot)).toEqual(['AAAAAAAAAAA', 'BBBBBBBBBBB', undefined]);
  });

  it('says who sends, and in which epoch: none at first, then what it was told when the frame was begun', () => {
    const { box, frames } = outbox();
    box.add(toP, echo(1));
    box.at(4, 'x'.repeat(16));
    box.add(toP, echo(2));
    box.at(4, 'x'.repeat(16));
    box.add(toP, echo(3));
    box.flush();
    expect(frames.map(ids)).toEqual([[1], [2, 3]]);
    const sender = { cluster: MARK, role: 'storage', name: 'n', boot: 'boot-000000', toBoot: undefined };
    expect(frames.map(({ header }) => header)).toEqual([
      { ...sender, number: 0, epoch: 0, topology: NO_TOPOLOGY },
      { ...sender, number: 1, epoch: 4, topology: 'x'.repeat(16) },
    ]);
  });

  it('sends to subjects that are made of names and nothing else', () => {
    const { box, frames } = outbox();
    box.add(toP, echo(1));
    box.add({ role: 'storage', name: 'b' }, echo(1));
    box.add({ role: 'storage', name: '*' }, echo(1));
    box.flush();
    const asCoordinator = outbox('coordinator');
    asCoordinator.box.add({ role: 'storage', name: 'b' }, echo(1));
    asCoordinator.box.flush();
    expect([...frames, ...asCoordinator.frames].map(({ subject }) => subject)).toEqual([
      'circlet.test.reply.p',
      'circlet.test.peer.b',
      'circlet.test.discover',
      'circlet.test.request.b',
    ]);
  });

  it('drops what was not sent when it is told to, and works on', () => {
    const { box, frames } = outbox();
    box.add(toP, echo(1));
    box.discard();
    box.flush();
    expect(frames).toEqual([]);
    box.add(toP, echo(2));
    box.flush();
    expect(frames.map(ids)).toEqual([[2]]);
  });
});

describe('a frame that is full', () => {
  it('goes at once, and the next message begins another', () => {
    const { box, frames } = outbox();
    for (let id = 0; id < 5; id++) box.add(toP, merge(id, 400_000));
    expect(frames.map(ids)).toEqual([
      [0, 1],
      [2, 3],
    ]);
    box.flush();
    expect(frames.map(ids)).toEqual([[0, 1], [2, 3], [4]]);
  });

  it('is never larger than a payload, holds no more messages than a receiver takes, and loses none', () => {
    const sizes = fc.array(fc.oneof(fc.nat({ max: 100 }), fc.nat({ max: 600_000 }), fc.constant(1_031_000)), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(sizes, (bytes) => {
        const { box, frames } = outbox();
        bytes.forEach((size, id) => box.add(toP, merge(id, size)));
        box.flush();
        for (const frame of frames) expect(frame.bytes).toBeLessThanOrEqual(FRAME_BYTES_MAX);
        expect(frames.flatMap((frame) => ids(frame) ?? [])).toEqual(bytes.map((_, id) => id));
      }),
      { numRuns: 60 },
    );
  });

  it('is full at 4096 messages too', () => {
    const { box, frames } = outbox();
    for (let id = 0; id < FRAME_MESSAGES_MAX + 1; id++) box.add(toP, echo(id));
    box.flush();
    expect(frames.map(({ messages }) => messages.length)).toEqual([FRAME_MESSAGES_MAX, 1]);
  });

  it('takes nothing of a message that cannot be written, and keeps what it had', () => {
    const { box, frames } = outbox();
    box.add(toP, echo(1));
    expect(() => box.add(toP, { ...merge(2), sole: ['too short'] })).toThrow(RangeError);
    expect(() => box.add(toP, merge(3, FRAME_BYTES_MAX - 20))).toThrow(RangeError);
    box.add(toP, echo(4));
    box.flush();
    expect(frames.flatMap((frame) => ids(frame) ?? [])).toEqual([1, 4]);
  });
});

describe('a frame that found nobody', () => {
  it('is known by its number: to whom it went, and which requests were in it', () => {
    const { box, frames } = outbox('coordinator');
    const b = { role: 'storage' as const, name: 'b', boot: 'BBBBBBBBBBB' };
    for (const id of [7, 8]) box.add(b, merge(id, 600_000));
    box.add(toP, echo(9));
    box.flush();
    const found = frames.map(({ token }) => box.sent(token));
    expect(found.map((sent) => sent?.ids)).toEqual([[7], [8], [9]]);
    expect(found[0]?.to).toEqual(b);
  });

  it('is known by the number that its header bears, which no other frame of this life has', () => {
    const step = fc.oneof(
      fc.record({
        to: fc.constantFrom('p', 'q', 'r'),
        boot: fc.constantFrom(undefined, 'AAAAAAAAAAA'),
        bytes: fc.oneof(fc.constant(0), fc.constant(600_000), fc.constant(FRAME_BYTES_MAX)),
      }),
      fc.constantFrom('flush', 'discard', 'epoch'),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
        const { box, frames } = outbox();
        steps.forEach((each, id) => {
          if (each === 'flush') box.flush();
          else if (each === 'discard') box.discard();
          else if (each === 'epoch') box.at(id, 'x'.repeat(16));
          else {
            const add = () =>
              box.add({ role: 'coordinator', name: each.to, boot: each.boot }, merge(id, each.bytes));
            if (each.bytes === FRAME_BYTES_MAX) expect(add).toThrow(RangeError);
            else add();
          }
        });
        box.flush();
        expect(new Set(frames.map(({ header }) => header.number)).size).toBe(frames.length);
        for (const frame of frames) {
          expect(frame.token).toBe(frame.header.number);
          expect(box.sent(frame.token)?.ids).toEqual(ids(frame));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is forgotten when 4096 others have gone since, and never taken for one of them', () => {
    const { box, frames } = outbox();
    const one = () => {
      box.add(toP, echo(frames.length));
      box.flush();
    };
    for (let i = 0; i < 4096; i++) one();
    expect(box.sent(0)?.ids).toEqual([0]);
    one();
    expect(box.sent(0)).toBeUndefined();
    expect(box.sent(4096)?.ids).toEqual([4096]);
    for (const number of [-1, 5000, Number.NaN, 0.5]) expect(box.sent(number)).toBeUndefined();
  });
});
