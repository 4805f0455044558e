import { crc32 } from 'node:zlib';
import { covers } from '@circlet/shared/causality/history.ts';
import { isEmptyState, type KeyState, merge } from '@circlet/shared/causality/key-state.ts';
import { TIMEOUT_MS_MAX } from '@circlet/shared/protocol/limits.ts';
import type { Notice } from '@circlet/shared/machine.ts';
import { equalBytes, fromLatin1, latin1 } from '@circlet/shared/codec/bytes.ts';
import type { Ring, Topology } from '@circlet/shared/ring/topology.ts';
import { locate } from '@circlet/storage/core/hint-ledger.ts';
import { decodeRow, stateOf } from '@circlet/storage/core/row.ts';
import type { Locator, Store, Table } from '@circlet/storage/core/store.ts';
import type { WorldWatch } from '../world.ts';
import { Bits } from './bits.ts';
import type { KeyLedger, WriteRecord } from './key-ledger.ts';
import { keeps, type SlotNodes, slotsOf, Topologies } from './topologies.ts';
import type { Invariant } from './violation.ts';

/** One entry as the disk has it. */
interface Held {
  readonly state: KeyState;
  readonly digest: string;
  readonly owed: number;
  readonly covered: readonly string[];
  /** It replaced a damaged entry and does not vouch yet. */
  readonly isSuspect: boolean;
  readonly bytes: Uint8Array;
}

type Shelf = Map<string, Held>;

export interface WatchOptions {
  readonly ledgerOf: (key: Uint8Array) => KeyLedger | undefined;
  readonly keys: () => readonly Uint8Array[];
  /** Of an entry that cannot be read, only its place in the ring is known. */
  readonly keyAt: (prefix: number) => Uint8Array | undefined;
  readonly blame: (invariant: Invariant, what: string) => void;
  readonly nowMs: () => number;
  /** Names the process that the pod has now. */
  readonly lifeOf: (pod: string) => string;
  /** Until when, by its own clock, the pod was asked to lead the write. */
  readonly leadsUntilMs: (pod: string, writeId: string) => number | undefined;
  /** What the pod's own clock shows. */
  readonly monoMs: (pod: string) => number;
  /** Whether anything that one pod sent got to the other, or to any coordinator, since. */
  readonly toldSince: (from: string, to: string, sinceMs: number) => boolean;
}

/**
 * The white box: every entry of every disk as it became durable, and what may never happen to one. Rows only grow
 * (law 6), a dot stands for one write (I9), a hint goes when its owner has it (I7), what a killed process had committed
 * is there when the next one starts. It knows of all copies, so an acknowledgement can be checked when it is given.
 */
export class ReplicaWatch implements WorldWatch {
  /** What the disks say of the cluster. */
  readonly topologies = new Topologies();
  private readonly options: WatchOptions;
  private readonly disks = new Map<string, Record<Table, Shelf>>();
  /** Pods whose disks are being damaged: what is gone from them is not their fault. */
  private readonly damaged = new Set<string>();
  /** When each node's whole disk last lost something, and when rows did, by pod and key: what was acknowledged may be gone. */
  private readonly forgetfulMs = new Map<string, number>();
  private readonly forgottenMs = new Map<string, number>();
  private lastLossMs = Number.NEGATIVE_INFINITY;
  /** Entries that fail their checksum, by pod, table and place in the ring. */
  private readonly broken = new Set<string>();
  /** Rows that cannot be read, or replaced such a one and do not vouch yet, by pod and key, and since when. */
  private readonly doubtful = new Map<string, number>();
  /** When they last were, of those that vouch again. */
  private readonly lastDoubtMs = new Map<string, number>();
  /** Pods on empty disks, since when, and what the other owners of each key had then. */
  private readonly wiped = new Map<
    string,
    { readonly atMs: number; readonly others: readonly { readonly key: Uint8Array; readonly held: Bits }[] }
  >();
  /** When the last pod was refilled. */
  lastRefilledMs = Number.NEGATIVE_INFINITY;
  /** When a topology was last adopted. */
  lastMovedMs = Number.NEGATIVE_INFINITY;
  /** The last epoch that each disk has recorded. */
  private readonly epochs = new Map<string, number>();
  private readonly documents = new Map<number, { readonly value: Uint8Array; readonly topology: Topology }>();
  /** The last epoch that each life of a pod has acted on. */
  private readonly actsOn = new Map<string, number>();
  /** The key of each actor: serials are a node's own, so a dot names a write among those of all keys. */
  private readonly actors = new Map<string, KeyLedger>();
  /** When a pod last held a hint that it holds no more, by pod and key. */
  private readonly heldUntilMs = new Map<string, number>();

