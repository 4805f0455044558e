import { must } from '@circlet/shared/assert.ts';
import { historyOf } from '@circlet/shared/causality/history.ts';
import type { KeyState, Sibling } from '@circlet/shared/causality/key-state.ts';
import { decodeState, encodeState } from '@circlet/shared/causality/state-codec.ts';
import { EVERY_STORAGE } from '@circlet/shared/machine.ts';
import type { FrameHeader } from '@circlet/shared/protocol/frame.ts';
import type { Message, MessageKind } from '@circlet/shared/protocol/message.ts';
import { NO_DIGEST, NO_STATE, type RefusalReason } from '@circlet/shared/protocol/replica.ts';
import { encodeTopology, NO_TOPOLOGY, NOBODY, Ring, type Topology } from '@circlet/shared/ring/topology.ts';
import { describe, expect, it } from 'vitest';
import type { Answer, GetRequest, WriteRequest } from './client.ts';
import {
  Coordinator,
  type CoordinatorEffect,
  type CoordinatorEvent,
  type CoordinatorTimer,
} from './coordinator.ts';
import { etagOf } from './etag.ts';
import { DIGEST_KEY, dotOf, idOf, KEY, QUORUM, sibling, stateWith, TOPOLOGY } from './scripted-desk.case.ts';

type Of<K extends MessageKind> = Extract<Message, { kind: K }>;
type Sent = Extract<CoordinatorEffect, { kind: 'send' }>;

/** A coordinator on its own: the test is the storage pods, the clock and the clients. */
class Rig {
  nowMs = 100;
  readonly coordinator: Coordinator;
  readonly sent: Sent[] = [];
  readonly answers = new Map<number, Answer>();
  readonly notices: string[] = [];
  private requests = 0;
  private timers: { readonly atMs: number; readonly timer: CoordinatorTimer }[] = [];

  constructor(options: { requestsMax?: number; bytesMax?: number } = {}) {
    this.coordinator = new Coordinator({
      cluster: 'test',
      clusterKey: DIGEST_KEY,
      requestsMax: 100,
      bytesMax: 1_000,
      siblingsMax: 10,
      ...options,
    });
    this.handle({ kind: 'start' });
  }

  /** With bus and topology, and a pulse of every pod. */
  static up(options: { requestsMax?: number; bytesMax?: number } = {}): Rig {
    const rig = new Rig(options);
    rig.handle({ kind: 'bus', up: true });
    rig.hear('a', { kind: 'topologyTold', document: encodeTopology(TOPOLOGY) });
    for (const { name } of TOPOLOGY.members) rig.pulse(name);
    rig.sent.length = 0;
    return rig;
  }

