import { encodeState } from '@circlet/shared/causality/state-codec.ts';
import type { FrameHeader } from '@circlet/shared/protocol/frame.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';
import { decodeRow } from '@circlet/storage/core/row.ts';
import type { Owner } from './owner.ts';
import type { Pair } from './pair.ts';
import { locate, rowOf, stateOf, writeIdOf } from './states.ts';

/** The one that is behind has nothing of the key, or it has what the write of the other replaced. */
export type Kind = 'missing' | 'older';

/** A write that only one owner has. */
export interface Difference {
  readonly n: number;
  readonly version: number;
}

const MERGES_PER_COMMIT = 500;

/** Makes owners differ as they do in earnest: a coordinator's merge reaches one of them and not the other. */
export class Differences {
  private readonly pair: Pair;
  private readonly filled: number;
  private readonly versions = new Map<number, number>();
  private added = 0;
  private replaced = 0;
  private requests = 0;

  constructor(pair: Pair, filled: number) {
    this.pair = pair;
    this.filled = filled;
  }

  /**
   * No key twice in a row, so that what is changed is not in the page cache because it was changed just
   * before.
   */
  draw(kind: Kind, count: number): readonly Difference[] {
    return Array.from({ length: count }, () => {
      const n = kind === 'missing' ? this.filled + this.added++ : this.replaced++ % this.filled;
      const version = (this.versions.get(n) ?? (kind === 'missing' ? 0 : 1)) + 1;
      this.versions.set(n, version);
      return { n, version };
    });
  }

  write(differences: readonly Difference[]): void {
    const { ahead, nowMs } = this.pair;
    for (let from = 0; from < differences.length; from += MERGES_PER_COMMIT) {
      const events = differences
        .slice(from, from + MERGES_PER_COMMIT)
        .map((each) => ({ kind: 'message' as const, from: coordinatorOf(ahead), message: this.merge(each) }));
      const effects = ahead.turn(events, nowMs);
      const merged = effects.filter((effect) => effect.kind === 'send' && effect.message.kind === 'merged');
      if (merged.length !== events.length) throw new Error(`not merged: ${JSON.stringify(effects)}`);
    }
  }

  private merge({ n, version }: Difference): Message {
    const sole = [writeIdOf(n, version), ...(version === 1 ? [] : [writeIdOf(n, version - 1)])];
    return {
      kind: 'merge',
      id: ++this.requests,
      deadlineMs: Math.floor(this.pair.nowMs) + 5_000,
      key: locate(n).key,
      owedSlots: 0,
      sole,
      heals: false,
      requires: [],
      state: encodeState(stateOf(n, version)),
    };
  }
}

/** What has to travel at least: the states that one has and the other needs, and nothing to find them by. */
export function leastBytes(differences: readonly Difference[]): number {
  return differences.reduce((sum, { n, version }) => sum + encodeState(stateOf(n, version)).length, 0);
}

/** Whether the owner has the write, and nothing older, newer or beside it. */
export function hasArrived({ store }: Owner, { n, version }: Difference): boolean {
  const found = store.get('rows', locate(n));
  return found.kind === 'found' && decodeRow(found.value).digest === decodeRow(rowOf(n, version)).digest;
}

function coordinatorOf({ boot, epoch, topology }: Owner): FrameHeader {
  const sender = { cluster: 'cluster!', role: 'coordinator' as const, name: 'p', boot: 'coordinator' };
  return { ...sender, toBoot: boot, number: 0, epoch, topology };
}
