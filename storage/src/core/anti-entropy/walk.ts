import { unreachable } from '@circlet/shared/assert.ts';
import type { Words128 } from '@circlet/shared/hash/md5.ts';
import {
  isNothing,
  NOTHING,
  NOTHING_SHORT,
  NOTHING_WHOLE,
  shortHash,
  wholeHash,
  xor,
} from '@circlet/shared/merkle/hash.ts';
import {
  childOf,
  FANOUT,
  LEVEL_MAX,
  prefixesOf,
  type Range,
  rangeOf,
  wholeVnode,
} from '@circlet/shared/merkle/range.ts';
import { TREE_DEPTH } from '@circlet/shared/merkle/tree.ts';
import { ROWS_LISTED_MAX } from '@circlet/shared/protocol/anti-entropy.ts';
import { STATE_PART_BYTES_MAX } from '@circlet/shared/protocol/limits.ts';
import type { MessageOf } from '@circlet/shared/protocol/message.ts';
import type { StatePartSent } from '@circlet/shared/protocol/state-part.ts';
import type { Ring } from '@circlet/shared/ring/topology.ts';
import { toPeer, type Turn } from '../effects.ts';
import { inFrames, partBytes } from '../state-parts.ts';
import type { Store } from '../store.ts';
import type { Budget } from './budget.ts';
import { dotsIn, partsOfEntries, placesIn, rowsAt, rowsIn, type Stretch, stretchOf } from './places.ts';
import { hashOf, type Trees } from './trees.ts';

/**
 * Finds the rows that two owners have otherwise (`protocol/anti-entropy.ts`). What a peer says becomes a task; a task compares
 * it with what is here when its turn comes, and says what is one step nearer to the rows. The last task is done first: the
 * walk goes deep before it goes wide, so that little is waiting however much differs.
 */
export class Walk {
  private readonly name: string;
  private readonly store: Store;
  private readonly budget: Budget;
  private readonly ring: Ring;
  private readonly trees: Trees;
  private tasks: Task[] = [];
  /** How much of them is for each peer. */
  private readonly waiting = new Map<string, number>();
  /** How many of them are about each vnode. */
  private readonly queued = new Map<number, number>();
  /** Vnodes of which a walk is under way, and when it was last heard of. */
  private readonly walked = new Map<number, number>();

  constructor(name: string, store: Store, budget: Budget, ring: Ring, trees: Trees) {
    this.name = name;
    this.store = store;
    this.budget = budget;
    this.ring = ring;
    this.trees = trees;
  }

  get isBusy(): boolean {
    return this.tasks.length > 0;
  }

  /** What a round begins with; undefined when there is nothing to compare, or nothing that is not compared already. */
  rootsFor(peer: string, nowMs: number): MessageOf<'treeRoots'> | undefined {
    const roots = [];
    for (let vnode = 0; vnode < this.ring.vnodes; vnode++) {
      if (this.isCompared(vnode, peer) && !this.isWalked(vnode, nowMs))
        roots.push({ vnode, hash: wholeHash(this.trees.hash(wholeVnode(vnode))) });
    }
    return roots.length === 0 ? undefined : { kind: 'treeRoots', roots };
  }

  /** What there is no room for is met again in a later round. */
  add(task: Task): void {
    const waiting = this.waiting.get(task.peer) ?? 0;
    if (waiting + sizeOfTask(task) > WAITING_PER_PEER || this.isAskedAgain(task)) return;
    this.tasks.push(task);
    this.tally(task, 1);
  }

  /** The same question waits already: one answer will do. */
  private isAskedAgain(task: Task): boolean {
    if (task.kind !== 'give' || task.id === 0) return false;
    return this.tasks.some(
      (other) => other.kind === 'give' && other.peer === task.peer && other.id === task.id,
    );
  }

  private tally(task: Task, by: 1 | -1): void {
    this.waiting.set(task.peer, (this.waiting.get(task.peer) ?? 0) + by * sizeOfTask(task));
    const vnode = vnodeOf(task);
    if (vnode !== undefined) this.queued.set(vnode, (this.queued.get(vnode) ?? 0) + by);
  }

