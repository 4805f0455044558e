import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FRAME_BYTES_MAX } from '../protocol/limits.ts';
import type { Message } from '../protocol/message.ts';
import { bootOf, type Effect, echo, frameOf, MARK, merge, PEER, Rig, read, toP } from './rig.case.ts';

const say = (event: string): Effect => ({ kind: 'notify', notice: { level: 'info', event } });
const sendTo = (name: string, message: Message): Effect => ({
  kind: 'send',
  to: { role: 'coordinator', name },
  message,
});
const later = (afterMs: number, timer: string): Effect => ({ kind: 'schedule', afterMs, timer });

describe('a turn', () => {
  it('begins, handles all that has arrived, commits, and only then acts', () => {
    const rig = new Rig().started();
    rig.script = (event) =>
      event.kind === 'message'
        ? [sendTo('p', echo(9)), say('noted'), { kind: 'respond', id: 4, answer: 'yes' }]
        : [];
    rig.arrive(echo(1));
    rig.host.deliver({ kind: 'asked', id: 7 });
    expect(rig.log).toEqual([]);
    rig.settle();
    expect(rig.log).toEqual([
      'begin',
      'handle echo',
      'handle asked 7',
      'commit',
      'notice noted',
      'respond 4 yes',
      'send echo to circlet.test.reply.p',
    ]);
  });

  it('comes first with the start, then with whether the bus is up', () => {
    const rig = new Rig();
    rig.bus.connected(true);
    rig.settle();
    expect(rig.log).toEqual(['begin', 'handle start', 'handle bus up', 'commit']);
  });

  it('takes 512 events at most; the rest have turns of their own, in order', () => {
    const rig = new Rig().started();
    for (let id = 0; id < 1200; id++) rig.host.deliver({ kind: 'asked', id });
    rig.settle();
    expect(rig.log.filter((line) => line === 'commit')).toHaveLength(3);
    const asked = rig.log.filter((line) => line.startsWith('handle'));
    expect(asked).toEqual(Array.from({ length: 1200 }, (_, id) => `handle asked ${id}`));
  });

  it('gives all its events one time', () => {
    const rig = new Rig().started();
    const times: number[] = [];
    rig.script = (_, __, now) => {
      times.push(now.monoMs);
      rig.nowMs += 5;
      return [];
    };
    rig.arrive(echo(1), echo(2));
    rig.settle();
    expect(times).toEqual([1000, 1000]);
  });

  it('sends the epoch that the machine last said, from that effect on', () => {
    const rig = new Rig().started();
    rig.script = () => [
      sendTo('p', echo(1)),
      { kind: 'epoch', epoch: 3, topology: 'x'.repeat(16) },
      sendTo('p', echo(2)),
    ];
    rig.arrive(echo(0));
    rig.settle();
    expect(rig.frames.map(({ header, messages }) => [header.epoch, messages.length])).toEqual([
      [0, 1],
      [3, 1],
    ]);
  });
});

const failing = (rig: Rig, times: number) => {
  let left = times;
  rig.commits = () => {
    if (left-- > 0) throw new Error('disk is full');
  };
};

