import type { KeyState, WriteId } from '@circlet/shared/causality/key-state.ts';
import { lastTellsAll, partsOf } from '@circlet/shared/causality/parts.ts';
import { encodeState } from '@circlet/shared/causality/state-codec.ts';
import type { SipKey } from '@circlet/shared/hash/siphash.ts';
import { STATE_PART_BYTES_MAX } from '@circlet/shared/protocol/limits.ts';
import type { MessageOf } from '@circlet/shared/protocol/message.ts';
import type { Lead, Merge, Read, RefusalReason } from '@circlet/shared/protocol/replica.ts';
import type { PreferenceList } from '@circlet/shared/ring/preference-list.ts';
import type { Ring } from '@circlet/shared/ring/topology.ts';
import type { NodeView } from './node-view.ts';

/** What an operation may ask of the coordinator while it handles something. */
export interface Desk {
  readonly nowMs: number;
  readonly ring: Ring;
  readonly digestKey: SipKey;
  readonly siblingsMax: number;
  /** A member that came with this topology is not ready, and may be in a moment: what cannot be done may soon be. */
  readonly awaitsMembers: boolean;
  preferences(vnode: number): PreferenceList;
  node(name: string): NodeView;
  /** Sends a request on behalf of an operation, which will hear the answer, a refusal, or that nobody is there. */
  ask(operation: Operation, node: string, question: Question, deadlineMs: number): number;
  /** Calls `check` at about this time. */
  wake(operation: Operation, atMs: number): void;
  /** The operation will neither ask nor answer any more. */
  finished(operation: Operation): void;
  /** A read may be sent twice, but only a tenth of them (see {@link Hedges}). */
  mayHedge(): boolean;
  count(event: string): void;
}

export type Question =
  | ({ readonly kind: 'lead' } & Omit<Lead, 'id' | 'deadlineMs'>)
  | ({ readonly kind: 'merge' } & Omit<Merge, 'id' | 'deadlineMs'>)
  | ({ readonly kind: 'read' } & Omit<Read, 'id' | 'deadlineMs'>);

export type Reply = MessageOf<'led'> | MessageOf<'merged'> | MessageOf<'found'>;

/** Why a question will not be answered. `unreachable`: the bus knows nobody who would take it. */
export type Setback = RefusalReason | 'unreachable';

/** One read or one write of one key. */
export interface Operation {
  readonly id: number;
  replied(desk: Desk, node: string, requestId: number, reply: Reply): void;
  setBack(desk: Desk, node: string, requestId: number, why: Setback): void;
  /** The request is asked again, of the node's present life: an earlier one may have done it and died. */
  mayBeDone(requestId: number): void;
  check(desk: Desk): void;
  /** The node is gone from the bus: what it has not answered yet it has perhaps done, and will hardly answer. */
  gone(desk: Desk, node: string): void;
  /** The topology changed: an operation runs in one epoch, so it starts again (protocol.md, rule 10). */
  restart(desk: Desk): void;
}

/** A state as the questions that carry it whole: one, or several that the receiver puts together. */
export function mergeQuestions(
  key: Uint8Array,
  state: KeyState,
  sole: readonly WriteId[],
  owedSlots: number,
  heals: boolean,
): readonly Extract<Question, { kind: 'merge' }>[] {
  const parts = partsOf(state, STATE_PART_BYTES_MAX);
  const last = lastTellsAll(parts) ? parts.at(-1) : undefined;
  return parts.map((part) => ({
    kind: 'merge',
    key,
    owedSlots,
    sole,
    // Only what cannot come before all the others makes the state whole.
    heals: heals && part === last,
    requires: part.requires,
    state: encodeState(part.state),
  }));
}