  handle(event: CoordinatorEvent): void {
    for (const effect of this.coordinator.handle(event, { monoMs: this.nowMs, wallMs: 0 })) {
      if (effect.kind === 'send') this.sent.push(effect);
      else if (effect.kind === 'respond') this.answers.set(effect.id, effect.answer);
      else if (effect.kind === 'notify') this.notices.push(effect.notice.event);
      else if (effect.kind === 'schedule') {
        this.timers.push({ atMs: this.nowMs + effect.afterMs, timer: effect.timer });
      }
    }
  }

  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const due = this.timers.filter((timer) => timer.atMs <= untilMs).toSorted((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== due);
      this.nowMs = Math.max(this.nowMs, due.atMs);
      this.handle({ kind: 'timer', timer: due.timer });
    }
    this.nowMs = untilMs;
  }

  hear(name: string, message: Message, header: Partial<FrameHeader> = {}): void {
    const ring = new Ring(TOPOLOGY, DIGEST_KEY);
    const from: FrameHeader = {
      cluster: 'whatever',
      role: 'storage',
      name,
      boot: `boot-${name}`,
      toBoot: undefined,
      number: 0,
      epoch: 1,
      topology: ring.digest,
      ...header,
    };
    this.handle({ kind: 'message', from, message });
  }

  pulse(name: string, header: Partial<FrameHeader> = {}, clockMs = 50_000): void {
    const figures = {
      keys: 0,
      bytes: 0,
      hintsHeld: [],
      oldestHintAgeMs: 0,
      members: [],
      version: '1',
      filling: { left: 0, of: 0, bytes: 0 },
    };
    const monoMs = this.nowMs + clockMs;
    const pulse = {
      id: 0,
      sentMs: this.nowMs - 2,
      monoMs,
      wallMs: 0,
      ready: true,
      writable: true,
      ...figures,
    };
    this.hear(name, { kind: 'echoed', ...pulse }, header);
  }

  request(request: Omit<GetRequest, 'id'> | Omit<WriteRequest, 'id'>): number {
    const id = 1_000 + this.requests++;
    this.handle({
      kind: 'request',
      request: request.kind === 'get' ? { ...request, id } : { ...request, id },
    });
    return id;
  }

  /** Questions of this kind sent to a node. */
  to<K extends MessageKind>(name: string, kind: K): readonly Of<K>[] {
    const isOfKind = (message: Message): message is Of<K> => message.kind === kind;
    return this.sent.flatMap(({ to, message }) => (to.name === name && isOfKind(message) ? [message] : []));
  }

  lastTo<K extends MessageKind>(name: string, kind: K): Of<K> {
    const last = this.to(name, kind).at(-1);
    if (last === undefined) throw new Error(`${name} was sent no ${kind}`);
    return last;
  }

  absent(name: string): void {
    const { id } = this.lastTo(name, 'read');
    const nothing = {
      what: 'absent',
      digest: NO_DIGEST,
      sole: 0,
      part: 0,
      parts: 1,
      state: NO_STATE,
    } as const;
    this.hear(name, { kind: 'found', id, as: 'owner', ...nothing, owedBy: [] });
  }

  led(name: string, header: Partial<FrameHeader> = {}): void {
    const { id } = this.lastTo('a', 'lead');
    const rest = { dots: [dotOf('a')], writtenAtMs: 7, part: 0, parts: 1, state: NO_STATE };
    this.hear(name, { kind: 'led', id, outcome: 'minted', ...rest }, header);
  }

  refuse(
    name: string,
    id: number,
    reason: RefusalReason,
    header: Partial<FrameHeader> = {},
    clockMs = 50_000,
  ): void {
    this.hear(name, { kind: 'refused', id, reason, monoMs: this.nowMs + clockMs }, header);
  }
}

const get: Omit<GetRequest, 'id'> = { kind: 'get', key: KEY, quorum: QUORUM, atLeast: undefined };
const put: Omit<WriteRequest, 'id'> = {
  kind: 'write',
  key: KEY,
  quorum: QUORUM,
  write: {
    writeId: idOf('X'),
    keyed: false,
    deleted: false,
    writtenAtMs: 7,
    check: 1,
    body: new Uint8Array(300),
  },
  context: undefined,
  condition: undefined,
  returnValue: false,
};
const remove = { ...put, write: { ...put.write, deleted: true, body: new Uint8Array(0) } };

describe('a coordinator that has learnt nothing yet', () => {
  it('refuses what it is asked, and asks everybody for the topology', () => {
    const rig = new Rig();
    const id = rig.request(put);
    expect(rig.answers.get(id)).toMatchObject({
      failure: { code: 'quorum_unavailable', got: 0, outcome: 'none' },
    });
    expect(rig.answers.get(rig.request(get))).toMatchObject({ failure: { outcome: undefined } });
    rig.handle({ kind: 'bus', up: true });
    expect(rig.sent).toEqual([{ kind: 'send', to: EVERY_STORAGE, message: { kind: 'topologyAsk' } }]);
    // A bus is not enough: whom to ask is in the topology alone (rule 12).
    expect(rig.answers.get(rig.request(put))).toMatchObject({ failure: { got: 0, outcome: 'none' } });
    expect(rig.sent).toHaveLength(1);
  });

  it('asks again until it is told, by a pod that belongs to its cluster', () => {
    const rig = new Rig();
    rig.handle({ kind: 'bus', up: true });
    rig.pass(1_000);
    expect(rig.sent.length).toBeGreaterThanOrEqual(5);
    rig.hear('a', { kind: 'topologyTold', document: encodeTopology({ ...TOPOLOGY, cluster: 'other' }) });
    expect(rig.coordinator.topology).toBeUndefined();
    rig.hear('a', { kind: 'topologyTold', document: Uint8Array.of(1, 2, 3) });
    expect(rig.coordinator.topology).toBeUndefined();
    expect(rig.notices).toContain('bad_state');
    rig.hear('a', { kind: 'topologyTold', document: encodeTopology(TOPOLOGY) });
    expect(rig.coordinator.topology?.topology).toEqual(TOPOLOGY);
  });

  it('refuses also when the bus is gone', () => {
    const rig = Rig.up();
    rig.handle({ kind: 'bus', up: false });
    expect(rig.answers.get(rig.request(get))).toMatchObject({ failure: { code: 'quorum_unavailable' } });
    expect(rig.sent).toEqual([]);
  });
});