describe('a commit that fails', () => {
  it('performs no effect, undoes the turn, and starts another machine with another boot', () => {
    const rig = new Rig().started();
    rig.script = (event) =>
      event.kind === 'message' ? [sendTo('p', echo(9)), say('noted'), later(5, 't')] : [];
    failing(rig, 1);
    rig.arrive(echo(1));
    rig.settle();
    rig.pass(100);
    expect(rig.log).toEqual([
      'begin',
      'handle echo',
      'notice machine_discarded',
      'rollback',
      'discarded',
      'begin',
      'handle start',
      'commit',
    ]);
    expect([rig.host.boot, rig.lives]).toEqual([bootOf(1), [bootOf(0), bootOf(1)]]);
    rig.script = () => [sendTo('p', echo(1))];
    rig.arrive(echo(1));
    rig.settle();
    expect(rig.frames[0]?.header.boot).toBe(bootOf(1));
  });

  it('drops what else was queued and every timer of the machine that is gone', () => {
    const rig = new Rig().started();
    rig.script = () => [later(50, 'old')];
    rig.host.deliver({ kind: 'asked', id: 0 });
    rig.settle();
    rig.script = () => [];
    failing(rig, 1);
    for (let id = 1; id < 600; id++) rig.host.deliver({ kind: 'asked', id });
    rig.settle();
    rig.pass(200);
    expect(rig.log.filter((line) => line.startsWith('handle asked'))).toHaveLength(513);
    expect(rig.log).not.toContain('handle timer old');
  });

  // The transport says "connected" once. A machine that is not told never gets ready again.
  it('tells the next machine that the bus is up, if it is', () => {
    const rig = new Rig();
    rig.bus.connected(true);
    rig.started();
    failing(rig, 1);
    rig.host.deliver({ kind: 'asked', id: 1 });
    rig.settle();
    expect(rig.log.slice(-4)).toEqual(['begin', 'handle start', 'handle bus up', 'commit']);
    rig.bus.connected(false);
    rig.settle();
    rig.forget();
    failing(rig, 1);
    rig.host.deliver({ kind: 'asked', id: 2 });
    rig.settle();
    expect(rig.log.slice(-3)).toEqual(['begin', 'handle start', 'commit']);
  });

  it('ends the process when the store cannot be trusted: nothing more is handled or sent', () => {
    const rig = new Rig().started();
    rig.isFatal = () => true;
    failing(rig, 1);
    rig.script = () => [sendTo('p', echo(1))];
    rig.arrive(echo(1));
    rig.settle();
    expect(rig.log).toEqual([
      'begin',
      'handle echo',
      'notice machine_discarded',
      'fatal Error: disk is full',
    ]);
    rig.arrive(echo(2));
    rig.host.deliver({ kind: 'asked', id: 1 });
    rig.settle();
    rig.host.stop();
    expect(rig.log.at(-1)).toBe('fatal Error: disk is full');
    expect([rig.frames, rig.lives]).toEqual([[], [bootOf(0)]]);
  });

  it('ends the process when a new machine fails again and again: a store that cannot be started from', () => {
    const rig = new Rig();
    failing(rig, Number.POSITIVE_INFINITY);
    rig.settle();
    expect(rig.log.filter((line) => line === 'handle start')).toHaveLength(11);
    expect(rig.log.at(-1)).toBe('fatal Error: disk is full');
  });

  it('is forgiven after a turn that worked', () => {
    const rig = new Rig().started();
    for (let i = 0; i < 30; i++) {
      failing(rig, 1);
      rig.host.deliver({ kind: 'asked', id: i });
      rig.settle();
    }
    expect(rig.log.filter((line) => line.startsWith('fatal'))).toEqual([]);
  });
});

describe('a machine that throws', () => {
  it('before it changed anything loses that event only: the others of the turn are handled and committed', () => {
    const rig = new Rig().started();
    rig.script = (event) => {
      if (event.kind === 'message' && event.message.kind === 'read') throw new Error('poison');
      return [say('fine')];
    };
    rig.arrive(echo(1), read(5), echo(2));
    rig.settle();
    expect(rig.log).toEqual([
      'begin',
      'handle echo',
      'handle read',
      'notice event_dropped',
      'dropped message',
      'handle echo',
      'commit',
      'notice fine',
      'notice fine',
      'send refused to circlet.test.reply.p',
    ]);
    expect(rig.frames[0]?.messages).toEqual([{ kind: 'refused', id: 5, reason: 'internal', monoMs: 1000 }]);
    expect(rig.frames[0]?.header.toBoot).toBe(PEER.boot);
    expect(rig.lives).toEqual([bootOf(0)]);
  });

  it('on something that is no request answers nobody', () => {
    const rig = new Rig().started();
    rig.script = () => {
      throw new Error('poison');
    };
    rig.arrive(echo(1));
    rig.host.deliver({ kind: 'asked', id: 3 });
    rig.settle();
    expect(rig.frames).toEqual([]);
    expect(rig.log.filter((line) => line.startsWith('dropped'))).toEqual([
      'dropped message',
      'dropped asked',
    ]);
  });

  it('after it changed something is discarded with the whole turn', () => {
    const rig = new Rig().started();
    rig.script = (event, machine) => {
      if (event.kind !== 'asked') return [say('fine')];
      machine.mutations++;
      throw new Error('half done');
    };
    rig.arrive(echo(1));
    rig.host.deliver({ kind: 'asked', id: 3 });
    rig.settle();
    expect(rig.log.slice(0, 6)).toEqual([
      'begin',
      'handle echo',
      'handle asked 3',
      'notice machine_discarded',
      'rollback',
      'discarded',
    ]);
    expect(rig.log).not.toContain('dropped asked');
    expect(rig.lives).toHaveLength(2);
  });

  it('a fatal error is discarded whether or not it says that it changed anything', () => {
    const rig = new Rig().started();
    rig.isFatal = () => true;
    rig.script = () => {
      throw new Error('disk I/O error');
    };
    rig.arrive(read(1));
    rig.settle();
    expect(rig.log.at(-1)).toBe('fatal Error: disk I/O error');
    expect(rig.frames).toEqual([]);
  });
});

