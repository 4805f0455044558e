import { assert } from '@circlet/shared/assert.ts';
import { emptyState } from '@circlet/shared/causality/key-state.ts';
import { partsOf } from '@circlet/shared/causality/parts.ts';
import { decodeState, digestOf, encodeState } from '@circlet/shared/causality/state-codec.ts';
import { DecodeError, latin1 } from '@circlet/shared/codec/bytes.ts';
import type { SipKey } from '@circlet/shared/hash/siphash.ts';
import type { Now } from '@circlet/shared/machine.ts';
import { addressOf, type FrameHeader } from '@circlet/shared/protocol/frame.ts';
import { CLOCK_ERROR_MS, STATE_PART_BYTES_MAX, TIMEOUT_MS_MAX } from '@circlet/shared/protocol/limits.ts';
import type { MessageOf, ReplicaRequest } from '@circlet/shared/protocol/message.ts';
import { NO_DIGEST, NO_STATE, type RefusalReason } from '@circlet/shared/protocol/replica.ts';
import type { StatePartSent } from '@circlet/shared/protocol/state-part.ts';
import { checkFullKey, type FullKey } from '@circlet/shared/ring/key.ts';
import { positionOf, prefixOf, vnodeOf } from '@circlet/shared/ring/position.ts';
import type { Ring } from '@circlet/shared/ring/topology.ts';
import { notice, send, type Turn } from './effects.ts';
import type { HintLedger } from './hint-ledger.ts';
import {
  type Before,
  HEALABLE_MS,
  lead,
  type Hinting,
  mergeInto,
  type MergeResult,
  type Minter,
} from './replica.ts';
import { decodeRow, encodeRow, type Row } from './row.ts';
import type { Entry, Locator, Lookup, Store } from './store.ts';

/**
 * The replicas of one node in one topology after the other: places a key, applies the rules of `replica.ts` to its row, and
 * answers. A key that this node owns is in `rows`; of any other it can hold a hint.
 */
export interface ReplicasOptions {
  readonly name: string;
  readonly boot: string;
  readonly clusterKey: SipKey;
  readonly store: Store;
  /** Hints held before this node answers `busy` to further ones (protocol.md, rule 6). */
  readonly hintKeysMax: number;
}

/** Who has to know of every change to a row, in the turn that makes it. */
export interface RowObserver {
  changed(at: Locator, before: Row | undefined, after: Row | undefined): void;
  /** Something was written where something could not be read. */
  replaced(at: Locator): void;
  /** The row is damaged, or in the place of one that was. */
  suspect(at: Locator, now: Now): void;
}

export class Replicas {
  /** Writes so far; see `Machine`. */
  mutations = 0;
  private readonly options: ReplicasOptions;
  private readonly store: Store;
  private ring: Ring | undefined;
  private hints: HintLedger | undefined;
  private rows: RowObserver | undefined;
  /** The last serial given to an actor in this life (law 3). */
  private serial = 0;

  constructor(options: ReplicasOptions) {
    this.options = options;
    this.store = options.store;
  }

  adopt(ring: Ring, hints: HintLedger, rows: RowObserver): void {
    this.ring = ring;
    this.hints = hints;
    this.rows = rows;
  }

  /** Does what is asked, of a node that is ready. `owedBy` hold writes that this node owns and may not have. */
  serve(turn: Turn, from: FrameHeader, message: ReplicaRequest, owedBy: readonly string[]): void {
    try {
      checkFullKey(message.key);
      if (message.kind === 'read') this.read(turn, from, message, owedBy);
      else if (message.kind === 'merge') this.merge(turn, from, message);
      else this.lead(turn, from, message);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      turn.effects.push(notice('warn', 'bad_state', { from: from.name, reason: error.message }));
    }
  }