describe('what a coordinator has under way', () => {
  it('is bounded in number', () => {
    const rig = Rig.up({ requestsMax: 2 });
    const ids = [1, 2, 3].map((n) => {
      const id = 2_000 + n;
      rig.handle({ kind: 'request', request: { ...get, id } });
      return id;
    });
    expect(ids.map((id) => rig.answers.get(id)?.kind)).toEqual([undefined, undefined, 'failed']);
    expect(rig.answers.get(2_003)).toMatchObject({ failure: { code: 'overloaded', outcome: undefined } });
    for (const name of ['a', 'b']) {
      for (const { id } of rig.to(name, 'read')) {
        const nothing = {
          what: 'absent',
          digest: NO_DIGEST,
          sole: 0,
          part: 0,
          parts: 1,
          state: NO_STATE,
        } as const;
        rig.hear(name, { kind: 'found', id, as: 'owner', ...nothing, owedBy: [] });
      }
    }
    expect(rig.answers.get(2_001)?.kind).toBe('read');
    rig.handle({ kind: 'request', request: { ...get, id: 2_004 } });
    expect(rig.answers.get(2_004)).toBeUndefined();
  });

  it('is bounded in bytes, which are held until the last copy is placed', () => {
    const rig = Rig.up({ bytesMax: 700 });
    for (const id of [1, 2]) rig.handle({ kind: 'request', request: { ...put, id } });
    rig.handle({ kind: 'request', request: { ...put, id: 3 } });
    expect(rig.answers.get(3)).toMatchObject({
      failure: { code: 'overloaded', outcome: 'none', retryAfterMs: 1_000 },
    });
    // Reads hold nothing.
    rig.handle({ kind: 'request', request: { ...get, id: 4 } });
    expect(rig.answers.get(4)).toBeUndefined();
    for (const { id } of rig.to('a', 'lead')) rig.refuse('a', id, 'too_many_siblings');
    rig.handle({ kind: 'request', request: { ...put, id: 5 } });
    expect(rig.answers.get(5)).toBeUndefined();
  });
});

describe('an answer', () => {
  it('counts only from the node that was asked, and only once', () => {
    const rig = Rig.up();
    const id = rig.request({ ...put, quorum: { ...QUORUM, w: 1 } });
    rig.led('b');
    expect(rig.answers.get(id)).toBeUndefined();
    rig.led('a');
    expect(rig.answers.get(id)?.kind).toBe('written');
    const before = rig.sent.length;
    rig.led('a');
    expect(rig.sent).toHaveLength(before);
  });

  it('from another coordinator, or of a kind that none should send, changes nothing', () => {
    const rig = Rig.up();
    const id = rig.request({ ...put, quorum: { ...QUORUM, w: 1 } });
    rig.led('a', { role: 'coordinator' });
    expect(rig.answers.get(id)).toBeUndefined();
    rig.hear('a', { kind: 'hintOffer', keys: 3 });
    expect(rig.notices).toContain('unexpected_message');
  });

  it('that cannot be decoded is noted and taken for no answer', () => {
    const rig = Rig.up();
    const id = rig.request({ ...get, quorum: { ...QUORUM, r: 1 } });
    const request = rig.lastTo('a', 'read');
    const broken = {
      what: 'state',
      digest: NO_DIGEST,
      sole: 0,
      part: 0,
      parts: 1,
      state: Uint8Array.of(9),
    } as const;
    rig.hear('a', { kind: 'found', id: request.id, as: 'owner', ...broken, owedBy: [] });
    expect(rig.notices).toContain('bad_state');
    rig.absent('b');
    expect(rig.answers.get(id)?.kind).toBe('read');
  });
});