const huge = (id: number): Message => ({ ...merge(id), sole: ['too short'] });

describe('a message that no frame can carry', () => {
  it('costs only itself: the other effects of the turn are performed, and a coordinator is told', () => {
    const rig = new Rig().started();
    rig.script = () => [sendTo('p', echo(1)), sendTo('p', huge(2)), sendTo('p', echo(3)), say('fine')];
    rig.arrive(echo(0));
    rig.settle();
    expect(rig.frames.flatMap(({ messages }) => messages)).toEqual([
      echo(1),
      { kind: 'refused', id: 2, reason: 'internal', monoMs: 1000 },
      echo(3),
    ]);
    expect(rig.events()).toEqual(['message_unsendable', 'fine']);
  });

  it('also when it is larger than a frame', () => {
    const rig = new Rig().started();
    rig.script = () => [
      sendTo('p', merge(2, FRAME_BYTES_MAX - 20)),
      sendTo('p', merge(3, 2_000_000)),
      sendTo('p', echo(1)),
    ];
    rig.arrive(echo(0));
    rig.settle();
    expect(rig.frames.flatMap(({ messages }) => messages.map(({ kind }) => kind))).toEqual([
      'refused',
      'refused',
      'echo',
    ]);
  });
});

describe('an inbox that is full', () => {
  it('sheds requests with busy at once, without touching machine or store, and still takes answers and gossip', () => {
    const rig = new Rig().started();
    for (let id = 0; id < 8192; id++) rig.host.deliver({ kind: 'asked', id });
    rig.arrive(read(1), merge(2), echo(3));
    expect(rig.frames.flatMap(({ messages }) => messages)).toEqual([
      { kind: 'refused', id: 1, reason: 'busy', monoMs: 1000 },
      { kind: 'refused', id: 2, reason: 'busy', monoMs: 1000 },
    ]);
    expect(rig.frames[0]?.header.toBoot).toBe(PEER.boot);
    rig.forget();
    rig.settle();
    expect(rig.log.filter((line) => line.startsWith('handle')).slice(-1)).toEqual(['handle echo']);
    rig.arrive(read(4));
    rig.settle();
    expect(rig.log.at(-2)).toBe('handle read');
  });

  it('has a limit for everything else too', () => {
    const rig = new Rig().started();
    for (let i = 0; i < 5; i++) rig.arrive(...Array.from({ length: 4096 }, (_, id) => echo(id)));
    rig.settle();
    expect(rig.log.filter((line) => line === 'handle echo')).toHaveLength(16_384);
    expect(rig.events()).toContain('bad_frame');
  });

  it('is full by bytes as well as by number', () => {
    const rig = new Rig().started();
    for (let id = 0; id < 70; id++) rig.arrive(merge(id, 1_000_000));
    const shed = rig.frames.flatMap(({ messages }) => messages);
    expect(shed.length).toBeGreaterThan(0);
    expect(shed.length).toBeLessThan(6);
  });

  // Under load there is always something left in the inbox. Bytes of what was handled long ago must not count for ever.
  it('forgets the bytes of what was handled, also when it never runs empty', () => {
    const rig = new Rig().started();
    for (let i = 0; i < 100; i++) {
      for (let k = 0; k < 520; k++) rig.host.deliver({ kind: 'asked', id: k });
      rig.arrive(merge(i, 900_000));
      rig.defer();
    }
    expect(rig.frames).toEqual([]);
  });
});

