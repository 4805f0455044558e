import type { Context } from '@circlet/shared/causality/context.ts';
import type { KeyState, WriteId } from '@circlet/shared/causality/key-state.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import type { ChangeAnswer } from './changes.ts';

/** What a client asks of the coordinator, checked by the HTTP layer, and what it is told. */
export interface Quorum {
  /** Replies needed to read: 1..N. */
  readonly r: number;
  /**
   * The client named `r` itself: then that many replicas must vouch for the answer. The default instead gives way, in
   * sloppy mode, to everything reachable (protocol.md, rule 7).
   */
  readonly rIsFirm: boolean;
  /** Durable copies needed to write: 1..N. */
  readonly w: number;
  /** How many of those must be owners: 0..N. */
  readonly pr: number;
  readonly pw: number;
  /** Whether a fallback may stand in for an owner that cannot be reached. */
  readonly sloppy: boolean;
  readonly timeoutMs: number;
}

/** Everything of a write that is fixed before its first attempt (protocol.md, rule 1). */
export interface NewWrite {
  readonly writeId: WriteId;
  /** The id was derived from a client's Idempotency-Key, so another coordinator may lead it too: never sole. */
  readonly keyed: boolean;
  readonly deleted: boolean;
  readonly writtenAtMs: number;
  readonly check: number;
  readonly body: Uint8Array;
}

/** `If-None-Match: *` and `If-Match`: checks against what the coordinator reads, not compare-and-set. */
export type Condition =
  | { readonly kind: 'absent' }
  | { readonly kind: 'matches'; readonly etags: readonly string[] };

interface Asked {
  /** Names the request among those of this process; the answer repeats it. */
  readonly id: number;
  readonly key: FullKey;
  readonly quorum: Quorum;
}

export interface GetRequest extends Asked {
  readonly kind: 'get';
  /** The answer must be at least this new (session guarantee). */
  readonly atLeast: Context | undefined;
}

export interface WriteRequest extends Asked {
  readonly kind: 'write';
  readonly write: NewWrite;
  readonly context: Context | undefined;
  readonly condition: Condition | undefined;
  /** Answer like a get that is at least as new as the write. */
  readonly returnValue: boolean;
}

export type ClientRequest = GetRequest | WriteRequest;

/** What a read found: the merged siblings, possibly none, and the context that covers exactly them. */
export interface Reading {
  readonly state: KeyState;
  readonly context: Context;
}

/** What the machine answers: to a client, or to an operator. */
export type Answer = ClientAnswer | ChangeAnswer;

export type ClientAnswer =
  | { readonly kind: 'read'; readonly reading: Reading }
  | { readonly kind: 'written'; readonly context: Context; readonly writeId: WriteId }
  /** A delete that found nothing to delete. */
  | { readonly kind: 'nothing'; readonly context: Context }
  | { readonly kind: 'failed'; readonly failure: Failure };

/** Of a write: `none` when no replica can hold it, ever; `unknown` when one might. Undefined for a read. */
export type Outcome = 'none' | 'unknown';

export type Failure =
  | {
      readonly code: 'quorum_unavailable' | 'timeout';
      readonly need: number;
      readonly got: number;
      readonly from: 'any' | 'owners';
      readonly outcome: Outcome | undefined;
    }
  | { readonly code: 'stale_replicas' }
  /** What was read does not meet the condition; the tag of what is there. */
  | { readonly code: 'precondition_failed'; readonly etag: string | undefined }
  | { readonly code: 'too_many_siblings' | 'history_full' | 'idempotency_mismatch' }
  | { readonly code: 'overloaded'; readonly outcome: Outcome | undefined; readonly retryAfterMs: number }
  | { readonly code: 'internal'; readonly outcome: Outcome | undefined };