  constructor(options: WatchOptions) {
    this.options = options;
  }

  changed(pod: string, table: Table, at: Locator, value: Uint8Array | undefined): void {
    const shelf = this.shelf(pod, table);
    const name = latin1(at.key);
    const before = shelf.get(name);
    if (value === undefined) {
      shelf.delete(name);
      if (table === 'rows') this.vacated(pod, at, before);
      else if (before !== undefined) this.discharged(pod, at.key, before, before.owed);
      if (table === 'hints') this.heldUntilMs.set(`${pod}/${name}`, this.options.nowMs());
      return;
    }
    const held = heldIn(value);
    shelf.set(name, held);
    if (this.broken.delete(`${pod}/${table}/${at.prefix}`) && !held.isSuspect)
      this.blame('I14', `${pod} takes what replaced a damaged entry for whole`);
    if (table === 'rows' && !held.isSuspect) {
      if (before?.isSuspect === true) this.checkWaited(pod, name);
      this.isSure(`${pod}/${name}`);
    }
    this.learn(at.key, before?.state, held.state, pod);
    const ring = this.topologies.of(pod);
    const isKeeper = ring !== undefined && keeps(ring, at.key, pod);
    // A hint that was held for a slot before it came to this node is still there for a moment.
    if (isKeeper ? table === 'hints' && before === undefined : table === 'rows')
      this.blame('I3', `${pod} keeps in ${table} what belongs elsewhere`);
    if (before === undefined) return;
    this.checkGrowth(pod, before.state, held.state);
    if (before.isSuspect && !held.isSuspect) this.checkHealed(pod, at.key, held.state);
    if (table === 'hints') this.discharged(pod, at.key, before, before.owed & ~held.owed);
  }

  /**
   * A log that ended at a flipped bit can go on where it did: when what is written again is the same to the byte, the
   * frames behind it fit once more, and the next recovery brings back what they hold. More than was known is no loss.
   */
  opened(pod: string, store: Store, isTorn: boolean): void {
    this.topologies.opened(pod, store.readMeta('topology'));
    const shelves = this.disks.get(pod);
    const mayDiffer = this.damaged.has(pod) || shelves === undefined;
    for (const table of TABLES) {
      const old = shelves?.[table] ?? new Map<string, Held>();
      const found = new Map<string, { at: Locator; value: Uint8Array }>();
      for (const entry of store.scan(table, undefined, ENTRIES_MAX)) {
        if (entry.kind === 'found') found.set(latin1(entry.at.key), entry);
        else this.isBroken(pod, table, entry.at.prefix);
      }
      if (mayDiffer) {
        this.epochs.delete(pod);
        const fresh: Shelf = new Map();
        for (const [name, { value }] of found) {
          const held = heldIn(value);
          fresh.set(name, held);
          if (table === 'rows' && held.isSuspect) this.doubt(pod, name);
        }
        this.disksOf(pod)[table] = fresh;
        continue;
      }
      for (const [name, { at, value }] of found) {
        const was = old.get(name);
        const is = heldIn(value);
        if (was?.digest === is.digest && was.owed === is.owed) continue;
        if (isTorn) this.changed(pod, table, at, value.slice());
        else if (this.forgetfulMs.has(pod) && (was === undefined || isCovered(was.state, is.state)))
          old.set(name, is);
        else this.blame('I1', `${pod} finds another entry in ${table} than was committed`);
      }
      for (const name of old.keys()) {
        if (found.has(name)) continue;
        if (isTorn && table === 'hints') old.delete(name);
        else this.blame('I1', `${pod} has lost a committed entry of ${table}`);
      }
    }
  }