describe('undelivered', () => {
  it('of a life that is over says nothing of what this one sent', () => {
    const rig = new Rig().started();
    const seen: unknown[] = [];
    rig.script = (event, machine) => {
      if (event.kind === 'undelivered') seen.push(event);
      if (event.kind !== 'asked') return [];
      if (event.id === 2) {
        machine.mutations++;
        throw new Error('half done');
      }
      return [{ kind: 'send', to: toP, message: echo(event.id) }];
    };
    for (const id of [1, 2, 3]) {
      rig.host.deliver({ kind: 'asked', id });
      rig.settle();
    }
    expect(rig.lives).toHaveLength(2);
    rig.bus.undelivered(rig.frames[0]?.token ?? -1);
    rig.settle();
    expect(seen).toEqual([]);
  });

  it('brings back whom the frame was for, and the requests in it', () => {
    const rig = new Rig().started();
    const seen: unknown[] = [];
    rig.script = (event) => {
      if (event.kind === 'undelivered') seen.push(event);
      return event.kind === 'message'
        ? [sendTo('p', read(11)), sendTo('p', merge(12)), sendTo('q', read(13))]
        : [];
    };
    rig.arrive(echo(0));
    rig.settle();
    rig.bus.undelivered(rig.frames[0]?.token ?? -1);
    rig.bus.undelivered(99_999);
    rig.settle();
    expect(seen).toEqual([{ kind: 'undelivered', to: toP, ids: [11, 12] }]);
  });
});

describe('timers', () => {
  it('come back when they are due, in the order of their times, and once', () => {
    const rig = new Rig().started();
    rig.script = (event) =>
      event.kind === 'asked' ? [later(30, 'c'), later(10, 'a'), later(20, 'b'), later(10, 'A')] : [];
    rig.host.deliver({ kind: 'asked', id: 0 });
    rig.settle();
    rig.pass(9);
    expect(rig.log.filter((line) => line.includes('timer'))).toEqual([]);
    rig.pass(1);
    expect(rig.log.filter((line) => line.includes('timer'))).toEqual(['handle timer a', 'handle timer A']);
    rig.pass(1000);
    expect(rig.log.filter((line) => line.includes('timer')).slice(2)).toEqual([
      'handle timer b',
      'handle timer c',
    ]);
  });

  it('may set others, sooner or later than those that wait', () => {
    const rig = new Rig().started();
    rig.script = (event) => {
      if (event.kind === 'asked') return [later(100, 'slow')];
      return event.kind === 'timer' && event.timer !== 'end'
        ? [later(event.timer === 'slow' ? 1 : 500, event.timer === 'slow' ? 'quick' : 'end')]
        : [];
    };
    rig.host.deliver({ kind: 'asked', id: 0 });
    rig.settle();
    rig.pass(50);
    rig.script = (event) => (event.kind === 'message' ? [later(5, 'sooner')] : []);
    rig.arrive(echo(1));
    rig.settle();
    rig.pass(2000);
    expect(rig.log.filter((line) => line.includes('timer'))).toEqual([
      'handle timer sooner',
      'handle timer slow',
    ]);
  });

  it('are handled in the turn that finds them due, though the alarm is late', () => {
    const rig = new Rig().started();
    rig.script = (event) => (event.kind === 'asked' ? [later(10, 't')] : []);
    rig.host.deliver({ kind: 'asked', id: 0 });
    rig.settle();
    rig.nowMs += 50;
    rig.arrive(echo(1));
    rig.settle();
    expect(rig.log.slice(-4)).toEqual(['begin', 'handle echo', 'handle timer t', 'commit']);
  });

  it('of a machine that replaced another work although an old alarm is set', () => {
    const rig = new Rig().started();
    rig.script = () => [later(1000, 'old')];
    rig.host.deliver({ kind: 'asked', id: 0 });
    rig.settle();
    rig.script = (event) => (event.kind === 'start' ? [later(5, 'soon'), later(5000, 'late')] : []);
    rig.commits = () => {
      rig.commits = () => undefined;
      throw new Error('x');
    };
    rig.host.deliver({ kind: 'asked', id: 1 });
    rig.settle();
    rig.pass(10_000);
    expect(rig.log.filter((line) => line.includes('timer'))).toEqual([
      'handle timer soon',
      'handle timer late',
    ]);
  });
});