  private read(turn: Turn, from: FrameHeader, message: MessageOf<'read'>, owedBy: readonly string[]): void {
    const { at, isOwner: isKeeper, isRead } = this.place(message.key);
    // What it took as a fallback, before it came to keep the key, it holds until the owners have it.
    const isHolder = !isRead && this.store.get('hints', at).kind === 'found';
    const isOwner = isKeeper && !isHolder;
    const answer = {
      kind: 'found' as const,
      id: message.id,
      as: isOwner ? ('owner' as const) : ('holder' as const),
      what: 'absent' as const,
      digest: NO_DIGEST,
      sole: 0,
      part: 0,
      parts: 1,
      state: NO_STATE,
      owedBy: isOwner ? owedBy : [],
    };
    const reply = (fields: Partial<MessageOf<'found'>>) =>
      turn.effects.push(send(addressOf(from), { ...answer, ...fields }));
    const row = this.before(this.store.get(isOwner ? 'rows' : 'hints', at));
    // What was lost with the disk, or an owner-to-be has not got yet, may be on its way here still: nothing that is here, or
    // is not, can be vouched for.
    const isUnsure = isOwner && !isRead;
    if (row === undefined) {
      reply(isOwner ? { what: isUnsure ? 'suspect' : 'absent' } : { as: 'stranger' });
      return;
    }
    const isDamaged = row === 'corrupt' || row.suspectSince !== undefined;
    const isSuspect = isDamaged || isUnsure;
    if (isDamaged) turn.effects.push(notice('alarm', 'row_suspect', { table: isOwner ? 'rows' : 'hints' }));
    if (isDamaged && isOwner) this.rows?.suspect(at, turn.now);
    if (row === 'corrupt') {
      reply({ what: 'suspect' });
    } else if (message.want === 'digest') {
      reply({ what: isSuspect ? 'suspect' : 'digest', digest: row.digest, sole: row.sole });
    } else {
      // What a suspect row has counts for nothing, and can still be what another damaged row has lost.
      const what = isSuspect ? 'suspect' : 'state';
      const states = inParts(row.state);
      states.forEach((state, part) => {
        reply({ what, digest: row.digest, sole: row.sole, part, parts: states.length, state });
      });
    }
  }

  private lead(turn: Turn, from: FrameHeader, message: MessageOf<'lead'>): void {
    const { at, isOwner } = this.place(message.key);
    const lookup = this.store.get(isOwner ? 'rows' : 'hints', at);
    const before = this.before(lookup);
    const owed = isOwner ? 0 : this.slotsOwed(message, before);
    const barred = this.barred(isOwner, message, before);
    if (barred !== undefined) {
      refuse(turn, from, message, barred);
      return;
    }
    const result = lead(before, message, this.minter(turn), { owed, wallMs: turn.now.wallMs });
    if (result.kind === 'refused') {
      refuse(turn, from, message, result.reason);
      return;
    }
    this.mutations++;
    this.serial = result.serial;
    if (result.row !== undefined) this.write(turn, isOwner, at, before, result.row);
    else if (!isOwner) this.oweMore(turn, at, before, owed);
    alarmOnDoubleDots(turn, result.doubleDots);
    const led = {
      kind: 'led' as const,
      id: message.id,
      outcome: result.outcome,
      dots: result.dots,
      writtenAtMs: result.writtenAtMs,
    };
    const states = result.outcome === 'closed' && isRow(before) ? inParts(before.state) : [NO_STATE];
    states.forEach((state, part) => {
      turn.effects.push(send(addressOf(from), { ...led, part, parts: states.length, state }));
    });
  }

  private merge(turn: Turn, from: FrameHeader, message: MessageOf<'merge'>): void {
    const { at, isOwner } = this.place(message.key);
    const before = this.before(this.store.get(isOwner ? 'rows' : 'hints', at));
    const owed = isOwner ? 0 : this.slotsOwed(message, before);
    const barred = this.barred(isOwner, message, before);
    if (barred !== undefined) {
      refuse(turn, from, message, barred);
      return;
    }
    const incoming = decodeState(message.state);
    const hinting = { owed, wallMs: turn.now.wallMs };
    const part = { state: incoming, requires: message.requires };
    // The deadline is that of the read which asked the others: so long before it at most was it begun.
    const readMs = message.deadlineMs - TIMEOUT_MS_MAX - CLOCK_ERROR_MS;
    const othersReadMs = message.heals ? readMs : undefined;
    const result = mergeInto(before, part, message.sole, othersReadMs, this.minter(turn), hinting);
    if (result.kind === 'clone') {
      turn.effects.push(notice('alarm', 'identity_clone', { name: this.options.name }));
      refuse(turn, from, message, 'internal');
      return;
    }
    if (result.kind === 'incomplete') {
      refuse(turn, from, message, 'incomplete');
      return;
    }
    if (result.kind === 'overfull') throw new DecodeError('too many dots of one write');
    this.mutations++;
    this.keep(turn, isOwner, at, before, result);
    turn.effects.push(send(addressOf(from), { kind: 'merged', id: message.id }));
  }