  // ---- disks that lose something ----

  /** Whatever `damage` does to the pod's disk, it may; acknowledged writes are owed so many copies less. */
  lossy(pod: string, keys: readonly Uint8Array[], damage: () => void, isVoterStill: boolean): void {
    this.forgetDoubts(pod);
    this.forgetfulMs.set(pod, this.options.nowMs());
    this.lose(pod, keys, damage, isVoterStill);
  }

  private lose(pod: string, keys: readonly Uint8Array[], damage: () => void, isVoterStill: boolean): void {
    const before = keys.map((key) => this.slots(key));
    const soon = keys.map((key) => this.heldAsSecond(pod, key));
    this.damaged.add(pod);
    this.lastLossMs = this.options.nowMs();
    damage();
    this.damaged.delete(pod);
    keys.forEach((key, i) => {
      const ledger = this.options.ledgerOf(key);
      if (ledger === undefined) return;
      const after = this.slots(key);
      this.weaken(ledger, before[i] ?? [], after, key, pod, isVoterStill, soon[i] ?? new Bits());
    });
  }

  /** What a node has that takes the writes of a slot which moves, and is not read. */
  private heldAsSecond(pod: string, key: Uint8Array): Bits {
    const ledger = this.options.ledgerOf(key);
    const row = this.disks.get(pod)?.rows.get(latin1(key));
    const { newest } = this.topologies;
    if (ledger === undefined || row === undefined || newest === undefined) return new Bits();
    const isSecond = slotsOf(newest, key).some(({ second }) => second === pod);
    return isSecond ? closureOf(ledger, row.state) : new Bits();
  }

  /** The whole disk is another: what was wrong with the one before does not count, what is wrong with this one is seen. */
  private forgetDoubts(pod: string): void {
    for (const place of this.broken) if (place.startsWith(`${pod}/`)) this.broken.delete(place);
    for (const place of this.doubtful.keys()) if (place.startsWith(`${pod}/`)) this.isSure(place);
  }

  private isBroken(pod: string, table: Table, prefix: number): void {
    this.broken.add(`${pod}/${table}/${prefix}`);
    const key = this.options.keyAt(prefix);
    if (table === 'rows' && key !== undefined) this.doubt(pod, latin1(key));
  }

  private isSure(place: string): void {
    if (this.doubtful.delete(place)) this.lastDoubtMs.set(place, this.options.nowMs());
  }

  /** From now on, if not for longer already. */
  private doubt(pod: string, name: string): void {
    const place = `${pod}/${name}`;
    if (!this.doubtful.has(place)) this.doubtful.set(place, this.options.nowMs());
  }

  /** The pod's disk is empty from now on: whatever the others have is to come back to it before it vouches again. */
  isWiped(pod: string, keys: readonly Uint8Array[]): void {
    const others = keys.flatMap((key) => {
      const owners = this.ownersOf(key);
      const ledger = this.options.ledgerOf(key);
      if (!owners.includes(pod) || ledger === undefined) return [];
      const held = new Bits();
      for (const owner of owners) {
        const row = owner === pod ? undefined : this.disks.get(owner)?.rows.get(latin1(key));
        if (row !== undefined) held.addAll(closureOf(ledger, row.state));
      }
      return [{ key, held }];
    });
    this.wiped.set(pod, { atMs: this.options.nowMs(), others });
  }