describe('a refusal for a clock or a life that we had wrong (rule 15)', () => {
  it('is followed by the same request once more, with the deadline in the clock that it named', () => {
    const rig = Rig.up();
    rig.request(put);
    const first = rig.lastTo('a', 'lead');
    rig.nowMs += 3;
    rig.refuse('a', first.id, 'expired', {}, 9_000_000);
    const second = rig.lastTo('a', 'lead');
    expect(rig.to('a', 'lead')).toHaveLength(2);
    expect(second.id).toBe(first.id);
    expect(second.deadlineMs).toBeGreaterThan(9_000_000);
    expect(rig.notices).toContain('clock_jump');
  });

  it('but only once more', () => {
    const rig = Rig.up();
    rig.request(put);
    for (let i = 0; i < 2; i++) rig.refuse('a', rig.lastTo('a', 'lead').id, 'expired');
    expect(rig.to('a', 'lead')).toHaveLength(2);
    expect(rig.to('b', 'lead')).toHaveLength(1);
  });

  it('goes to the new life, by its boot', () => {
    const rig = Rig.up();
    rig.request(put);
    rig.refuse('a', rig.lastTo('a', 'lead').id, 'wrong_boot', { boot: 'boot-next' }, 7);
    const again = rig.sent.findLast(({ to, message }) => to.name === 'a' && message.kind === 'lead');
    expect(again?.to.boot).toBe('boot-next');
    expect(rig.lastTo('a', 'lead').deadlineMs).toBeLessThan(5_000 + 200);
  });

  it('is not followed by anything when the time is over', () => {
    const rig = Rig.up();
    rig.request(put);
    const { id } = rig.lastTo('a', 'lead');
    rig.pass(4_100);
    rig.refuse('a', id, 'expired');
    expect(rig.to('a', 'lead')).toHaveLength(1);
  });
});

describe('a clock that jumps', () => {
  it('is alarmed about with the next echo, whether anything was refused or not (rule 15)', () => {
    const rig = Rig.up();
    rig.pass(1_000);
    rig.pulse('a', {}, 50_900);
    expect(rig.notices).not.toContain('clock_jump');
    rig.pulse('a', {}, 40_000);
    expect(rig.notices.filter((event) => event === 'clock_jump')).toHaveLength(1);
  });
});

describe('a pod that the bus cannot find', () => {
  it('is asked nothing more until it is heard, and others stand in for it at once', () => {
    const rig = Rig.up();
    const id = rig.request({ ...put, quorum: { ...QUORUM, w: 1 } });
    rig.handle({
      kind: 'undelivered',
      to: { role: 'storage', name: 'a' },
      ids: [rig.lastTo('a', 'lead').id],
    });
    expect(rig.to('b', 'lead')).toHaveLength(1);
    rig.refuse('b', rig.lastTo('b', 'lead').id, 'too_many_siblings');
    expect(rig.answers.get(id)?.kind).toBe('failed');
    rig.request(put);
    expect(rig.to('a', 'lead')).toHaveLength(1);
    rig.pulse('a');
    rig.request(put);
    expect(rig.to('a', 'lead')).toHaveLength(2);
  });

  it('does not say so of a call to everybody', () => {
    const rig = Rig.up();
    rig.handle({ kind: 'undelivered', to: EVERY_STORAGE, ids: [] });
    expect(rig.coordinator.isAlive('a')).toBe(true);
  });
});