describe('stop', () => {
  it('finishes what is queued, sends the answers, and takes nothing after', () => {
    const rig = new Rig().started();
    rig.script = () => [sendTo('p', echo(1)), later(5, 't')];
    for (let id = 0; id < 1000; id++) rig.host.deliver({ kind: 'asked', id });
    rig.host.stop();
    expect(rig.log.filter((line) => line.startsWith('handle asked'))).toHaveLength(1000);
    // The last event says that it was the last.
    expect(rig.log.filter((line) => line.startsWith('handle')).at(-1)).toBe('handle stop');
    expect(rig.frames.flatMap(({ messages }) => messages)).toHaveLength(1001);
    rig.forget();
    rig.arrive(read(1));
    rig.bus.connected(false);
    rig.host.deliver({ kind: 'asked', id: 1 });
    rig.settle();
    rig.pass(100);
    expect(rig.log).toEqual([]);
  });

  it('ends with the first fatal error: what comes behind it is not handled on a store that failed', () => {
    const rig = new Rig().started();
    rig.isFatal = () => true;
    rig.commits = () => {
      rig.commits = () => undefined;
      throw new Error('disk I/O error');
    };
    rig.script = () => [sendTo('p', echo(1))];
    for (let id = 0; id < 1500; id++) rig.host.deliver({ kind: 'asked', id });
    rig.host.stop();
    expect(rig.log.filter((line) => line === 'begin')).toHaveLength(1);
    expect(rig.frames).toEqual([]);
  });
});

