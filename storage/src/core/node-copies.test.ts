import { contextOf } from '@circlet/shared/causality/context.ts';
import { Host } from '@circlet/shared/host/host.ts';
import type { TransportListener } from '@circlet/shared/host/ports.ts';
import { TimerQueue } from '@circlet/shared/host/timer-queue.ts';
import { must } from '@circlet/shared/assert.ts';
import { decodeFrame, FrameBuilder, type FrameHeader } from '@circlet/shared/protocol/frame.ts';
import { TIMEOUT_MS_MAX } from '@circlet/shared/protocol/limits.ts';
import type { Message, MessageOf } from '@circlet/shared/protocol/message.ts';
import type { Topology } from '@circlet/shared/ring/topology.ts';
import { describe, expect, it } from 'vitest';
import type { StorageEvent, StorageTimer } from './effects.ts';
import { locate } from './hint-ledger.ts';
import { StorageNode } from './node.ts';
import { type Copy, copyOf, DIGEST_KEY, leadOf, writes } from './one-key.case.ts';
import { CLUSTER, ring, storeWith } from './pods.case.ts';
import { FIVE, KEY, OTHER, refusals } from './requests.case.ts';
import { topologyOf } from './ring.case.ts';
import { decodeRow, stateOf } from './row.ts';
import type { Store } from './store.ts';

const MARK = 'cluster!';
const ALONE = topologyOf(['a']);

/** A storage machine in its host, as a process has it: frames in, frames out, and time that a test lets pass. */
class HostedPod {
  readonly host: Host<StorageEvent, StorageTimer, never>;
  readonly store: Store;
  nowMs = 0;
  private readonly topology: Topology;
  private listener: TransportListener | undefined;
  private readonly due = new TimerQueue<() => void>();
  private answers: Message[] = [];
  private numbers = 0;

  constructor(name: string, boot: string, topology: Topology, store = storeWith(name, topology)) {
    this.topology = topology;
    this.store = store;
    this.host = new Host<StorageEvent, StorageTimer, never>({
      identity: { cluster: CLUSTER, clusterMark: MARK, role: 'storage', name, boot },
      build: (life) =>
        new StorageNode({
          name,
          boot: life,
          cluster: CLUSTER,
          clusterKey: DIGEST_KEY,
          store,
          seed: 7,
          founding: undefined,
          hintKeysMax: 1,
          joins: { zone: 'default', weight: 1 },
          repair: undefined,
          version: '1',
        }),
      transport: {
        payloadBytesMax: 1024 * 1024,
        listen: (listener) => {
          this.listener = listener;
        },
        send: (subject, bytes) => {
          if (subject.endsWith(`peer.${name}`)) this.due.push(this.nowMs, () => this.receive(bytes));
          else if (subject.endsWith('reply.p')) this.answers.push(...decodeFrame(bytes).messages);
        },
      },
      clock: { now: () => ({ monoMs: this.nowMs, wallMs: 1_700_000_000_000 + this.nowMs }) },
      scheduler: {
        defer: (run) => this.due.push(this.nowMs, run),
        alarm: (ms, run) => this.due.push(this.nowMs + ms, run),
      },
      transaction: store,
      respond: () => undefined,
      notice: () => undefined,
      newBoot: () => 'anotherlife',
      isFatal: () => false,
      fatal: (error) => {
        throw error;
      },
    });
    must(this.listener, 'the host listens').connected(true);
    this.pass(3000);
  }

  /** A frame of the coordinator to this life; the same frame again is a copy of it. */
  frame(message: Message, more: Partial<FrameHeader> = {}): Uint8Array {
    const builder = new FrameBuilder();
    const { epoch } = this.topology;
    const topology = ring(this.topology).digest;
    const number = this.numbers++;
    const from = { cluster: MARK, role: 'coordinator' as const, name: 'p', boot: 'coordinator' };
    builder.begin({ ...from, toBoot: this.host.boot, number, epoch, topology, ...more });
    builder.add(message);
    return builder.finish();
  }