describe('the topology', () => {
  const next: Topology = { ...TOPOLOGY, epoch: 2, owners: [[2, 3, 4]] };

  it('of a later epoch makes operations start again with the new owners', () => {
    const rig = Rig.up();
    const id = rig.request(get);
    rig.hear('a', { kind: 'topologyTold', document: encodeTopology(next) });
    for (const name of ['c', 'd', 'e']) expect(rig.to(name, 'read').length).toBeGreaterThan(0);
    for (const name of ['d', 'e']) rig.absent(name);
    expect(rig.answers.get(id)?.kind).toBe('read');
  });

  it('that begins a move makes writes start again with the second nodes too', () => {
    const rig = Rig.up();
    const id = rig.request(put);
    rig.led('a');
    const move = {
      phase: 'filling' as const,
      since: 2,
      seconds: [[NOBODY, 3, NOBODY]],
      weights: [1, 1, 1, 1, 1],
    };
    rig.hear('a', { kind: 'topologyTold', document: encodeTopology({ ...TOPOLOGY, epoch: 2, move }) });
    const merged = (name: string) =>
      rig.hear(name, { kind: 'merged', id: rig.lastTo(name, 'merge').id }, { epoch: 2 });
    for (const name of ['a', 'b']) merged(name);
    expect(rig.answers.size).toBe(0);
    merged('d');
    expect(rig.answers.get(id)?.kind).toBe('written');
    expect(rig.to('e', 'merge')).toEqual([]);
  });

  it('that brings a member has writes wait until that is ready, for a moment', () => {
    const rig = Rig.up();
    const [first] = TOPOLOGY.members;
    const members = [...TOPOLOGY.members, { ...must(first, 'a member'), name: 'z', disk: 'f'.repeat(32) }];
    const move = { phase: 'filling' as const, since: 2, seconds: [[5, 5, 5]], weights: members.map(() => 1) };
    const seconds = [[NOBODY, NOBODY, 5]];
    const document = encodeTopology({ ...TOPOLOGY, epoch: 2, members, move: { ...move, seconds } });
    rig.hear('a', { kind: 'topologyTold', document });
    expect(rig.coordinator.awaitsMembers).toBe(true);
    rig.pulse('z', { epoch: 2 });
    expect(rig.coordinator.awaitsMembers).toBe(false);
    rig.hear('a', { kind: 'topologyTold', document: encodeTopology({ ...TOPOLOGY, epoch: 3 }) });
    rig.hear('a', {
      kind: 'topologyTold',
      document: encodeTopology({ ...TOPOLOGY, epoch: 4, members, move: { ...move, seconds } }),
    });
    expect(rig.coordinator.awaitsMembers).toBe(true);
    rig.pass(3_001);
    rig.pulse('a', { epoch: 4 });
    expect(rig.coordinator.awaitsMembers).toBe(false);
  });

  // Pods that disagree must not drive a coordinator to and fro, and one that outlived its cluster must find the new one.
  it('of the same epoch or an earlier one is not taken while anybody acts on ours, and is when nobody does', () => {
    const rig = Rig.up();
    const members = next.members.map((member, i) => ({ ...member, disk: String(i).repeat(32) }));
    const other = { ...next, epoch: 1, members };
    const from = { epoch: 1, topology: new Ring(other, DIGEST_KEY).digest };
    for (let i = 0; i < 11; i++) {
      rig.pass(1_000);
      rig.pulse('a', from);
      rig.pulse('b', i < 5 ? {} : from);
      rig.hear('a', { kind: 'topologyTold', document: encodeTopology(other) }, from);
      expect(rig.coordinator.topology?.topology).toEqual(i < 10 ? TOPOLOGY : other);
    }
    // Five seconds after B spoke for ours last.
    expect(rig.to('a', 'topologyAsk')).toHaveLength(1);
    expect(rig.notices.filter((event) => event === 'topology_replaced')).toHaveLength(1);
    rig.hear('c', { kind: 'topologyTold', document: encodeTopology(TOPOLOGY) });
    expect(rig.coordinator.topology?.topology).toEqual(other);
  });

  // Found by the simulator (seed 2136 of 83c98fb): a coordinator cut off from who had gone on went back to those who had not.
  it('of an earlier epoch of our cluster is never taken, whoever acts on it: it has disks of ours', () => {
    const rig = Rig.up();
    rig.hear('a', { kind: 'topologyTold', document: encodeTopology(next) });
    const from = { epoch: 1, topology: new Ring(TOPOLOGY, DIGEST_KEY).digest };
    for (let i = 0; i < 20; i++) {
      rig.pass(1_000);
      rig.pulse('a', from);
      rig.hear('a', { kind: 'topologyTold', document: encodeTopology(TOPOLOGY) }, from);
      expect(rig.coordinator.topology?.topology).toEqual(next);
    }
  });

  it('that nobody acts on is still ours while nobody acts on another', () => {
    const rig = Rig.up();
    rig.pass(60_000);
    rig.pulse('a', { epoch: 0, topology: NO_TOPOLOGY });
    expect(rig.coordinator.topology?.topology).toEqual(TOPOLOGY);
    expect(rig.to('a', 'topologyAsk')).toEqual([]);
  });

  it('is fetched from a pod that is ahead, and told to one that asks', () => {
    const rig = Rig.up();
    rig.pulse('b', { epoch: 2, topology: 'x'.repeat(16) });
    expect(rig.to('b', 'topologyAsk')).toHaveLength(1);
    rig.hear('b', { kind: 'topologyAsk' });
    expect(rig.lastTo('b', 'topologyTold').document).toEqual(encodeTopology(TOPOLOGY));
  });

  it('decides who is known: a pod outside it is not taken note of', () => {
    const rig = Rig.up();
    rig.pulse('stranger');
    expect(rig.coordinator.pulseOf('stranger')).toBeUndefined();
    expect(rig.coordinator.pulseOf('a')).toBeDefined();
  });
});

