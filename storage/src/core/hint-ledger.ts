import type { FullKey } from '@circlet/shared/ring/key.ts';
import { positionOf, prefixOf, vnodeOf } from '@circlet/shared/ring/position.ts';
import type { Ring } from '@circlet/shared/ring/topology.ts';
import type { HintPage } from '@circlet/shared/protocol/hint.ts';
import type { StatePartSent } from '@circlet/shared/protocol/state-part.ts';
import type { Before } from './replica.ts';
import { decodeRow, encodeRow, type Row } from './row.ts';
import { inFrames, partsOfRow } from './state-parts.ts';
import type { Locator, Store } from './store.ts';

/**
 * The hints this node holds: one state per key with the set of slots it is still owed to (protocol.md, rule 5). A hint
 * belongs to a slot of its vnode, not to a node, so it follows the slot when owners change (rule 6). It goes only when
 * every owner proved that it covers exactly the state held; of a slot that moves, both its nodes (rule 10).
 */
export class HintLedger {
  private readonly store: Store;
  private readonly ring: Ring;
  /** Keys owed to each node: derived from the rows, then kept in step with them. */
  private readonly owedTo = new Map<string, number>();
  /** Of the pass that is under way: where it is, the oldest so far, and how many rows could not be read. */
  private cursor: Locator | undefined;
  private seenMs = Number.POSITIVE_INFINITY;
  private seenCorrupt = 0;
  /** Wall clock of the oldest hint as of the last whole pass; undefined when there is none. */
  oldestAtMs: number | undefined;
  /** Rows whose checksum failed: an acknowledged write was lost on this disk. They stay, for the operator to see. */
  corrupt = 0;

  constructor(store: Store, ring: Ring) {
    this.store = store;
    this.ring = ring;
    this.recount();
  }

  /** Targets in name order with how many keys each is owed. */
  owed(): readonly { readonly target: string; readonly keys: number }[] {
    return [...this.owedTo]
      .filter(([, keys]) => keys > 0)
      .map(([target, keys]) => ({ target, keys }))
      .toSorted((a, b) => (a.target < b.target ? -1 : 1));
  }

  owedToNode(target: string): number {
    return this.owedTo.get(target) ?? 0;
  }

  /** Whether anything is owed to owners-to-be. */
  get owesSeconds(): boolean {
    const { members, move } = this.ring.topology;
    if (move?.phase !== 'filling') return false;
    const coming = new Set(move.seconds.flat());
    return members.some(({ name }, i) => coming.has(i) && this.owedToNode(name) > 0);
  }

  get held(): number {
    return this.store.count('hints');
  }

  put(at: Locator, before: Before, row: Row): void {
    this.store.put('hints', at, encodeRow(row));
    if (before === 'corrupt') {
      // Whom that one was owed to, and whether it was damaged when it was counted, nobody knows any more.
      this.recount();
      return;
    }
    if (before !== undefined) this.count(at.key, before, -1);
    this.count(at.key, row, 1);
    this.observeAge(row.hintedAtMs);
  }

  /** The next states owed to `target` behind the key `after`: about `PAGE_BYTES` of them, or one larger state. */
  page(target: string, after: FullKey): readonly Omit<HintPage, 'id'>[] {
    const entries: StatePartSent[] = [];
    let bytes = 0;
    let cursor: Locator | undefined = after.length === 0 ? undefined : locate(after);
    // Where the target goes on. A corrupt entry has no key that could say it.
    let reached: FullKey = NO_KEY;
    for (let scanned = 0; scanned < PAGE_SCAN_MAX || reached.length === 0; scanned += PAGE_SCAN_STEP) {
      const limits = { entries: PAGE_SCAN_STEP, bytes: PAGE_BYTES };
      const { entries: found } = this.store.scanWithin('hints', cursor, limits);
      if (found.length === 0) return inPages(entries, NO_KEY);
      for (const entry of found) {
        cursor = entry.at;
        if (entry.kind === 'corrupt') continue;
        const row = decodeRow(entry.value);
        if (this.isOwedTo(entry.at.key, row, target)) {
          if (entries.length > 0 && bytes + row.state.length > PAGE_BYTES) return inPages(entries, reached);
          entries.push(...partsOfRow(entry.at.key, row));
          bytes += row.state.length + entry.at.key.length;
        }
        reached = entry.at.key;
      }
    }
    return inPages(entries, reached);
  }

  /** `target` durably covers the state with this digest. Anything merged into the hint since is owed anew. */
  discharge(target: string, key: FullKey, digest: string): void {
    const at = locate(key);
    const found = this.store.get('hints', at);
    if (found.kind !== 'found') return;
    const row = decodeRow(found.value);
    if (row.digest !== digest) return;
    const disk = this.ring.member(target)?.disk;
    if (disk === undefined || !this.isOwedTo(key, row, target)) return;
    const next = this.withoutCovered(key, { ...row, covered: [...row.covered, disk] });
    this.count(key, row, -1);
    this.count(key, next, 1);
    if (next.owed === 0) this.store.delete('hints', at);
    else this.store.put('hints', at, encodeRow(next));
    if (this.held === 0) this.oldestAtMs = undefined;
  }