  /** Merges what another node holds or has: those parts that are here now; undefined when nothing counts. */
  takeStates(turn: Turn, from: string, entries: readonly StatePartSent[]): readonly Taken[] | undefined {
    const decoded = entries.flatMap((entry) => this.readEntry(turn, from, entry) ?? []);
    const taken: Taken[] = [];
    for (const { entry, at, part } of decoded) {
      const before = this.before(this.store.get('rows', at));
      const result = mergeInto(before, part, entry.sole, undefined, this.minter(turn), NOT_A_HINT);
      if (result.kind === 'clone') {
        turn.effects.push(notice('alarm', 'identity_clone', { name: this.options.name }));
        return undefined;
      }
      if (result.kind !== 'merged' && result.kind !== 'vacant') continue;
      this.mutations++;
      this.keep(turn, true, at, before, result);
      const isNew = result.kind === 'merged' && result.row !== undefined;
      const row = isNew ? result.row : before;
      taken.push({ entry, prefix: at.prefix, digest: isRow(row) ? row.digest : NO_DIGEST, isNew });
    }
    return taken;
  }

  /**
   * All other owners have told what they have in one place of the ring, asked at `askedMs`, and it is merged: the rows there
   * may vouch again, if that was long enough after the damage (`suspicion`). When the wait begins that is not over yet.
   */
  heal(turn: Turn, entries: readonly Entry[], askedMs: number, lostMs: number): number | undefined {
    let waitsFrom: number | undefined;
    for (const entry of entries) {
      const sinceMs =
        entry.kind === 'corrupt'
          ? this.giveUp(turn, entry.at, askedMs, lostMs)
          : this.vouch(turn, entry.at, askedMs);
      if (sinceMs !== undefined) waitsFrom = Math.max(waitsFrom ?? sinceMs, sinceMs);
    }
    return waitsFrom;
  }

  /** Nobody has anything for what cannot be read here: in the end it is as if it had not been. */
  private giveUp(turn: Turn, at: Locator, askedMs: number, lostMs: number): number | undefined {
    if (askedMs <= lostMs + HEALABLE_MS) return lostMs;
    this.mutations++;
    this.store.delete('rows', at);
    this.rows?.replaced(at);
    turn.effects.push(notice('alarm', 'row_lost'));
    return undefined;
  }

  private vouch(turn: Turn, at: Locator, askedMs: number): number | undefined {
    const before = this.before(this.store.get('rows', at));
    if (!isRow(before) || before.suspectSince === undefined) return undefined;
    const nothing = { state: emptyState, requires: [] };
    const result = mergeInto(before, nothing, [], askedMs, this.minter(turn), NOT_A_HINT);
    if (result.kind !== 'merged' && result.kind !== 'vacant') return undefined;
    this.mutations++;
    this.keep(turn, true, at, before, result);
    const since = result.kind === 'merged' ? (result.row ?? before).suspectSince : undefined;
    if (since === undefined) turn.effects.push(notice('info', 'row_healed'));
    return since?.monoMs;
  }