describe('a write that reads first', () => {
  it('is one with a condition, and a delete that does not say what it deletes', () => {
    for (const [request, reads] of [
      [put, 0],
      [{ ...put, condition: { kind: 'absent' as const } }, 1],
      [remove, 1],
      [{ ...remove, context: { history: historyOf([dotOf('a')]), writes: [] } }, 0],
    ] as const) {
      const rig = Rig.up();
      rig.request(request);
      expect(rig.to('a', 'read')).toHaveLength(reads);
      expect(rig.to('a', 'lead')).toHaveLength(1 - reads);
    }
  });

  it('that cannot be read was not written either', () => {
    const rig = Rig.up();
    for (const { name } of TOPOLOGY.members) {
      rig.handle({ kind: 'undelivered', to: { role: 'storage', name }, ids: [] });
    }
    const id = rig.request(remove);
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      for (const { id: ask } of rig.to(name, 'read')) {
        rig.handle({ kind: 'undelivered', to: { role: 'storage', name }, ids: [ask] });
      }
    }
    expect(rig.answers.get(id)).toMatchObject({ failure: { code: 'quorum_unavailable', outcome: 'none' } });
    expect(rig.to('a', 'lead')).toEqual([]);
  });

  it('and whose read took too long was not written: that is no timeout, which would leave it open', () => {
    const rig = Rig.up();
    const id = rig.request(remove);
    rig.absent('a');
    rig.pass(4_100);
    expect(rig.answers.get(id)).toMatchObject({ failure: { code: 'quorum_unavailable', outcome: 'none' } });
    expect(rig.to('a', 'lead')).toEqual([]);
  });

  it('takes the context of what it read, unless the client sent one', () => {
    const state = stateWith(sibling('Y', 'b'));
    const read = { what: 'state', digest: 'd'.repeat(16), sole: 1, part: 0, parts: 1 } as const;
    for (const context of [undefined, { history: historyOf([dotOf('c', 9)]), writes: [] }]) {
      const rig = Rig.up();
      const condition = { kind: 'matches' as const, etags: [etagOf(DIGEST_KEY, [idOf('Y')])] };
      rig.request({ ...put, context, condition, quorum: { ...QUORUM, r: 1 } });
      const { id } = rig.lastTo('a', 'read');
      rig.hear('a', { kind: 'found', id, as: 'owner', ...read, state: encodeState(state), owedBy: [] });
      expect(rig.lastTo('a', 'lead').context).toEqual(
        context ?? { history: state.history, writes: [{ writeId: idOf('Y'), sole: true }] },
      );
    }
  });
});