  /** Nobody listens there: what it was to be told can wait for its next life. */
  drop(peer: string): void {
    const dropped = this.tasks.filter((task) => task.peer === peer);
    for (const task of dropped) this.tally(task, -1);
    if (dropped.length > 0) this.tasks = this.tasks.filter((task) => task.peer !== peer);
  }

  /** Does the last task, or the next part of it. */
  work(turn: Turn): void {
    const task = this.tasks.pop();
    if (task === undefined) return;
    this.tally(task, -1);
    this.budget.rows--;
    switch (task.kind) {
      case 'compare':
        this.compare(turn, task.peer, task.message);
        break;
      case 'reconcile':
        this.reconcile(turn, task);
        break;
      case 'give':
        this.give(turn, task);
        break;
      default:
        unreachable(task);
    }
  }

  private isCompared(vnode: number, peer: string): boolean {
    const { ring } = this;
    // The second nodes of slots that move get what they lack otherwise, or are about to drop what they have.
    return ring.isOwner(vnode, this.name) && ring.isOwner(vnode, peer) && this.trees.isBuilt(vnode);
  }

  /** One walk at a time: two would send the same rows, and a node that has none gets them from one owner, not from all. */
  private isWalked(vnode: number, nowMs: number): boolean {
    if ((this.queued.get(vnode) ?? 0) > 0) return true;
    return nowMs - (this.walked.get(vnode) ?? Number.NEGATIVE_INFINITY) <= SILENCE_MS;
  }

  /** A walk of the vnode that lies there goes on. */
  heard(prefix: number, nowMs: number): void {
    this.walked.set(rangeOf(prefix, 0, this.ring.vnodes).vnode, nowMs);
  }

  private firstOf(range: Range): number {
    return prefixesOf(range, this.ring.vnodes)[0];
  }

  private send(turn: Turn, peer: string, message: Sent): void {
    this.budget.bytes -= sizeOf(message);
    turn.effects.push(toPeer(peer, message));
  }

  // ---- down the trees ----

  private compare(turn: Turn, peer: string, message: TreeMessage): void {
    if (message.kind === 'treeRoots') {
      this.compareRoots(turn, peer, message);
      return;
    }
    const { vnode, level, index } = message;
    if (!this.isCompared(vnode, peer)) return;
    this.walked.set(vnode, turn.now.monoMs);
    const range = { vnode, level, index };
    if (message.kind === 'treeNodes') {
      this.compareNodes(turn, peer, range, message.hashes);
    } else {
      const theirs = new Map(message.rows.map(({ offset, ...listed }) => [offset, listed]));
      this.add({
        kind: 'reconcile',
        peer,
        range,
        theirs,
        from: this.firstOf(range),
        sinceMs: turn.now.monoMs,
      });
    }
  }

  private compareRoots(turn: Turn, peer: string, { roots }: MessageOf<'treeRoots'>): void {
    for (const [i, { vnode, hash }] of roots.entries()) {
      if (this.budget.isSpent && i > 0) {
        this.add({ kind: 'compare', peer, message: { kind: 'treeRoots', roots: roots.slice(i) } });
        return;
      }
      this.budget.rows--;
      if (this.isWalked(vnode, turn.now.monoMs) || !this.isCompared(vnode, peer)) continue;
      const ours = this.trees.hash(wholeVnode(vnode));
      if (hash === wholeHash(ours)) continue;
      this.walked.set(vnode, turn.now.monoMs);
      this.describe(turn, peer, wholeVnode(vnode), ours, hash === NOTHING_WHOLE);
    }
  }

  private compareNodes(turn: Turn, peer: string, range: Range, hashes: readonly string[]): void {
    this.childrenOf(range).forEach((ours, child) => {
      const theirs = hashes[child] ?? NOTHING_SHORT;
      if (theirs !== shortHash(ours))
        this.describe(turn, peer, childOf(range, child), ours, theirs === NOTHING_SHORT);
    });
  }

