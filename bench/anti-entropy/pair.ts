import { TimerQueue } from '@circlet/shared/host/timer-queue.ts';
import type { Notice } from '@circlet/shared/machine.ts';
import { decodeFrame } from '@circlet/shared/protocol/frame.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';
import { planPlacement } from '@circlet/shared/ring/planner.ts';
import { encodeTopology } from '@circlet/shared/ring/topology.ts';
import { isAntiEntropyMessage } from '@circlet/storage/core/anti-entropy/anti-entropy.ts';
import type { StorageEffect, StorageEvent } from '@circlet/storage/core/effects.ts';
import { Owner, ownCpuUs } from './owner.ts';

export interface FrameSeen {
  readonly from: string;
  readonly bytes: number;
  readonly messages: readonly Message[];
}

/**
 * Two owners of everything and the bus between them, on a clock that jumps to whatever is due next. Frames
 * are real: what is sent is encoded, travels for a millisecond, and is decoded.
 */
export class Pair {
  nowMs = 0;
  readonly ahead: Owner;
  readonly behind: Owner;
  /** Frames with something of anti-entropy in them, when they arrive. */
  onFrame: (frame: FrameSeen) => void = () => undefined;
  /** Messages that an owner has handled and committed. */
  onHandled: (messages: readonly Message[]) => void = () => undefined;
  onNotice: (by: Owner, notice: Notice) => void = () => undefined;
  private readonly queue = new TimerQueue<() => void>();

  constructor(directory: string) {
    this.ahead = new Owner('storage-0', directory, 1);
    this.behind = new Owner('storage-1', directory, 2);
    this.storeTopology();
  }

  get owners(): readonly Owner[] {
    return [this.ahead, this.behind];
  }

  /** Half a second apart: two pods do not look at their clocks in the same instant. */
  begin(): void {
    this.owners.forEach((owner, i) => {
      owner.begin();
      this.queue.push(i * 500, () => {
        this.handle(owner, [{ kind: 'start' }]);
        this.handle(owner, [{ kind: 'bus', up: true }]);
      });
    });
  }

  /** Goes on until something is so. Throws when it has not come to that after `limitMs`. */
  runUntil(isSo: () => boolean, limitMs: number, what: string): void {
    const endMs = this.nowMs + limitMs;
    while (!isSo()) {
      const dueMs = this.queue.nextMs;
      if (dueMs === undefined || dueMs > endMs)
        throw new Error(`after ${limitMs} virtual ms: not yet ${what}`);
      this.nowMs = dueMs;
      this.queue.pop(dueMs)?.();
    }
  }

  run(ms: number): void {
    const endMs = this.nowMs + ms;
    this.queue.push(endMs, () => undefined);
    this.runUntil(() => this.nowMs >= endMs, ms, 'over');
  }

  handle(owner: Owner, events: readonly StorageEvent[]): readonly StorageEffect[] {
    const effects = owner.turn(events, this.nowMs);
    const outgoing = new Map<Owner, Message[]>();
    for (const effect of effects) {
      switch (effect.kind) {
        case 'send':
          for (const to of this.owners) {
            const isMeant = effect.to.role === 'storage' && [to.name, '*'].includes(effect.to.name);
            if (!isMeant) continue;
            const messages = outgoing.get(to) ?? [];
            messages.push(effect.message);
            outgoing.set(to, messages);
          }
          break;
        case 'schedule': {
          const event: StorageEvent = { kind: 'timer', timer: effect.timer };
          this.queue.push(this.nowMs + effect.afterMs, () => this.handle(owner, [event]));
          break;
        }
        case 'epoch':
          owner.epoch = effect.epoch;
          owner.topology = effect.topology;
          break;
        case 'notify':
          this.onNotice(owner, effect.notice);
          break;
        default:
          throw new Error(`a storage pod has nothing to ${effect.kind}`);
      }
    }
    for (const [to, messages] of outgoing) this.send(owner, to, messages);
    return effects;
  }

  private send(from: Owner, to: Owner, messages: readonly Message[]): void {
    for (const bytes of from.framesOf(messages))
      this.queue.push(this.nowMs + 1, () => this.receive(to, bytes));
  }

  private receive(to: Owner, bytes: Uint8Array): void {
    const beganUs = ownCpuUs();
    const { header, messages } = decodeFrame(bytes);
    if (messages.some(isAntiEntropyMessage)) {
      to.framesUs += ownCpuUs() - beganUs;
      this.onFrame({ from: header.name, bytes: bytes.length, messages });
    }
    this.handle(
      to,
      messages.map((message) => ({ kind: 'message', from: header, message })),
    );
    this.onHandled(messages);
  }

  private storeTopology(): void {
    const members = this.owners.map(({ name, store: { disk } }) => ({ name, disk, zone: 'z', weight: 1 }));
    const placement = planPlacement(undefined, members, { vnodes: 256, replicas: 2 });
    const topology = encodeTopology({
      cluster: 'bench',
      epoch: 1,
      replicas: 2,
      members: members.map((member) => ({ ...member, state: 'active' as const })),
      owners: placement.map((names) => names.map((name) => members.findIndex((of) => of.name === name))),
      move: undefined,
    });
    for (const { store } of this.owners) {
      store.begin();
      store.writeMeta('topology', topology);
      store.commit();
    }
  }
}