  /** Rule 13: who was refilled has all that the others had when its disk was lost. What was acknowledged has its copies again. */
  noticed(pod: string, { event, fields }: Notice): void {
    if (event === 'topology_adopted') this.adopted(pod, Number(fields?.['epoch']));
    const wiped = this.wiped.get(pod);
    if (event !== 'refilled' || wiped === undefined) return;
    this.wiped.delete(pod);
    this.lastRefilledMs = this.options.nowMs();
    for (const { key, held } of wiped.others) {
      const ledger = this.options.ledgerOf(key);
      if (ledger === undefined || !this.ownersOf(key).includes(pod)) continue;
      const row = this.disks.get(pod)?.rows.get(latin1(key));
      const missing = held.copy().removeAll(row === undefined ? new Bits() : closureOf(ledger, row.state));
      const first = [...missing.members()][0];
      // What another disk has lost since, nobody could tell it.
      if (first !== undefined && this.lastLossMs <= wiped.atMs)
        this.blame('I14', `${pod} is refilled without ${ledger.nameOf(first)}, which others had`);
      const slots = this.slots(key);
      for (const record of ledger.writes) {
        if (record.outcome !== 'ok') continue;
        record.copies = Math.max(record.copies, Math.min(record.promised, countOf(slots, record)));
      }
    }
  }

  vouchedEarly(pod: string): void {
    this.blame('I10', `${pod} vouches for what it has before it is refilled`);
  }

  // ---- topologies ----

  /** I10: nor does a process, a coordinator's least of all. */
  private adopted(pod: string, epoch: number): void {
    const life = this.options.lifeOf(pod);
    const before = this.actsOn.get(life) ?? 0;
    if (epoch < before) this.blame('I10', `${pod} went from epoch ${before} back to ${epoch}`);
    this.actsOn.set(life, epoch);
  }

  /** I10: a disk never goes back to an earlier epoch, and there is one document for each. */
  recorded(pod: string, name: string, value: Uint8Array): void {
    if (name !== 'topology') return;
    const last = this.topologies.newest;
    const { topology } = this.topologies.recorded(pod, value);
    this.lastMovedMs = this.options.nowMs();
    if (this.topologies.newest !== last) this.changedOwners();
    const { epoch } = topology;
    const before = this.epochs.get(pod) ?? 0;
    if (epoch < before) this.blame('I10', `${pod} went from epoch ${before} back to ${epoch}`);
    this.epochs.set(pod, epoch);
    const known = this.documents.get(epoch);
    if (known === undefined || !haveDisksInCommon(known.topology, topology))
      this.documents.set(epoch, { value, topology });
    else if (!equalBytes(known.value, value)) this.blame('I10', `epoch ${epoch} has two documents`);
  }

  /** Rule 10: with those who are read from now on, what was acknowledged is on as many slots as before. */
  private changedOwners(): void {
    if (this.hasForgotten) return;
    for (const key of this.options.keys()) {
      const slots = this.slots(key);
      const lost = this.options
        .ledgerOf(key)
        ?.writes.find((record) => record.outcome === 'ok' && countOf(slots, record) < record.copies);
      if (lost === undefined) continue;
      const has = countOf(slots, lost);
      this.blame('I10', `${lost.name} is read from ${has} slots now, and ${lost.copies} acknowledged it`);
    }
  }

  /** Of the newest topology: those who are read, in slot order. */
  ownersOf(key: Uint8Array): readonly string[] {
    return this.topologies.ownersOf(key);
  }

  /** An entry that a running pod holds can no longer be read. */
  rotted(pod: string, table: Table, { key, prefix }: Locator): void {
    const place = `${pod}/${latin1(key)}`;
    this.broken.add(`${pod}/${table}/${prefix}`);
    if (table === 'rows') {
      this.forgottenMs.set(place, this.options.nowMs());
      this.doubtful.set(place, this.options.nowMs());
    } else {
      this.heldUntilMs.set(place, this.options.nowMs());
    }
    this.lose(pod, [key], () => this.shelf(pod, table).delete(latin1(key)), false);
  }