  /** Says what is in a range that the other has otherwise: its rows if they are few, else the hashes of its parts. */
  private describe(turn: Turn, peer: string, range: Range, ours: Words128, isEmptyThere: boolean): void {
    if (isNothing(ours)) {
      this.send(turn, peer, { kind: 'treeRows', ...range, rows: [] });
      return;
    }
    if (isEmptyThere || range.level === LEVEL_MAX) {
      this.add({
        kind: 'reconcile',
        peer,
        range,
        theirs: new Map(),
        from: this.firstOf(range),
        sinceMs: turn.now.monoMs,
      });
      return;
    }
    // Sixteen leaves with rows have about fifty: it would be no use to read them and see.
    const isLarge = this.trees.rowsAtLeast(range) >= FANOUT;
    const rows = isLarge ? [] : rowsIn(this.store, range, this.ring.vnodes, ROWS_LISTED_MAX + 1);
    this.budget.read(rows);
    if (isLarge || rows.length > ROWS_LISTED_MAX) {
      this.send(turn, peer, { kind: 'treeNodes', ...range, hashes: this.childrenOf(range).map(shortHash) });
      return;
    }
    const first = this.firstOf(range);
    const listed = placesIn(rows).map((place) => ({
      offset: place.prefix - first,
      hash: shortHash(place.hash),
      dots: dotsIn(place),
    }));
    this.send(turn, peer, { kind: 'treeRows', ...range, rows: listed });
  }

  /** The hashes of a range's parts: from the tree, or below its leaves from the rows. */
  private childrenOf(range: Range): readonly Words128[] {
    const level = range.level + 1;
    const children = Array.from({ length: FANOUT }, (_, child) => childOf(range, child));
    if (level <= TREE_DEPTH) return children.map((child) => this.trees.hash(child));
    const sums: Words128[] = children.map(() => NOTHING);
    const rows = rowsIn(this.store, range, this.ring.vnodes, ROWS_SUMMED_MAX);
    this.budget.read(rows);
    for (const entry of rows) {
      const child = rangeOf(entry.at.prefix, level, this.ring.vnodes).index % FANOUT;
      sums[child] = xor(sums[child] ?? NOTHING, hashOf(entry));
    }
    return sums;
  }

  // ---- rows ----

  /** Sends what the other has not, or has otherwise, and at the end asks for what only it has. */
  private reconcile(turn: Turn, task: Reconcile): void {
    const { peer, range, theirs } = task;
    if (!this.isCompared(range.vnode, peer)) return;
    this.walked.set(range.vnode, turn.now.monoMs);
    const [first, end] = prefixesOf(range, this.ring.vnodes);
    const isStale = task.from === first && turn.now.monoMs - task.sinceMs > STALE_MS;
    if (isStale && range.level <= TREE_DEPTH) {
      // Another owner may have sent all of it since.
      this.describe(turn, peer, range, this.trees.hash(range), false);
      return;
    }
    const entries = Math.max(1, Math.min(Math.floor(this.budget.rows), ROWS_PER_TASK));
    const stretch = stretchOf(this.store, task.from, end, { entries, bytes: STATE_PART_BYTES_MAX });
    for (const place of stretch.places) this.budget.read(place.entries);
    const from = this.sendDiffering(turn, task, stretch);
    if (from < end) {
      this.add({ ...task, from });
    } else if (theirs.size > 0) {
      const prefixes = [...theirs.keys()].map((offset) => first + offset);
      this.send(turn, peer, { kind: 'rowsAsk', id: 0, prefixes });
    }
  }

  /** Until about a frame is full. The place that comes next. */
  private sendDiffering(turn: Turn, { peer, range, theirs }: Reconcile, stretch: Stretch): number {
    const first = this.firstOf(range);
    const missing: StatePartSent[] = [];
    const other: StatePartSent[] = [];
    let bytes = 0;
    let { reached } = stretch;
    for (const { prefix, hash, entries } of stretch.places) {
      if (bytes > STATE_PART_BYTES_MAX) {
        reached = prefix;
        break;
      }
      // What is damaged here is missing here: it stays among theirs, and is asked for.
      if (isNothing(hash)) continue;
      const has = theirs.get(prefix - first);
      // They know more, by the look of it: it stays among theirs.
      if (has !== undefined && has.hash !== shortHash(hash) && has.dots > dotsIn({ prefix, hash, entries }))
        continue;
      theirs.delete(prefix - first);
      if (has?.hash === shortHash(hash)) continue;
      const parts = partsOfEntries(entries);
      (has === undefined ? missing : other).push(...parts);
      for (const part of parts) bytes += partBytes(part);
    }
    this.tell(turn, peer, missing, false);
    this.tell(turn, peer, other, true);
    return reached;
  }