  /** Rows that this node keeps no more. */
  drop(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.mutations++;
      this.store.delete('rows', entry.at);
      if (entry.kind === 'found') this.rows?.changed(entry.at, decodeRow(entry.value), undefined);
      else this.rows?.replaced(entry.at);
    }
  }

  /** Undefined for an entry that is not what it should be: it stays where it is, and the others are taken. */
  private readEntry(turn: Turn, from: string, entry: StatePartSent) {
    try {
      checkFullKey(entry.key);
      const { at, isOwner } = this.place(entry.key);
      if (!isOwner) throw new DecodeError('a state of a key that is not ours');
      const state = decodeState(entry.state);
      // Whoever sent it goes by the digest: it must be this state's.
      if (entry.parts === 1 && latin1(digestOf(this.options.clusterKey, state)) !== entry.digest) {
        throw new DecodeError('a state that is not what its digest says');
      }
      return { entry, at, part: { state, requires: entry.requires } };
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      turn.effects.push(notice('warn', 'bad_state', { from, reason: error.message }));
      return undefined;
    }
  }

  /** Why a write may not be taken here, whatever it says. */
  private barred(
    isOwner: boolean,
    { owedSlots }: MessageOf<'lead'> | MessageOf<'merge'>,
    before: Before,
  ): RefusalReason | undefined {
    if (isOwner) return undefined;
    if (owedSlots === 0 || (owedSlots & ~this.allSlots) !== 0) return 'not_owner';
    const full = (this.hints?.held ?? 0) >= this.options.hintKeysMax || this.mayBeGoneSoon;
    return full && before === undefined ? 'busy' : undefined;
  }

  /** A hint whose row is damaged no longer says whom it was owed to: what replaces it is owed to everybody. */
  private slotsOwed({ owedSlots }: MessageOf<'lead'> | MessageOf<'merge'>, before: Before): number {
    return before === 'corrupt' ? this.allSlots : owedSlots;
  }

  /**
   * It has said, or is about to, that it holds no hints, and goes with the next topology; or it is on its way in, and goes when
   * that is cancelled. Hints would go along (rule 6).
   */
  private get mayBeGoneSoon(): boolean {
    const { ring } = this;
    const state = ring?.member(this.options.name)?.state;
    return state === 'joining' || (state === 'leaving' && ring?.topology.move?.phase === 'switching');
  }

  /** One bit for each owner that every vnode has. */
  private get allSlots(): number {
    return 2 ** (this.ring?.slots ?? 0) - 1;
  }

  /** A twin attempt that found its write held here still stands in for its slots. */
  private oweMore(turn: Turn, at: Locator, before: Before, owed: number): void {
    if (!isRow(before) || (before.owed | owed) === before.owed) return;
    this.write(turn, false, at, before, { ...before, owed: before.owed | owed });
  }

  /** What came of a merge is stored. */
  private keep(
    turn: Turn,
    isOwner: boolean,
    at: Locator,
    before: Before,
    result: Extract<MergeResult, { readonly kind: 'merged' | 'vacant' }>,
  ): void {
    if (result.kind === 'vacant') {
      // A row that says nothing would be a difference to the other owners, who have none.
      if (!isRow(before)) return;
      this.store.delete(isOwner ? 'rows' : 'hints', at);
      if (isOwner) this.rows?.changed(at, before, undefined);
      return;
    }
    if (result.row !== undefined) this.write(turn, isOwner, at, before, result.row);
    alarmOnDoubleDots(turn, result.doubleDots);
  }

  private write({ now }: Turn, isOwner: boolean, at: Locator, before: Before, row: Row): void {
    if (isOwner) {
      this.store.put('rows', at, encodeRow(row));
      if (before === 'corrupt') this.rows?.replaced(at);
      else this.rows?.changed(at, before, row);
      if (row.suspectSince !== undefined) this.rows?.suspect(at, now);
    } else {
      assert(this.hints !== undefined, 'a ready node has a hint ledger');
      this.hints.put(at, before, row);
    }
  }

  private before(lookup: Lookup): Before {
    if (lookup.kind === 'absent') return undefined;
    return lookup.kind === 'corrupt' ? 'corrupt' : decodeRow(lookup.value);
  }

  private get isRefilling(): boolean {
    return this.ring?.member(this.options.name)?.state === 'refilling';
  }

  /** `isOwner`: it keeps a row of the key, be it read or not; `isRead`: others may go by what it has. */
  private place(key: FullKey): { readonly at: Locator; readonly isOwner: boolean; readonly isRead: boolean } {
    const { ring } = this;
    const { name } = this.options;
    assert(ring !== undefined, 'a ready node has a ring');
    const position = positionOf(key);
    const vnode = vnodeOf(position, ring.vnodes);
    const isRead = ring.isOwner(vnode, name) && !this.isRefilling;
    return { at: { prefix: prefixOf(position), key }, isOwner: ring.slotOf(vnode, name) >= 0, isRead };
  }

  private minter({ now }: Turn): Minter {
    const { name, boot, clusterKey } = this.options;
    return { node: name, boot, digestKey: clusterKey, serial: this.serial, monoMs: now.monoMs };
  }
}

export interface Taken {
  readonly entry: StatePartSent;
  readonly prefix: number;
  /** Of the row now. */
  readonly digest: string;
  /** It changed something. */
  readonly isNew: boolean;
}

const NOT_A_HINT: Hinting = { owed: 0, wallMs: 0 };

/** Says no, with our clock: the sender may have it wrong (protocol.md, rule 15). */
export function refuse(turn: Turn, to: FrameHeader, { id }: ReplicaRequest, reason: RefusalReason): void {
  const monoMs = Math.floor(turn.now.monoMs);
  turn.effects.push(send(addressOf(to), { kind: 'refused', id, reason, monoMs }));
  turn.effects.push(notice('debug', 'request_refused', { reason }));
}

function alarmOnDoubleDots(turn: Turn, doubleDots: number): void {
  if (doubleDots > 0) turn.effects.push(notice('alarm', 'dot_issued_twice', { dots: doubleDots }));
}

function isRow(before: Before): before is Row {
  return before !== undefined && before !== 'corrupt';
}

/** The state as it is when it fits a frame, else in parts for a coordinator that assembles them (rule 3). */
function inParts(state: Uint8Array): readonly Uint8Array[] {
  if (state.length <= STATE_PART_BYTES_MAX) return [state];
  return partsOf(decodeState(state), STATE_PART_BYTES_MAX).map((part) => encodeState(part.state));
}