  /**
   * Looks at some hundreds of rows a call; a whole pass over the table renews the age of the oldest, and finds what went bad
   * meanwhile: that is owed to nobody any more who could be told. How many were found so. What is owed to nobody because those
   * who did not cover it are no nodes of its slot since a move, goes.
   */
  observe(): number {
    const limits = { entries: OBSERVED_STEP, bytes: OBSERVED_BYTES };
    const { entries, isAll } = this.store.scanWithin('hints', this.cursor, limits);
    for (const entry of entries) {
      if (entry.kind === 'corrupt') this.seenCorrupt++;
      else this.look(entry.at, decodeRow(entry.value));
    }
    this.cursor = entries.at(-1)?.at;
    if (!isAll) return 0;
    this.oldestAtMs = Number.isFinite(this.seenMs) ? this.seenMs : undefined;
    const lost = this.seenCorrupt - this.corrupt;
    if (lost > 0) this.recount();
    this.seenMs = Number.POSITIVE_INFINITY;
    this.seenCorrupt = 0;
    this.cursor = undefined;
    return Math.max(0, lost);
  }

  private look(at: Locator, row: Row): void {
    if (this.isCovered(at.key, row) && !this.store.readOnly) this.store.delete('hints', at);
    else this.seenMs = Math.min(this.seenMs, row.hintedAtMs);
  }

  private recount(): void {
    this.owedTo.clear();
    this.corrupt = 0;
    for (let after: Locator | undefined; ; ) {
      const entries = this.store.scan('hints', after, START_STEP);
      for (const entry of entries) {
        if (entry.kind === 'corrupt') {
          this.corrupt++;
          continue;
        }
        const row = decodeRow(entry.value);
        this.count(entry.at.key, row, 1);
        this.observeAge(row.hintedAtMs);
      }
      const last = entries.at(-1);
      if (last === undefined) break;
      after = last.at;
    }
  }

  private observeAge(hintedAtMs: number): void {
    this.oldestAtMs = Math.min(this.oldestAtMs ?? Number.POSITIVE_INFINITY, hintedAtMs);
  }

  private isOwedTo(key: FullKey, row: Row, target: string): boolean {
    return this.targetsOf(key, row).includes(target);
  }

  private isCovered(key: FullKey, row: Row): boolean {
    return this.targetsOf(key, row).length === 0;
  }

  /** Nodes of the slots that are owed it which do not cover it. */
  private targetsOf(key: FullKey, { owed, covered }: Row): readonly string[] {
    const { ring } = this;
    const vnode = this.vnode(key);
    const isOwed = (name: string | undefined, slot: number): name is string =>
      name !== undefined && (owed & (1 << slot)) !== 0 && !covered.includes(ring.member(name)?.disk ?? '');
    const owners = ring.owners(vnode).filter(isOwed);
    return ring.isMoving ? [...owners, ...ring.seconds(vnode).filter(isOwed)] : owners;
  }

  /** Owed to those slots only of which some node does not cover it; the disks of the others say nothing any more. */
  private withoutCovered(key: FullKey, row: Row): Row {
    const { ring } = this;
    const vnode = this.vnode(key);
    const left = this.targetsOf(key, row).reduce((slots, name) => slots | (1 << ring.slotOf(vnode, name)), 0);
    const isOfLeft = (name: string) => (left & (1 << ring.slotOf(vnode, name))) !== 0;
    const disks = ring
      .keepers(vnode)
      .filter(isOfLeft)
      .map((name) => ring.member(name)?.disk);
    return { ...row, owed: left, covered: row.covered.filter((disk) => disks.includes(disk)) };
  }

  private count(key: FullKey, row: Row, by: number): void {
    for (const name of this.targetsOf(key, row)) this.owedTo.set(name, (this.owedTo.get(name) ?? 0) + by);
  }

  private vnode(key: FullKey): number {
    return vnodeOf(positionOf(key), this.ring.vnodes);
  }
}

export function locate(key: FullKey): Locator {
  return { prefix: prefixOf(positionOf(key)), key };
}

function inPages(entries: readonly StatePartSent[], next: FullKey): readonly Omit<HintPage, 'id'>[] {
  return inFrames(entries).map((of, i, { length }) => {
    const more = i < length - 1;
    return { entries: of, more, next: more ? NO_KEY : next };
  });
}

export const NO_KEY = new Uint8Array(0);
/** Little enough that a target under load is not stalled by merging it in one turn. */
const PAGE_BYTES = 256 * 1024;
const PAGE_SCAN_STEP = 200;
const PAGE_SCAN_MAX = 2000;
const OBSERVED_STEP = 500;
const OBSERVED_BYTES = 1024 * 1024;
/** Rows read at once at start: states can be large. */
const START_STEP = 100;