  private tell(turn: Turn, peer: string, entries: readonly StatePartSent[], more: boolean): void {
    if (entries.length === 0) return;
    for (const each of inFrames(entries))
      this.send(turn, peer, { kind: 'rowsTold', answers: 0, page: 0, pages: 1, more, entries: each });
  }

  private give(turn: Turn, task: Give): void {
    const { peer, id } = task;
    const entries: StatePartSent[] = [];
    let bytes = 0;
    let done = 0;
    for (const prefix of task.prefixes.slice(0, PLACES_PER_TASK)) {
      if (bytes > STATE_PART_BYTES_MAX) break;
      const rows = rowsAt(this.store, prefix);
      this.budget.rows--;
      this.budget.read(rows);
      const parts = partsOfEntries(rows);
      entries.push(...parts);
      for (const part of parts) bytes += partBytes(part);
      done++;
    }
    const later = task.prefixes.slice(done);
    if (id === 0) {
      this.tell(turn, peer, entries, task.more);
    } else {
      const frames = inFrames(entries);
      frames.forEach((each, page) => {
        const of = { answers: id, page, pages: frames.length, more: false };
        this.send(turn, peer, { kind: 'rowsTold', ...of, entries: each });
      });
    }
    if (later.length > 0) this.add({ ...task, prefixes: later });
  }
}

export type TreeMessage = MessageOf<'treeRoots'> | MessageOf<'treeNodes'> | MessageOf<'treeRows'>;
type Sent = TreeMessage | MessageOf<'rowsAsk'> | MessageOf<'rowsTold'>;

interface Compare {
  readonly kind: 'compare';
  readonly peer: string;
  readonly message: TreeMessage;
}

interface Reconcile {
  readonly kind: 'reconcile';
  readonly peer: string;
  readonly range: Range;
  /** The other's rows by their place in the range: those that are left at the end are asked for. */
  readonly theirs: Map<number, { readonly hash: string; readonly dots: number }>;
  /** The place that comes next. */
  readonly from: number;
  readonly sinceMs: number;
}

interface Give {
  readonly kind: 'give';
  readonly peer: string;
  /** Of the question, which names one place; 0 when nobody waits for all of it. */
  readonly id: number;
  readonly prefixes: readonly number[];
  /** What the other has beyond this is wanted. */
  readonly more: boolean;
}

type Task = Compare | Reconcile | Give;

function vnodeOf(task: Task): number | undefined {
  if (task.kind === 'reconcile') return task.range.vnode;
  return task.kind === 'compare' && task.message.kind !== 'treeRoots' ? task.message.vnode : undefined;
}

/** In items of a list, of about a hundred bytes each. */
function sizeOfTask(task: Task): number {
  if (task.kind === 'give') return TASK_SIZE + task.prefixes.length;
  if (task.kind === 'reconcile') return TASK_SIZE + task.theirs.size;
  const { message } = task;
  if (message.kind === 'treeRoots') return TASK_SIZE + message.roots.length;
  return TASK_SIZE + (message.kind === 'treeNodes' ? message.hashes : message.rows).length;
}

/** About: what is not states has a few bytes an item. */
function sizeOf(message: Sent): number {
  switch (message.kind) {
    case 'treeRoots':
      return 20 * message.roots.length;
    case 'treeNodes':
      return 20 + 8 * message.hashes.length;
    case 'treeRows':
      return 20 + 15 * message.rows.length;
    case 'rowsAsk':
      return 20 + 8 * message.prefixes.length;
    case 'rowsTold':
      return message.entries.reduce((sum, entry) => sum + partBytes(entry) + 24, 20);
    default:
      return unreachable(message);
  }
}

/** A walk that was not heard of for so long has ended. */
const SILENCE_MS = 3_000;
/** What a peer was said to have so long ago it may have otherwise by now. */
const STALE_MS = 1_000;
/** Some megabytes, and the thousands of small tasks that a walk of all vnodes can come to. */
const WAITING_PER_PEER = 65_536;
/** What a task takes beside its items. */
const TASK_SIZE = 16;
const ROWS_PER_TASK = 128;
const PLACES_PER_TASK = 64;
/** Rows under one leaf; it takes a pod of billions to have so many. */
const ROWS_SUMMED_MAX = 100_000;