  /** Whether the owner's row has been unable to vouch ever since. */
  isDoubtfulSince(pod: string, key: Uint8Array, sinceMs: number): boolean {
    return (this.doubtful.get(`${pod}/${latin1(key)}`) ?? Number.POSITIVE_INFINITY) <= sinceMs;
  }

  /** Whether some owner's row was unable to vouch at some time since. */
  isInDoubtSince(key: Uint8Array, sinceMs: number): boolean {
    return this.ownersOf(key).some((owner) => {
      const place = `${owner}/${latin1(key)}`;
      return this.doubtful.has(place) || (this.lastDoubtMs.get(place) ?? Number.NEGATIVE_INFINITY) >= sinceMs;
    });
  }

  /** Some disk has lost something: what a session has seen may be gone. */
  get hasForgotten(): boolean {
    return this.forgetfulMs.size + this.forgottenMs.size > 0;
  }

  /** Fallbacks that hold the key, or did at some time since. */
  holdersSince(key: Uint8Array, sinceMs: number): number {
    const name = latin1(key);
    const held = (pod: string) =>
      (this.heldUntilMs.get(`${pod}/${name}`) ?? Number.NEGATIVE_INFINITY) >= sinceMs;
    return [...this.disks].filter(([pod, { hints }]) => hints.has(name) || held(pod)).length;
  }

  private weaken(
    ledger: KeyLedger,
    before: readonly Bits[],
    after: readonly Bits[],
    key: Uint8Array,
    pod: string,
    isVoterStill: boolean,
    soon: Bits,
  ): void {
    const slot = this.ownersOf(key).indexOf(pod);
    for (const record of ledger.writes) {
      const had = countOf(before, record);
      // Whoever is to be read soon, and is not yet, takes a copy along that would have counted then.
      const has = countOf(after, record) - Number(soon.has(record.index));
      if (record.outcome === 'ok' && had < record.copies) {
        this.blame('I1', `${record.name} has ${had} copies, and ${record.copies} were acknowledged`);
      }
      // A disk that went back to what it was votes as if nothing had been; one that knows of its damage does not.
      const isForgotten = isVoterStill && slot >= 0 && after[slot]?.has(record.index) !== true;
      if (has === had && !isForgotten) continue;
      if (record.outcome !== 'ok') {
        record.lostEarly.copies += had - has;
        record.lostEarly.owners += isForgotten ? 1 : 0;
        continue;
      }
      const copies = Math.max(0, record.copies - (had - has));
      const owners = record.okOwners - (isForgotten ? 1 : 0);
      ledger.weaken(record, { copies, owners: Math.max(0, owners), lost: has <= 0 && copies === 0 });
    }
  }

  // ---- what there is ----

  /** For each slot of the key, all writes that a copy for it holds or knows to be superseded. */
  slots(key: Uint8Array): readonly Bits[] {
    const ledger = this.options.ledgerOf(key);
    const owners = this.ownersOf(key);
    const slots = owners.map(() => new Bits());
    if (ledger === undefined) return slots;
    const name = latin1(key);
    for (const [pod, { rows, hints }] of this.disks) {
      const row = rows.get(name);
      const slot = owners.indexOf(pod);
      if (row !== undefined && slot >= 0) slots[slot]?.addAll(closureOf(ledger, row.state));
      const hint = hints.get(name);
      if (hint === undefined) continue;
      slots.forEach((bits, i) => {
        if ((hint.owed & (1 << i)) !== 0) bits.addAll(closureOf(ledger, hint.state));
      });
    }
    return slots;
  }

