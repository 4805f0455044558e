import { crc32 } from 'node:zlib';
import { decodeBody, encodeBody } from '@circlet/coordinator/core/body.ts';
import type {
  Answer,
  Condition,
  Failure,
  NewWrite,
  Quorum,
  Reading,
} from '@circlet/coordinator/core/client.ts';
import { must } from '@circlet/shared/assert.ts';
import type { Context } from '@circlet/shared/causality/context.ts';
import type { KeyState, Sibling } from '@circlet/shared/causality/key-state.ts';
import { equalBytes, latin1 } from '@circlet/shared/codec/bytes.ts';
import { siphash } from '@circlet/shared/hash/siphash.ts';
import { CLOCK_ERROR_MS, TIMEOUT_MS_DEFAULT, TIMEOUT_MS_MAX } from '@circlet/shared/protocol/limits.ts';
import { type FullKey, fullKey } from '@circlet/shared/ring/key.ts';
import { positionOf, vnodeOf } from '@circlet/shared/ring/position.ts';
import { type PreferenceList, PreferenceLists } from '@circlet/shared/ring/preference-list.ts';
import type { Ring } from '@circlet/shared/ring/topology.ts';
import { decodeRow, type Row, stateOf } from '@circlet/storage/core/row.ts';
import { locate } from '@circlet/storage/core/hint-ledger.ts';
import type { Table } from '@circlet/storage/core/store.ts';
import type { Call } from './call.ts';
import { World, type WorldOptions } from './world.ts';

/** What a client may say with a request; the quorum's defaults are the HTTP layer's. */
export interface Asking extends Partial<Omit<Quorum, 'rIsFirm'>> {
  readonly key?: FullKey;
  readonly context?: Context;
  readonly condition?: Condition;
  readonly returnValue?: boolean;
  readonly idempotencyKey?: string;
  /** Called when there is an answer. */
  readonly answered?: (call: Call) => void;
}

/** What a read found, in words: live values in alphabetical order, and what the next write is to name. */
export interface Found {
  readonly values: readonly string[];
  readonly tombstones: number;
  readonly context: Context;
}

/**
 * One key of a small cluster, and those who have to do with it by their part: owners A, B, C in slot order, then the
 * fallbacks D, E, ... in the order in which they stand in. The letters are those of protocol.md.
 */
export class Story {
  readonly world: World;
  readonly key: FullKey;
  readonly owners: readonly string[];
  readonly fallbacks: readonly string[];
  /** N, also when there are fewer members. */
  private readonly replicas: number;
  private readonly ring: Ring;
  private readonly lists: PreferenceLists;

  constructor(options: WorldOptions, name = 'key') {
    this.world = new World(options);
    this.replicas = options.replicas ?? 3;
    this.ring = this.world.coordinator('p').ring;
    this.lists = new PreferenceLists(this.ring);
    this.key = keyNamed(name);
    const { owners, fallbacks } = this.preferences(this.key);
    this.owners = owners;
    this.fallbacks = fallbacks;
  }

  get A(): string {
    return must(this.owners[0], 'an owner');
  }
  get B(): string {
    return must(this.owners[1], 'a second owner');
  }
  get C(): string {
    return must(this.owners[2], 'a third owner');
  }
  get D(): string {
    return must(this.fallbacks[0], 'a fallback');
  }
  get E(): string {
    return must(this.fallbacks[1], 'a second fallback');
  }

  /** Another key of the same vnode, with the same owners and fallbacks. */
  anotherKey(): FullKey {
    const { vnodes } = this.ring;
    const vnode = vnodeOf(positionOf(this.key), vnodes);
    for (let i = 0; ; i++) {
      const key = keyNamed(`another ${i}`);
      if (vnodeOf(positionOf(key), vnodes) === vnode) return key;
    }
  }

  preferences(key: FullKey): PreferenceList {
    return this.lists.of(vnodeOf(positionOf(key), this.ring.vnodes));
  }

  // ---- what clients do ----

  put(via: string, value: string | Uint8Array, asking: Asking = {}): Call {
    const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
    const body = encodeBody({ contentType: 'text/plain', meta: [], value: bytes });
    return this.write(via, false, body, asking);
  }

  remove(via: string, asking: Asking = {}): Call {
    return this.write(via, true, new Uint8Array(0), asking);
  }

  get(via: string, asking: Asking = {}): Call {
    const { key = this.key, context, answered } = asking;
    const quorum = this.quorum(asking);
    return this.world.ask(via, { kind: 'get', key, quorum, atLeast: context }, answered);
  }

  /** Runs until the call is answered. */
  answer(call: Call): Answer {
    const patience = call.request.quorum.timeoutMs + 1_000;
    if (this.world.until(() => call.isOver, patience) === undefined) throw new Error('no answer');
    return must(call.answer, 'the call is over');
  }

  /** The context of a write that must have succeeded. */
  written(call: Call): Context {
    const answer = this.answer(call);
    if (answer.kind !== 'written') throw new Error(`not written: ${describe(answer)}`);
    return answer.context;
  }

  /** What a read that must have succeeded found. */
  found(call: Call): Found {
    const answer = this.answer(call);
    if (answer.kind !== 'read') throw new Error(`not read: ${describe(answer)}`);
    return foundIn(answer.reading);
  }

  failed(call: Call): Failure {
    const answer = this.answer(call);
    if (answer.kind !== 'failed') throw new Error(`not failed: ${describe(answer)}`);
    return answer.failure;
  }

  /** Everything that is still to happen for this write has happened: copies, hints, read repair. */
  settle(ms = 2_000): void {
    this.world.run(ms);
  }