describe('a node that the bus does not know any more', () => {
  const lost = (rig: Rig, ids: readonly number[]) =>
    rig.handle({ kind: 'undelivered', to: { role: 'storage', name: 'a' }, ids });

  it('is not waited for by a write that was sent while it was there, nor is that write called undone', () => {
    const rig = Rig.up();
    const first = rig.request(put);
    const second = rig.request(put);
    const { id: later } = rig.lastTo('a', 'lead');
    lost(rig, [later]);
    expect(rig.to('b', 'lead')).toHaveLength(2);
    // Nobody else takes them. The second one never arrived; the first may have been done, and its answer be on its way.
    for (const { id } of rig.to('b', 'lead')) rig.refuse('b', id, 'busy');
    for (const { id } of rig.to('c', 'lead')) rig.refuse('c', id, 'busy');
    for (const name of ['d', 'e']) for (const { id } of rig.to(name, 'lead')) rig.refuse(name, id, 'busy');
    expect(rig.answers.get(second)).toMatchObject({ failure: { outcome: 'none' } });
    expect(rig.answers.get(first)).toBeUndefined();
    rig.pass(5_000);
    expect(rig.answers.get(first)).toMatchObject({ failure: { outcome: 'unknown' } });
  });

  it('is not waited for by a read that was sent while it was there', () => {
    const rig = Rig.up();
    const id = rig.request({ ...get, quorum: { ...QUORUM, r: 3 } });
    rig.absent('b');
    rig.absent('c');
    lost(rig, []);
    expect([...rig.to('d', 'read'), ...rig.to('e', 'read')].length).toBeGreaterThan(0);
    expect(rig.answers.get(id)).toBeUndefined();
  });
});

describe('a write that reads first and is sent again, because the reply to it was lost', () => {
  const keyed = { ...put, write: { ...put.write, keyed: true } };
  const absent = { ...keyed, condition: { kind: 'absent' as const } };
  const matching = { ...keyed, condition: { kind: 'matches' as const, etags: ['"what was there before"'] } };
  const removal = { ...remove, write: { ...remove.write, keyed: true } };
  const own = sibling('X', 'a', 2);
  const tombstone = { ...own, deleted: true, body: new Uint8Array(0) };
  /** The first attempt replaced what dot 1 of A was. */
  const after = (...siblings: readonly Sibling[]): KeyState => ({
    ...stateWith(...siblings),
    history: historyOf([dotOf('a'), dotOf('a', 2), ...siblings.flatMap(({ dots }) => dots)]),
  });

  function resent(request: Omit<WriteRequest, 'id'>, state: KeyState): { rig: Rig; id: number } {
    const rig = Rig.up();
    const id = rig.request({ ...request, quorum: { ...QUORUM, r: 1 } });
    const read = { what: 'state', digest: 'd'.repeat(16), sole: 0, part: 0, parts: 1, owedBy: [] } as const;
    const { id: asked } = rig.lastTo('a', 'read');
    rig.hear('a', { kind: 'found', id: asked, as: 'owner', ...read, state: encodeState(state) });
    return { rig, id };
  }

  const held = (mine: Sibling) => ({
    context: {
      history: historyOf([dotOf('a'), dotOf('a', 2)]),
      writes: [{ writeId: mine.writeId, sole: false }],
    },
  });

  it.each([
    ['If-None-Match: *', absent, own],
    ['If-Match', matching, own],
    ['a delete without context', removal, tombstone],
  ])('%s: is not led again: what was read is brought to W owners', (_, request, mine) => {
    const { rig, id } = resent(request, after(mine));
    for (const name of ['a', 'b', 'c']) {
      expect(rig.to(name, 'lead')).toEqual([]);
      expect(decodeState(rig.lastTo(name, 'merge').state)).toEqual(after(mine));
    }
    // What was read is no proof: it takes W copies, as the first attempt did (rule 22).
    rig.hear('a', { kind: 'merged', id: rig.lastTo('a', 'merge').id });
    expect(rig.answers.get(id)).toBeUndefined();
    rig.hear('b', { kind: 'merged', id: rig.lastTo('b', 'merge').id });
    expect(rig.answers.get(id)).toMatchObject({ kind: 'written', writeId: idOf('X'), ...held(mine) });
  });

  it.each([
    ['If-None-Match: *', absent, own],
    ['If-Match', matching, own],
    ['a delete without context', removal, tombstone],
  ])('%s: covers nothing that was written beside it since', (_, request, mine) => {
    const { rig, id } = resent(request, after(mine, sibling('Y', 'b')));
    for (const name of ['a', 'b']) rig.hear(name, { kind: 'merged', id: rig.lastTo(name, 'merge').id });
    expect(rig.answers.get(id)).toMatchObject({
      kind: 'written',
      context: { history: historyOf(mine.dots) },
    });
  });

  it.each([
    ['If-None-Match: *', absent],
    ['If-Match', matching],
    ['a delete without context', removal],
  ])('%s: names itself alone when it was superseded since', (_, request) => {
    const { rig, id } = resent(request, { ...after(sibling('Z', 'b')), closed: [idOf('X')] });
    for (const name of ['a', 'b']) rig.hear(name, { kind: 'merged', id: rig.lastTo(name, 'merge').id });
    expect(rig.answers.get(id)).toMatchObject({
      kind: 'written',
      context: { history: historyOf([]), superseded: idOf('X') },
    });
  });

  it('is answered with the context that the client sent, if it sent one', () => {
    const context = { history: historyOf([dotOf('c', 9)]), writes: [] };
    const { rig, id } = resent({ ...absent, context }, after(own));
    for (const name of ['a', 'b']) rig.hear(name, { kind: 'merged', id: rig.lastTo(name, 'merge').id });
    expect(rig.answers.get(id)).toMatchObject({
      context: { history: historyOf([dotOf('a', 2), dotOf('c', 9)]) },
    });
  });

  it('is never called undone when W owners cannot be reached', () => {
    const { rig, id } = resent(absent, after(own));
    rig.pass(5_000);
    expect(rig.answers.get(id)).toMatchObject({ kind: 'failed', failure: { outcome: 'unknown' } });
  });

  it('and is refused all the same when what is there is not its own', () => {
    for (const request of [absent, matching]) {
      const { rig, id } = resent(request, after(sibling('Y', 'b')));
      expect(rig.answers.get(id)).toMatchObject({ failure: { code: 'precondition_failed' } });
      expect(rig.to('a', 'lead')).toEqual([]);
    }
  });
});

