import { assert, must } from '@circlet/shared/assert.ts';
import {
  type Context,
  contextOf,
  contextWith,
  delta,
  emptyContext,
} from '@circlet/shared/causality/context.ts';
import type { Dot } from '@circlet/shared/causality/dot.ts';
import {
  emptyState,
  type KeyState,
  merge,
  type Sibling,
  type WriteId,
} from '@circlet/shared/causality/key-state.ts';
import { sipKey } from '@circlet/shared/hash/siphash.ts';
import type { Lead } from '@circlet/shared/protocol/replica.ts';
import { type Before, lead, type LeadResult, mergeInto, type MergeResult, type Minter } from './replica.ts';
import { decodeRow, encodeRow, type Row, soleOf, stateOf } from './row.ts';

/** One key as replicas and a coordinator see it, for tests of `replica.ts`. Rows live as the bytes a store keeps. */
export const DIGEST_KEY = sipKey(new Uint8Array(16).fill(7));
export const KEY = Uint8Array.of(1, 98, 107);
const OWNER = { owed: 0, wallMs: 0 };

/** Everything about a write but its dots. */
export type Copy = Omit<Sibling, 'dots'>;

/** Write ids whose order is not the order of their writes. */
export function writeIdOf(n: number): WriteId {
  return String.fromCharCode((n * 97 + 41) % 256, Math.floor(n / 256), n % 256).padEnd(16, '.');
}

export function copyOf(n: number, more: Partial<Copy> = {}): Copy {
  const body = new Uint8Array(n % 5).fill(n);
  return { writeId: writeIdOf(n), deleted: false, writtenAtMs: 1000 + n, check: n, body, ...more };
}

export function leadOf(copy: Copy, context: Context = emptyContext, more: Partial<Lead> = {}): Lead {
  return {
    id: 1,
    deadlineMs: 1000,
    key: KEY,
    owedSlots: 0,
    keyed: false,
    context,
    siblingsMax: 1000,
    ...copy,
    ...more,
  };
}

let boots = 0;

/** One replica of the key: its row, and who the process that holds it is in this life. */
export class Replica {
  readonly node: string;
  boot = '';
  serial = 0;
  monoMs = 1_000;
  bytes: Uint8Array | 'corrupt' | undefined;

  constructor(node: string) {
    this.node = node;
    this.restart();
  }

  get before(): Before {
    return this.bytes instanceof Uint8Array ? decodeRow(this.bytes) : this.bytes;
  }

  get row(): Row {
    const { before } = this;
    assert(before !== undefined && before !== 'corrupt', 'there is a row');
    return before;
  }

  get state(): KeyState {
    return this.bytes instanceof Uint8Array ? stateOf(this.row) : emptyState;
  }

  get sole(): ReadonlySet<WriteId> {
    return new Set(this.bytes instanceof Uint8Array ? soleOf(this.state, this.row.sole) : []);
  }

  get minter(): Minter {
    const { node, boot, serial, monoMs } = this;
    return { node, boot, digestKey: DIGEST_KEY, serial, monoMs };
  }

  /** A new process: another boot, nothing remembered but the row. */
  restart(): void {
    this.boot = `BOOT${String(boots++).padStart(7, '0')}`;
    this.serial = 0;
  }

  lead(request: Lead, owed = 0): LeadResult {
    const result = lead(this.before, request, this.minter, { owed, wallMs: 50 });
    if (result.kind === 'led') {
      this.serial = result.serial;
      if (result.row !== undefined) this.bytes = encodeRow(result.row);
    }
    return result;
  }

  merge(state: KeyState, sole: Iterable<WriteId> = [], othersReadMs?: number): MergeResult {
    const part = { state, requires: [] };
    const result = mergeInto(this.before, part, [...sole], othersReadMs, this.minter, OWNER);
    if (result.kind === 'vacant') this.bytes = undefined;
    else if (result.kind === 'merged' && result.row !== undefined) this.bytes = encodeRow(result.row);
    return result;
  }
}

/** A write as its coordinator keeps it until it is done. */
export interface Attempted {
  readonly copy: Copy;
  readonly context: Context;
  readonly dots: readonly Dot[];
  /** What the coordinator sends to the other replicas. */
  readonly delta: KeyState;
  /** What the client gets. */
  readonly returned: Context;
}

/** Leads the write through a replica, as the only attempt at it. */
export function put(at: Replica, copy: Copy, context: Context = emptyContext): Attempted {
  const led = at.lead(leadOf(copy, context));
  assert(led.kind === 'led' && led.outcome !== 'closed', 'the write is led');
  const { dots, writtenAtMs } = led;
  const sent = delta(context, { ...copy, writtenAtMs, dots });
  return { copy, context, dots, delta: sent, returned: contextWith(context, copy.writeId, dots, false) };
}

/** The context that a get of these replicas returns. */
export function seen(...replicas: readonly Replica[]): Context {
  const sole = new Set(replicas.flatMap((replica) => [...replica.sole]));
  return contextOf(joined(...replicas.map((replica) => replica.state)), sole);
}

export function joined(...states: readonly KeyState[]): KeyState {
  return states.reduce((a, b) => merge(a, b, new Set()).state, emptyState);
}

/** Each gets what the other has. */
export function exchange(a: Replica, b: Replica): void {
  const before = a.state;
  a.merge(b.state, b.sole);
  b.merge(before, a.sole);
}

/** The write numbers of the siblings, for tests that use few of them. */
export function writes(state: KeyState): readonly number[] {
  const numbers = new Map(Array.from({ length: 300 }, (_, n) => [writeIdOf(n), n]));
  return state.siblings
    .map(({ writeId }) => must(numbers.get(writeId), 'a write of this test'))
    .toSorted((a, b) => a - b);
}