  /** Runs until no hint is owed to anybody, or fails. */
  untilDrained(maxMs = 60_000): number {
    const took = this.world.until(() => this.hints() === 0, maxMs);
    if (took === undefined) throw new Error(`${this.hints()} hints were never delivered`);
    return took;
  }

  // ---- what lies on the disks ----

  row(node: string, table: Table = 'rows', key = this.key): Row | undefined {
    const found = this.world.store(node).get(table, locate(key));
    return found.kind === 'found' ? decodeRow(found.value) : undefined;
  }

  stateAt(node: string, table: Table = 'rows', key = this.key): KeyState | undefined {
    const row = this.row(node, table, key);
    return row === undefined ? undefined : stateOf(row);
  }

  /** Live values in a node's store, as owner or as fallback. */
  holds(node: string, key = this.key): readonly string[] {
    const states = [this.stateAt(node, 'rows', key), this.stateAt(node, 'hints', key)];
    return states.flatMap((state) => (state === undefined ? [] : valuesOf(state)));
  }

  /** The row fails its checksum from now on. */
  damage(node: string, table: Table = 'rows', key = this.key): void {
    this.world.rot(node, table, locate(key));
  }

  /** The row was damaged and does not vouch yet. */
  isSuspect(node: string, key = this.key): boolean {
    const found = this.world.store(node).get('rows', locate(key));
    if (found.kind === 'corrupt') return true;
    return found.kind === 'found' && decodeRow(found.value).suspectSince !== undefined;
  }

  /** Runs until a read may heal a row that was found damaged: two of the longest deadlines and what clocks may err. */
  untilHealable(): void {
    this.world.run(2 * (TIMEOUT_MS_MAX + CLOCK_ERROR_MS));
  }

  /** Hint rows on all disks. */
  hints(): number {
    return this.world.storage.reduce((sum, node) => sum + this.world.store(node).count('hints'), 0);
  }

  ownersOf(key: FullKey): readonly string[] {
    return this.preferences(key).owners;
  }

  /** Dots that stand for two different writes, wherever these are (I9). */
  doubleDots(keys: readonly FullKey[]): readonly string[] {
    const doubles: string[] = [];
    for (const key of keys) {
      const writes = new Map<string, string>();
      for (const node of this.world.storage) {
        for (const { dots, writeId } of this.stateAt(node, 'rows', key)?.siblings ?? []) {
          for (const { actor, counter } of dots) {
            const dot = `${actor}:${counter}`;
            if ((writes.get(dot) ?? writeId) !== writeId) doubles.push(`${dot} stands for two writes`);
            writes.set(dot, writeId);
          }
        }
      }
    }
    return doubles;
  }

  /** Whether all owners have a row and all rows are the same bytes. */
  ownersAgree(key = this.key): boolean {
    const [first, ...others] = this.ownersOf(key).map((node) => this.row(node, 'rows', key)?.state);
    return first !== undefined && others.every((state) => state !== undefined && equalBytes(state, first));
  }

  // ---- requests as the HTTP layer makes them ----

  private write(via: string, deleted: boolean, body: Uint8Array, asking: Asking): Call {
    const { key = this.key, context, condition, returnValue = false, idempotencyKey } = asking;
    const write: NewWrite = {
      writeId:
        idempotencyKey === undefined
          ? this.world.random.id(16)
          : this.keyedWriteId(key, idempotencyKey, deleted, body, context),
      keyed: idempotencyKey !== undefined,
      deleted,
      writtenAtMs: Math.floor(1.8e12 + this.world.nowMs),
      check: crc32(body),
      body,
    };
    const quorum = this.quorum(asking);
    return this.world.ask(
      via,
      { kind: 'write', key, quorum, write, context, condition, returnValue },
      asking.answered,
    );
  }

  /** 8 bytes that name the client's key, 8 that name the content (protocol.md, rule 2). */
  private keyedWriteId(
    key: FullKey,
    idempotencyKey: string,
    deleted: boolean,
    body: Uint8Array,
    context: Context | undefined,
  ): string {
    const hash = (...parts: (string | Uint8Array)[]) =>
      latin1(siphash(this.world.clusterKey, new TextEncoder().encode(parts.map(String).join('|'))), 0, 8);
    const sent = JSON.stringify(context ?? null);
    return hash('key', key, idempotencyKey, String(deleted)) + hash('content', body, sent);
  }

  private quorum(asking: Asking): Quorum {
    const majority = Math.floor(this.replicas / 2) + 1;
    return {
      r: asking.r ?? majority,
      rIsFirm: asking.r !== undefined,
      w: asking.w ?? majority,
      pr: asking.pr ?? 0,
      pw: asking.pw ?? 0,
      sloppy: asking.sloppy ?? true,
      timeoutMs: asking.timeoutMs ?? TIMEOUT_MS_DEFAULT,
    };
  }
}

export function keyNamed(name: string): FullKey {
  const text = new TextEncoder();
  return fullKey(text.encode('bucket'), text.encode(name));
}

export function foundIn({ state, context }: Reading): Found {
  const tombstones = state.siblings.filter((sibling) => sibling.deleted).length;
  return { values: valuesOf(state), tombstones, context };
}

function valuesOf(state: KeyState): readonly string[] {
  return state.siblings
    .filter((sibling) => !sibling.deleted)
    .map((sibling) => valueOf(sibling))
    .toSorted();
}

/** Short values whole, large ones by their first characters. */
export function valueOf({ body, check }: Sibling, bytesMax = 40): string {
  if (crc32(body) !== check) throw new Error('a body that does not match its check');
  const { value } = decodeBody(body);
  return new TextDecoder().decode(value.subarray(0, bytesMax));
}

function describe(answer: Answer): string {
  return answer.kind === 'failed' ? JSON.stringify(answer.failure) : answer.kind;
}