  /**
   * A write that was begun at `askedMs` is acknowledged under `ring`: W distinct slots have it on a disk, and PW owners (I6).
   * A slot that moves has it when both its nodes do (rule 10).
   */
  acknowledged(
    key: Uint8Array,
    record: WriteRecord,
    need: { readonly any: number; readonly owners: number },
    askedMs: number,
    ring: Ring,
  ): void {
    // Somebody who acknowledged it may have lost it since.
    if (this.lastLossMs >= askedMs) return;
    const ledger = this.options.ledgerOf(key);
    if (ledger === undefined) return;
    const name = latin1(key);
    const has = (node: string) => {
      const row = this.disks.get(node)?.rows.get(name);
      return row !== undefined && closureOf(ledger, row.state).has(record.index);
    };
    const hints = [...this.disks.values()].flatMap((shelves) => shelves.hints.get(name) ?? []);
    const isHinted = (slot: number) =>
      hints.some(
        (hint) => (hint.owed & (1 << slot)) !== 0 && closureOf(ledger, hint.state).has(record.index),
      );
    const slots = slotsOf(ring, key).filter(({ owner }) => owner !== undefined);
    const byOwners = slots.filter((slot) => nodesOf(slot).every(has)).length;
    const any = slots.filter((slot, i) => isHinted(i) || nodesOf(slot).every(has)).length;
    if (any < need.any) this.blame('I6', `${record.name} is acknowledged with ${any} copies of ${need.any}`);
    if (byOwners < need.owners)
      this.blame('I6', `${record.name} is acknowledged by ${byOwners} owners of ${need.owners}`);
  }

  /** What every member's disk has of the key, merged as a reader of all of them would. */
  merged(key: Uint8Array): KeyState | undefined {
    let whole: KeyState | undefined;
    for (const [pod, { rows, hints }] of this.disks) {
      if (this.topologies.newest?.member(pod) === undefined) continue;
      for (const held of [rows.get(latin1(key)), hints.get(latin1(key))]) {
        if (held === undefined) continue;
        whole = whole === undefined ? held.state : merge(whole, held.state, NOBODY).state;
      }
    }
    return whole;
  }

  rowOf(pod: string, key: Uint8Array): Uint8Array | undefined {
    return this.disks.get(pod)?.rows.get(latin1(key))?.bytes;
  }

  /** Hints on all disks, but for those that a disk which has left the cluster and went back in time has once more. */
  get hintsHeld(): number {
    const { newest } = this.topologies;
    return [...this.disks].reduce((sum, [pod, { hints }]) => {
      const isOfThePast = newest?.member(pod) === undefined && this.forgetfulMs.has(pod);
      return sum + (isOfThePast ? 0 : hints.size);
    }, 0);
  }

  // ---- what may never happen ----

  /** Only what stood for a damaged row may go, when it was healed and there is nothing that it could hold (law 6). */
  private vacated(pod: string, at: Locator, before: Held | undefined): void {
    const key = this.options.keyAt(at.prefix) ?? at.key;
    const ring = this.topologies.of(pod);
    const isDropped = ring !== undefined && !keeps(ring, key, pod);
    const isGivenUp = before === undefined && this.broken.delete(`${pod}/rows/${at.prefix}`);
    if (isGivenUp && !isDropped) {
      this.checkWaited(pod, latin1(key));
      this.isSure(`${pod}/${latin1(key)}`);
      return;
    }
    if (isDropped) {
      this.dropped(pod, key, before);
      return;
    }
    if (before?.isSuspect !== true || !isEmptyState(before.state)) {
      this.blame('I8', `${pod} removed a row`);
      return;
    }
    this.checkWaited(pod, latin1(key));
    this.checkHealed(pod, key, before.state);
    this.isSure(`${pod}/${latin1(key)}`);
  }

  /** I10: who keeps a row no more lets it go when all that was acknowledged in it is with those who do. */
  private dropped(pod: string, key: Uint8Array, before: Held | undefined): void {
    const name = latin1(key);
    this.broken.delete(`${pod}/rows/${locate(key).prefix}`);
    this.isSure(`${pod}/${name}`);
    const ledger = this.options.ledgerOf(key);
    if (ledger === undefined || before === undefined || this.hasForgotten) return;
    const slots = this.slots(key);
    for (const index of closureOf(ledger, before.state).members()) {
      const write = ledger.writes[index];
      if (write?.outcome === 'ok' && !slots.some((slot) => slot.has(index)))
        this.blame('I10', `${pod} drops ${write.name}, which no owner has`);
    }
  }