describe('a condition (rule 17)', () => {
  const found = { kind: 'found', as: 'owner', what: 'state', digest: 'd'.repeat(16), sole: 0 } as const;
  const whole = { part: 0, parts: 1, owedBy: [] };
  const reading = (rig: Rig, ...siblings: readonly Sibling[]) => {
    const { id } = rig.lastTo('a', 'read');
    rig.hear('a', { ...found, ...whole, id, state: encodeState(stateWith(...siblings)) });
  };
  const quorum = { ...QUORUM, r: 1 };
  const tombstone = { ...sibling('T', 'b', 1, 0), deleted: true };

  it('is checked against the tag of all siblings, tombstones too', () => {
    for (const [ids, isMet] of [
      [[idOf('T'), idOf('Y')], true],
      [[idOf('Y')], false],
    ] as const) {
      const rig = Rig.up();
      const condition = { kind: 'matches' as const, etags: [etagOf(DIGEST_KEY, ids)] };
      const id = rig.request({ ...put, condition, quorum });
      reading(rig, sibling('Y', 'a'), tombstone);
      expect(rig.to('a', 'lead')).toHaveLength(isMet ? 1 : 0);
      if (!isMet) {
        const etag = etagOf(DIGEST_KEY, [idOf('T'), idOf('Y')]);
        expect(rig.answers.get(id)).toMatchObject({ failure: { code: 'precondition_failed', etag } });
      }
    }
  });

  it('that passed lets a delete with a context write its tombstone, though nothing is there', () => {
    const rig = Rig.up();
    const context = { history: historyOf([dotOf('c', 9)]), writes: [] };
    const id = rig.request({ ...remove, context, condition: { kind: 'absent' }, quorum });
    reading(rig, tombstone);
    expect(rig.answers.get(id)).toBeUndefined();
    expect(rig.lastTo('a', 'lead')).toMatchObject({ deleted: true, context });
  });
});

describe('returnvalue=1', () => {
  it('falls back to what is known of the write when it cannot be read back', () => {
    const rig = Rig.up();
    const id = rig.request({ ...put, returnValue: true, quorum: { ...QUORUM, w: 1 } });
    rig.led('a');
    expect(rig.answers.get(id)).toBeUndefined();
    rig.pass(4_100);
    expect(rig.answers.get(id)).toMatchObject({ kind: 'written', writeId: idOf('X') });
  });
});