  /** What is answered to it. */
  deliver(frame: Uint8Array): readonly Message[] {
    this.answers = [];
    this.receive(frame);
    this.pass(0);
    return this.answers;
  }

  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (let next = this.due.nextMs; next !== undefined && next <= untilMs; next = this.due.nextMs) {
      this.nowMs = Math.max(this.nowMs, next);
      this.due.pop(next)?.();
    }
    this.nowMs = untilMs;
  }

  lead(copy: Copy, more: Partial<MessageOf<'lead'>> = {}): MessageOf<'lead'> {
    return { kind: 'lead', ...leadOf(copy), key: KEY, deadlineMs: this.nowMs + 5000, ...more };
  }

  stored(table: 'rows' | 'hints' = 'rows', key = KEY) {
    const found = this.store.get(table, locate(key));
    return found.kind === 'found' ? stateOf(decodeRow(found.value)) : undefined;
  }

  private receive(bytes: Uint8Array): void {
    must(this.listener, 'the host listens').frame(bytes);
  }
}

describe('a lead that the bus delivers twice (rule 14)', () => {
  it('mints once, also when the write was superseded in between and nothing remembers its id', () => {
    const a = new HostedPod('a', 'firstlife00', ALONE);
    const frame = a.frame(a.lead(copyOf(1)));
    expect(a.deliver(frame)).toMatchObject([{ kind: 'led', outcome: 'minted' }]);
    const state = must(a.stored(), 'it is stored');
    // The write is known to be sole, so its id is not closed when it dies: a second lead would bring it back.
    const context = contextOf(state, new Set([copyOf(1).writeId]));
    a.deliver(a.frame(a.lead(copyOf(2), { context })));
    const after = must(a.stored(), 'it is stored');
    expect([writes(after), after.closed]).toEqual([[2], []]);
    expect(a.deliver(frame)).toEqual([]);
    expect(a.stored()).toEqual(after);
  });

  // The first copy finds this fallback full of hints; the client is told that nothing was written. Then one hint is
  // discharged, and the second copy arrives.
  it('is not done the second time when it was refused the first, though it could be done by now', () => {
    const e = new HostedPod('e', 'firstlife00', FIVE);
    e.deliver(e.frame(e.lead(copyOf(1), { key: OTHER, owedSlots: 1 })));
    const frame = e.frame(e.lead(copyOf(2), { owedSlots: 1 }));
    expect(refusals(e.deliver(frame))).toEqual(['busy']);
    const found = e.store.get('hints', locate(OTHER));
    const { digest } = decodeRow(found.kind === 'found' ? found.value : new Uint8Array(0));
    const ack: Message = { kind: 'hintAck', entries: [{ key: OTHER, digest }] };
    e.deliver(e.frame(ack, { role: 'storage', name: 'a', boot: 'aaaaaaaaaaa' }));
    expect(e.store.count('hints')).toBe(0);
    expect(e.deliver(frame)).toEqual([]);
    expect(e.store.count('hints')).toBe(0);
    // Whoever asks anew sends another frame, whatever the request's id.
    expect(e.deliver(e.frame(e.lead(copyOf(2), { owedSlots: 1 })))).toMatchObject([{ outcome: 'minted' }]);
  });

  it('is refused as wrong_boot by a later life, which holds the write', () => {
    const first = new HostedPod('a', 'firstlife00', ALONE);
    const frame = first.frame(first.lead(copyOf(1)));
    first.deliver(frame);
    const second = new HostedPod('a', 'secondlife0', ALONE, first.store);
    expect(refusals(second.deliver(frame))).toEqual(['wrong_boot']);
    expect(second.stored()).toEqual(first.stored());
  });

  it('so late that its sender is forgotten is refused as expired', () => {
    const a = new HostedPod('a', 'firstlife00', ALONE);
    const frame = a.frame(a.lead(copyOf(1), { deadlineMs: a.nowMs + TIMEOUT_MS_MAX }));
    a.deliver(frame);
    const after = a.stored();
    // Between the two nobody spoke but the pod itself.
    for (const waitMs of [TIMEOUT_MS_MAX, TIMEOUT_MS_MAX, 10 * TIMEOUT_MS_MAX]) {
      a.pass(waitMs);
      expect(['', 'expired']).toContain(refusals(a.deliver(frame)).join());
      expect(a.stored()).toEqual(after);
    }
    expect(refusals(a.deliver(a.frame(a.lead(copyOf(1), { deadlineMs: 1 }))))).toEqual(['expired']);
  });
});