  /** The hint for these slots is gone: their nodes must have all that was in it (I7). */
  private discharged(pod: string, key: Uint8Array, hint: Held, slots: number): void {
    const ring = this.topologies.of(pod);
    if (slots === 0 || ring === undefined) return;
    slotsOf(ring, key).forEach(({ owner, second }, slot) => {
      if ((slots & (1 << slot)) === 0) return;
      for (const node of [owner, second]) {
        if (node === undefined || this.hasLost(node, key)) continue;
        const row = this.disks.get(node)?.rows.get(latin1(key));
        if (row === undefined || !isCovered(hint.state, row.state))
          this.blame('I7', `${pod} dropped a hint that ${node} does not have`);
      }
    });
  }

  /** Something of it since what may arrive only now was sent. */
  private hasLost(owner: string, key: Uint8Array): boolean {
    const lossesMs = [this.forgetfulMs.get(owner), this.forgottenMs.get(`${owner}/${latin1(key)}`)];
    return lossesMs.some((ms) => ms !== undefined && ms > this.options.nowMs() - LATE_MS);
  }

  /** Law 6: what was seen stays seen, and a write goes only when something that saw it has come. */
  private checkGrowth(pod: string, before: KeyState, after: KeyState): void {
    if (!covers(after.history, before.history)) this.blame('I8', `a history shrank at ${pod}`);
    if (!isWithin(before.closed, after.closed)) {
      this.blame('I8', `a closed write was forgotten at ${pod}`);
    }
  }

  /**
   * A damaged row vouches again: what any other owner had, when the read that made it whole was asked, it has too. Younger
   * writes may have been acknowledged since.
   */
  private checkHealed(pod: string, key: Uint8Array, state: KeyState): void {
    const ledger = this.options.ledgerOf(key);
    if (ledger === undefined) return;
    const own = closureOf(ledger, state);
    const askedMs = this.options.nowMs() - TIMEOUT_MS_MAX - 1_000;
    for (const owner of this.ownersOf(key)) {
      const row = this.disks.get(owner)?.rows.get(latin1(key));
      if (owner === pod || row === undefined) continue;
      const beyond = closureOf(ledger, row.state).removeAll(own);
      for (const index of beyond.members()) {
        const write = ledger.writes[index];
        if (write?.outcome === 'ok' && write.okMs < askedMs)
          this.blame('I14', `${pod} vouches again without ${write.name}, which ${owner} has`);
      }
    }
  }

  /**
   * What made the row whole was read when nothing could be counted any more that it had acknowledged before its damage: no
   * earlier than the longest deadline after it, less what clocks drift.
   */
  private checkWaited(pod: string, name: string): void {
    const sinceMs = this.doubtful.get(`${pod}/${name}`);
    const waitedMs = this.options.nowMs() - (sinceMs ?? Number.NEGATIVE_INFINITY);
    if (waitedMs < 0.99 * TIMEOUT_MS_MAX)
      this.blame('I14', `${pod} vouches again ${Math.round(waitedMs)} ms after its row was damaged`);
    // Whoever was heard by nobody since the wait was over has not told what it has.
    const overMs = (sinceMs ?? 0) + 0.99 * TIMEOUT_MS_MAX;
    for (const owner of this.ownersOf(fromLatin1(name))) {
      if (owner !== pod && !this.options.toldSince(owner, pod, overMs))
        this.blame('I14', `${pod} vouches again, and ${owner} has not told what it has`);
    }
  }

