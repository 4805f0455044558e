import {
  type Context,
  contextOf,
  contextWith,
  delta,
  emptyContext,
  isAtLeast,
  soleWrites,
} from '@circlet/shared/causality/context.ts';
import {
  emptyState,
  findWrite,
  type KeyState,
  knows,
  liveSiblings,
  merge,
  only,
} from '@circlet/shared/causality/key-state.ts';
import { latin1 } from '@circlet/shared/codec/bytes.ts';
import { sipKey } from '@circlet/shared/hash/siphash.ts';
import type { Echoed } from '@circlet/shared/protocol/echo.ts';
import { PreferenceLists } from '@circlet/shared/ring/preference-list.ts';
import { Ring, type Topology } from '@circlet/shared/ring/topology.ts';
import type { ClientAnswer, Failure, Quorum } from '../core/client.ts';
import { etagOf } from '../core/etag.ts';
import type { CoordinatorPort, NodeStatus, Submission } from './port.ts';

/**
 * A coordinator and its replicas as one map in memory, with the real merge and the real contexts: enough for the HTTP
 * layer to meet siblings, tombstones, stale contexts and failures.
 */
export const CLUSTER_KEY = sipKey(new Uint8Array(16).fill(7));

type Write = Extract<Submission, { readonly kind: 'write' }>;

export class MemoryPort implements CoordinatorPort {
  /** What was asked, in order. */
  readonly submitted: Submission[] = [];
  /** Replicas that can be reached, of N = 3. */
  up = 3;
  siblingsMax = 1_000;
  /** Answers the next requests in place of the store. */
  readonly failures: Failure[] = [];
  /** Runs before a request is answered. */
  hold: (() => Promise<void>) | undefined;
  readonly cluster = new MemoryCluster();
  private readonly states = new Map<string, KeyState>();
  private counter = 0;

  async submit(request: Submission): Promise<ClientAnswer> {
    this.submitted.push(request);
    await this.hold?.();
    const failure = this.failures.shift() ?? this.unmet(request);
    if (failure !== undefined) return { kind: 'failed', failure };
    return request.kind === 'get' ? this.get(request.key, request.atLeast) : this.write(request);
  }

  stateOf(key: Uint8Array): KeyState {
    return this.states.get(latin1(key)) ?? emptyState;
  }

  /** Every key, for "nothing was stored". */
  get keys(): number {
    return this.states.size;
  }

  /** What a disk or a bug might do to a stored state. */
  alter(key: Uint8Array, change: (state: KeyState) => KeyState): void {
    this.states.set(latin1(key), change(this.stateOf(key)));
  }

  private unmet({ quorum, kind }: Submission): Failure | undefined {
    const need = needed(quorum, kind);
    if (need <= this.up) return undefined;
    return {
      code: 'quorum_unavailable',
      need,
      got: this.up,
      from: 'any',
      outcome: kind === 'write' ? 'none' : undefined,
    };
  }

  private get(key: Uint8Array, atLeast: Context | undefined): ClientAnswer {
    const state = this.stateOf(key);
    if (atLeast !== undefined && !isAtLeast(state, atLeast)) {
      return { kind: 'failed', failure: { code: 'stale_replicas' } };
    }
    return { kind: 'read', reading: { state, context: contextOf(state, new Set()) } };
  }

  private write({ key, write, context, condition, returnValue }: Write): ClientAnswer {
    const state = this.stateOf(key);
    const read = contextOf(state, new Set());
    const etag =
      liveSiblings(state).length > 0
        ? etagOf(
            CLUSTER_KEY,
            state.siblings.map(({ writeId }) => writeId),
          )
        : undefined;
    const known = findWrite(state, write.writeId);
    const isThere = knows(state, write.writeId);
    if (!isThere && condition?.kind === 'absent' && etag !== undefined)
      return failed({ code: 'precondition_failed', etag });
    if (
      !isThere &&
      condition?.kind === 'matches' &&
      (etag === undefined || !condition.etags.some((tag) => tag === '*' || tag === etag))
    ) {
      return failed({ code: 'precondition_failed', etag });
    }
    const readsFirst = condition !== undefined || (write.deleted && context === undefined);
    const isAlone = state.siblings.every(({ writeId }) => writeId === write.writeId);
    const against = context ?? (readsFirst && (!isThere || isAlone) ? read : emptyContext);
    if (!isThere && write.deleted && context === undefined && state.siblings.length === 0)
      return { kind: 'nothing', context: read };
    const isMismatch = state.siblings.some(
      ({ writeId }) =>
        write.keyed && writeId.slice(0, 8) === write.writeId.slice(0, 8) && writeId !== write.writeId,
    );
    if (isMismatch) return failed({ code: 'idempotency_mismatch' });
    const dots = known?.dots ?? [{ actor: 'node-1.AAAAAAAAAAA.1', counter: ++this.counter }];
    const change = delta(against, { ...write, dots });
    const { state: next } = merge(state, change, new Set(soleWrites(against)));
    if (next.siblings.length > state.siblings.length && next.siblings.length > this.siblingsMax) {
      return failed({ code: 'too_many_siblings' });
    }
    this.states.set(latin1(key), next);
    const returned = contextWith(against, write.writeId, dots, false);
    if (returnValue) return this.get(key, returned);
    return { kind: 'written', context: returned, writeId: write.writeId };
  }
}

function needed({ r, w, pr, pw }: Quorum, kind: Submission['kind']): number {
  return kind === 'get' ? Math.max(r, pr) : Math.max(w, pw);
}

function failed(failure: Failure): ClientAnswer {
  return { kind: 'failed', failure };
}

/** A state that never saw anything but these. */
export function restrictedTo(siblings: KeyState['siblings']): KeyState {
  return only(siblings);
}

export const NODES = ['node-1', 'node-2', 'node-3', 'node-4'] as const;

export const TOPOLOGY: Topology = {
  cluster: 'test',
  epoch: 3,
  replicas: 3,
  members: NODES.map((name, i) => ({
    name,
    disk: `${i}`.repeat(32),
    zone: `zone-${i}`,
    weight: 1,
    state: name === 'node-4' ? ('leaving' as const) : ('active' as const),
  })),
  owners: Array.from({ length: 8 }, (_, vnode) => [0, 1, 2, 3].filter((i) => i !== vnode % 4)),
  move: undefined,
};

export class MemoryCluster {
  readonly clusterId: string = 'test';
  readonly version = '1.2.3';
  readonly replicas = 3;
  ring: Ring | undefined = new Ring(TOPOLOGY, CLUSTER_KEY);
  connected = true;
  readonly status = new Map<string, NodeStatus>(
    NODES.map((name) => [name, { reachable: true, pulse: pulse({}) }]),
  );

  node(name: string): NodeStatus {
    return this.status.get(name) ?? { reachable: false, pulse: undefined };
  }

  preferences(vnode: number) {
    if (this.ring === undefined) throw new Error('no ring');
    return new PreferenceLists(this.ring).of(vnode);
  }
}

export function pulse(parts: Partial<Echoed>): Echoed {
  return {
    id: 0,
    sentMs: 0,
    monoMs: 0,
    wallMs: 0,
    ready: true,
    writable: true,
    version: '1.2.3',
    keys: 10,
    bytes: 1000,
    hintsHeld: [],
    oldestHintAgeMs: 0,
    members: [],
    filling: { left: 0, of: 0, bytes: 0 },
    ...parts,
  };
}