describe('frames that are not for us, or none', () => {
  const good = frameOf(PEER, read(1), echo(2));

  it.each([
    [
      'of another cluster',
      frameOf({ ...PEER, cluster: 'another!' }, read(1)),
      { reason: 'wrong_cluster', role: 'coordinator', name: 'p' },
    ],
    ['of another version', Uint8Array.of(99, ...good.subarray(1)), { reason: 'unknown protocol version' }],
    ['empty', new Uint8Array(0), { reason: 'truncated' }],
    ['cut short', good.subarray(0, good.length - 1), { reason: 'truncated' }],
    ['with bytes behind the end', Uint8Array.of(...good, 7), { reason: 'truncated' }],
    ['larger than any frame', new Uint8Array(2_000_000), { reason: 'frame too large' }],
  ])('%s are counted, and nothing of them is used', (_, bytes, fields) => {
    const rig = new Rig().started();
    rig.bus.frame(bytes);
    rig.settle();
    expect(rig.notices).toEqual([{ level: 'warn', event: 'bad_frame', fields }]);
    expect(rig.log).toEqual(['notice bad_frame']);
    // Even if its header could be read: that number is used up, the next is not.
    rig.bus.frame(frameOf({ ...PEER, number: 1 }, read(1), echo(2)));
    rig.settle();
    expect(rig.log).toContain('handle read');
  });

  it('with counters above 2^53, or lengths beyond the frame, are refused unread', () => {
    const rig = new Rig().started();
    const evil = [
      [8, 9, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
      [7, 3, 0, 0, 0, 1, 200, 1],
      [14, 5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f],
      [8, 0xff, 0xff, 0xff, 0xff],
    ];
    evil.forEach((body, number) => rig.bus.frame(Uint8Array.of(...frameOf({ ...PEER, number }), ...body)));
    rig.settle();
    expect(rig.events()).toEqual(['bad_frame', 'bad_frame', 'bad_frame', 'bad_frame']);
  });

  it('with messages that this version does not know lose those only', () => {
    const rig = new Rig().started();
    const head = frameOf(PEER);
    rig.bus.frame(
      Uint8Array.of(...head, 250, 2, 0, 0, 0, 1, 2, ...frameOf(PEER, echo(5)).subarray(head.length)),
    );
    rig.settle();
    expect(rig.log).toEqual(['begin', 'handle echo', 'commit']);
  });

  it('never make it throw, whatever bytes they are', () => {
    const damaged = fc
      .tuple(fc.nat(), fc.nat({ max: 255 }), fc.nat())
      .map(([at, byte, cut]) =>
        good.with(at % good.length, byte).subarray(0, cut % 3 === 0 ? cut % good.length : undefined),
      );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), { maxLength: 20 }),
        (frames) => {
          const rig = new Rig().started();
          for (const bytes of frames) rig.bus.frame(bytes);
          rig.settle();
          rig.forget();
          // From somebody whose numbers no damage has touched.
          rig.bus.frame(frameOf({ ...PEER, boot: 'ANOTHERPEER' }, read(1), echo(2)));
          rig.settle();
          expect(rig.log).toEqual(['begin', 'handle read', 'handle echo', 'commit']);
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe('a frame to an earlier life', () => {
  const stale = frameOf({ ...PEER, role: 'storage', toBoot: 'earlierlife' }, echo(1));

  it('of a coordinator is moot: whoever asked is gone', () => {
    const rig = new Rig({}, 'coordinator').started();
    rig.bus.frame(stale);
    rig.settle();
    expect(rig.log).toEqual([]);
    rig.bus.frame(frameOf({ ...PEER, role: 'storage', toBoot: bootOf(0), number: 1 }, echo(1)));
    rig.bus.frame(frameOf({ ...PEER, role: 'storage', toBoot: undefined, number: 2 }, echo(1)));
    rig.settle();
    expect(rig.log.filter((line) => line === 'handle echo')).toHaveLength(2);
  });

  it('of a storage pod is for the machine to refuse: the sender must learn the new boot', () => {
    const rig = new Rig().started();
    rig.bus.frame(stale);
    rig.settle();
    expect(rig.log).toContain('handle echo');
  });
});

describe('a frame that comes twice (rule 14)', () => {
  const handled = (rig: Rig) => rig.log.filter((line) => line.startsWith('handle'));
  const frame = frameOf(PEER, read(1), merge(2));

  it('is handled once, and the copy is answered with nothing', () => {
    const rig = new Rig().started();
    rig.script = () => [sendTo('p', echo(9))];
    for (let i = 0; i < 3; i++) rig.bus.frame(frame);
    rig.settle();
    rig.bus.frame(frame.slice());
    rig.settle();
    expect(handled(rig)).toEqual(['handle read', 'handle merge']);
    expect(rig.frames).toHaveLength(1);
    expect(rig.notices).toEqual([]);
  });

  it.each([1, 1000, 65_535, 65_536, 200_000])('also when %i others came between', (others) => {
    const rig = new Rig().started();
    rig.bus.frame(frame);
    const other = frameOf({ ...PEER, number: others });
    for (let number = 1; number < others; number += 50) rig.bus.frame(frameOf({ ...PEER, number }));
    rig.bus.frame(other);
    rig.settle();
    rig.bus.frame(frame);
    rig.settle();
    expect(handled(rig)).toEqual(['handle read', 'handle merge']);
  });

  it('also when the first was shed with busy: its client may have been told that nothing was done', () => {
    const rig = new Rig().started();
    for (let id = 0; id < 8192; id++) rig.host.deliver({ kind: 'asked', id });
    rig.bus.frame(frame);
    rig.settle();
    expect(rig.frames.flatMap(({ messages }) => messages)).toMatchObject([
      { reason: 'busy', id: 1 },
      { reason: 'busy', id: 2 },
    ]);
    rig.forget();
    rig.bus.frame(frame);
    rig.settle();
    expect(rig.log).toEqual([]);
  });

  it('also when the machine refused the first', () => {
    const rig = new Rig().started();
    rig.script = (event) =>
      event.kind === 'message' && event.message.kind === 'merge'
        ? [sendTo('p', { kind: 'refused', id: 2, reason: 'not_ready', monoMs: 0 })]
        : [];
    rig.bus.frame(frame);
    rig.settle();
    rig.script = () => [sendTo('p', echo(9))];
    rig.bus.frame(frame);
    rig.settle();
    expect(rig.frames.flatMap(({ messages }) => messages)).toMatchObject([{ reason: 'not_ready' }]);
  });

  it('also when the machine threw on the first, and when it was discarded with it', () => {
    const rig = new Rig().started();
    rig.script = (_, machine) => {
      machine.mutations += rig.lives.length - 1;
      throw new Error('poison');
    };
    rig.bus.frame(frame);
    rig.settle();
    expect(rig.frames.flatMap(({ messages }) => messages)).toMatchObject([
      { reason: 'internal', id: 1 },
      { reason: 'internal', id: 2 },
    ]);
    rig.script = (event) => {
      if (event.kind !== 'message') return [];
      throw new Error('poison');
    };
    failing(rig, 1);
    const second = frameOf({ ...PEER, number: 1 }, merge(3));
    rig.bus.frame(second);
    rig.settle();
    expect(rig.lives).toHaveLength(2);
    rig.script = () => [sendTo('p', echo(9))];
    rig.forget();
    rig.bus.frame(frame);
    rig.bus.frame(second);
    rig.settle();
    expect(rig.log).toEqual([]);
  });

  it('also when nothing of the first could be read: it is counted once', () => {
    const rig = new Rig().started();
    for (let i = 0; i < 3; i++) rig.bus.frame(frame.subarray(0, -1));
    expect(rig.events()).toEqual(['bad_frame']);
  });

  // Another process knows no numbers. The request was for the life before, and it is for the machine to say so.
  it('the second time to another life is refused as wrong_boot: it reaches the machine, which sees whom it was for', () => {
    const first = new Rig().started();
    first.bus.frame(frame);
    first.settle();
    const second = new Rig({
      identity: { cluster: 'test', clusterMark: MARK, role: 'storage', name: 'n', boot: 'boot-later0' },
    }).started();
    second.script = (event) => {
      if (event.kind !== 'message') return [];
      const isMine = event.from.toBoot === second.host.boot;
      return isMine ? [] : [sendTo('p', { kind: 'refused', id: 1, reason: 'wrong_boot', monoMs: 0 })];
    };
    second.bus.frame(frame);
    second.settle();
    expect(second.frames.flatMap(({ messages }) => messages)).toMatchObject([
      { reason: 'wrong_boot' },
      { reason: 'wrong_boot' },
    ]);
  });

  it('is no copy when another sender, or another life of this one, gave it the same number', () => {
    const rig = new Rig().started();
    for (let number = 0; number < 100; number++) {
      for (const [name, boot] of [
        ['p', 'PEERPEERPEE'],
        ['p', 'PEERSNEXTLI'],
        ['q', 'QUEERPEERQQ'],
      ] as const)
        rig.bus.frame(frameOf({ ...PEER, name, boot, number }, echo(number)));
    }
    rig.settle();
    expect(handled(rig)).toHaveLength(300);
  });

  it('is no copy when a pod of another cluster used the number: it cannot use up ours', () => {
    const rig = new Rig().started();
    rig.bus.frame(frameOf({ ...PEER, cluster: 'another!' }, read(1)));
    rig.bus.frame(frameOf({ ...PEER, cluster: 'another!', number: 99_999_999 }, read(1)));
    rig.bus.frame(frame);
    rig.settle();
    expect(handled(rig)).toEqual(['handle read', 'handle merge']);
  });

  it('among others that are out of order, of which all are handled', () => {
    const order = fc.uniqueArray(fc.nat({ max: 60_000 }), { minLength: 1, maxLength: 200, size: 'max' });
    fc.assert(
      fc.property(order, fc.infiniteStream(fc.nat()), (numbers, picks) => {
        const rig = new Rig().started();
        const repeats = numbers.flatMap((number, i) => {
          const again = numbers[Number(picks.next().value) % (i + 1)] ?? number;
          return [number, again];
        });
        for (const number of repeats) rig.bus.frame(frameOf({ ...PEER, number }, echo(number)));
        rig.settle();
        expect(handled(rig)).toHaveLength(numbers.length);
      }),
      { numRuns: 50 },
    );
  });

  it('is one number for each frame that a host sends: what one sends, another takes, over many turns and lives', () => {
    const rig = new Rig().started();
    const numbers = new Set<string>();
    rig.script = (event) =>
      event.kind === 'asked' ? [sendTo('p', echo(event.id)), sendTo('q', echo(event.id))] : [];
    for (let id = 0; id < 300; id++) {
      if (id % 50 === 49) failing(rig, 1);
      rig.host.deliver({ kind: 'asked', id });
      rig.settle();
    }
    for (const { header } of rig.frames) numbers.add(`${header.boot} ${header.number}`);
    expect(rig.lives).toHaveLength(7);
    expect(rig.frames.length).toBe(2 * (300 - 6));
    expect(numbers.size).toBe(rig.frames.length);
  });
});