  private learn(key: Uint8Array, before: KeyState | undefined, state: KeyState, pod: string): void {
    const ledger = this.options.ledgerOf(key);
    if (ledger === undefined) return;
    const nowMs = this.options.nowMs();
    for (const { writeId, dots, check, body } of state.siblings) {
      const record = ledger.find(writeId);
      if (record === undefined) {
        this.blame('I14', `${pod} holds a write that nobody made`);
        continue;
      }
      if (check !== record.check || crc32(body) !== check) {
        this.blame('I14', `${pod} holds another value of ${record.name} than was written`);
      }
      const isHeld = before?.siblings.some((sibling) => sibling.writeId === writeId) === true;
      for (const { actor, counter } of dots) {
        const isNew = ledger.learn(record, actor, counter, nowMs);
        if (!isNew) continue;
        const keyOfActor: KeyLedger = this.actors.get(actor) ?? ledger;
        this.actors.set(actor, keyOfActor);
        if (keyOfActor !== ledger) this.blame('I9', `${actor} has given dots of two keys`);
        if (actor.startsWith(`${pod}.`)) this.checkMinted(pod, record, isHeld);
      }
    }
  }

  private checkMinted(pod: string, { name, writeId }: WriteRecord, isHeld: boolean): void {
    // A lead that holds the write mints nothing (rule 22).
    if (isHeld) this.blame('I9', `${pod} gave ${name} another dot, and had it already`);
    const deadlineMs = this.options.leadsUntilMs(pod, writeId);
    const lateMs = this.options.monoMs(pod) - (deadlineMs ?? Number.NEGATIVE_INFINITY);
    if (lateMs > 1)
      this.blame('I11', `${pod} led ${name} ${lateMs.toFixed(0)} ms after what it was asked by`);
  }

  private blame(invariant: Invariant, what: string): void {
    this.options.blame(invariant, what);
  }

  private disksOf(pod: string): Record<Table, Shelf> {
    let shelves = this.disks.get(pod);
    if (shelves === undefined) {
      shelves = { rows: new Map(), hints: new Map() };
      this.disks.set(pod, shelves);
    }
    return shelves;
  }

  private shelf(pod: string, table: Table): Shelf {
    return this.disksOf(pod)[table];
  }
}

const TABLES: readonly Table[] = ['rows', 'hints'];
/** An acknowledgement may wait so long in links that are clogged and processes that hang. */
const LATE_MS = 300_000;
/** More than any run writes. */
const ENTRIES_MAX = 1_000_000;
const NOBODY: ReadonlySet<string> = new Set();

function heldIn(value: Uint8Array): Held {
  const row = decodeRow(value);
  return {
    state: stateOf(row),
    digest: row.digest,
    owed: row.owed,
    covered: row.covered,
    isSuspect: row.suspectSince !== undefined,
    bytes: row.state,
  };
}

function nodesOf({ owner, second }: SlotNodes): readonly string[] {
  return [owner, second].filter((node) => node !== undefined);
}

function closureOf(ledger: KeyLedger, { siblings }: KeyState): Bits {
  return ledger.closure(siblings.flatMap(({ writeId }) => ledger.find(writeId) ?? []));
}

/** Of two lists in order, whether the second has all of the first. */
function isWithin(small: readonly string[], large: readonly string[]): boolean {
  let at = 0;
  for (const id of small) {
    while (at < large.length && (large[at] ?? '') < id) at++;
    if (large[at] !== id) return false;
  }
  return true;
}

function haveDisksInCommon(a: Topology, b: Topology): boolean {
  return a.members.some(({ disk }) => b.members.some((member) => member.disk === disk));
}

function countOf(slots: readonly Bits[], { index }: WriteRecord): number {
  return slots.filter((bits) => bits.has(index)).length;
}

/** Whether merging `small` into `large` would tell it nothing new. */
function isCovered(small: KeyState, large: KeyState): boolean {
  const { state } = merge(large, small, NOBODY);
  return covers(large.history, small.history) && dotsOf(state) === dotsOf(large);
}

function dotsOf({ siblings }: KeyState): string {
  return siblings.map(({ writeId, dots }) => writeId + dots.length).join();
}
