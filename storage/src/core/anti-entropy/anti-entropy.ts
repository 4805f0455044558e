import { DecodeError } from '@circlet/shared/codec/bytes.ts';
import { FANOUT, isRange, LEVEL_MAX, rangeOf } from '@circlet/shared/merkle/range.ts';
import type { Message, MessageOf } from '@circlet/shared/protocol/message.ts';
import { isPage } from '@circlet/shared/protocol/state-part.ts';
import type { Ring } from '@circlet/shared/ring/topology.ts';
import { after, notice, toPeer, type Turn } from '../effects.ts';
import type { Replicas } from '../replicas.ts';
import { RING_END, type Store } from '../store.ts';
import { Budget, STEP_MS } from './budget.ts';
import { rowsAt } from './places.ts';
import { Repairs } from './repairs.ts';
import { isSuspect, Scrub } from './scrub.ts';
import { Trees } from './trees.ts';
import { type TreeMessage, Walk } from './walk.ts';

export type AntiEntropyMessage = TreeMessage | MessageOf<'rowsAsk'> | MessageOf<'rowsTold'>;

const KINDS: readonly Message['kind'][] = ['treeRoots', 'treeNodes', 'treeRows', 'rowsAsk', 'rowsTold'];

export function isAntiEntropyMessage(message: Message): message is AntiEntropyMessage {
  return KINDS.includes(message.kind);
}

/** What background repair may cost. */
export interface RepairOptions {
  /** How often one of the other owners is told what we have, milliseconds. */
  readonly everyMs: number;
  /** What may be sent to repair others, bytes a second. */
  readonly bytesPerSecond: number;
  /** Rows that are read again to verify them, a second. */
  readonly scrubRowsPerSecond: number;
}

export interface AntiEntropyOptions {
  readonly name: string;
  readonly store: Store;
  /** Undefined: nothing is begun here, and others are still answered. */
  readonly repair: RepairOptions | undefined;
}

/** What there is of it in one topology. */
interface Parts {
  readonly ring: Ring;
  readonly trees: Trees;
  readonly scrub: Scrub;
  readonly walk: Walk;
}

/**
 * Makes the owners of a vnode equal, whatever they missed: every few seconds one of the others is told the hashes of what both
 * own, and a walk down the trees finds the rows that differ. What is sent is a state to merge, as everywhere. Beside it, rows
 * that went bad are looked for and repaired. All of it is done in small steps, within a {@link Budget}.
 */
export class AntiEntropy {
  private readonly options: AntiEntropyOptions;
  private readonly replicas: Replicas;
  private readonly budget: Budget;
  private readonly repairs: Repairs;
  private parts: Parts | undefined;
  private isStepDue = false;
  /** The last part of a step was work on a difference, not on the trees. */
  private hasWorked = false;
  /** Of the time between two rounds: nodes that start together do not go on together. */
  private readonly firstRoundAt: number;
  private nextRoundMs: number | undefined;
  private lastPeer = '';

  /** `random` is in [0, 1). */
  constructor(options: AntiEntropyOptions, replicas: Replicas, random: () => number) {
    this.options = options;
    this.replicas = replicas;
    this.budget = new Budget(options.repair?.bytesPerSecond ?? ANSWERS_BYTES_PER_SECOND);
    this.repairs = new Repairs(Math.floor(random() * 2 ** 40));
    this.firstRoundAt = random();
  }

  /** The trees, for whoever writes rows. */
  adopt(ring: Ring): Trees {
    const { name, store } = this.options;
    const trees = this.parts?.trees ?? new Trees(store, ring.vnodes);
    const scrub = this.parts?.scrub ?? new Scrub(store, trees, ring.vnodes);
    this.repairs.askAnew();
    this.parts = { ring, trees, scrub, walk: new Walk(name, store, this.budget, ring, trees) };
    return trees;
  }

  /** The process is about to stop, and this turn is its last. */
  save(): void {
    if (!this.options.store.readOnly) this.parts?.trees.save();
  }

  /** A row was met that is damaged, or in the place of one that was. */
  found(prefix: number, nowMs: number): void {
    this.repairs.found(prefix, nowMs);
  }

  /** Something was written in the place of a damaged row. */
  replaced(prefix: number): void {
    this.repairs.replaced(prefix);
  }

  /** The bus found nobody who listens under this name. */
  unreachable(peer: string): void {
    this.parts?.walk.drop(peer);
  }

  /** Once a second, in a pod that is ready. */
  tick(turn: Turn, isAlive: (name: string) => boolean): void {
    const { parts } = this;
    const { repair } = this.options;
    if (repair === undefined || parts === undefined) return;
    const { monoMs } = turn.now;
    this.nextRoundMs ??= monoMs + repair.everyMs * this.firstRoundAt;
    if (monoMs >= this.nextRoundMs) {
      // After a standstill there is one round, not all that were missed.
      this.nextRoundMs = Math.max(this.nextRoundMs + repair.everyMs, monoMs);
      this.beginRound(turn, parts, isAlive);
    }
    this.scrub(turn, parts, repair);
    this.askForRepairs(turn, parts);
    this.wake(turn, parts);
  }

  /** The time of a step that was asked for has come. */
  step(turn: Turn, dueMs: number): void {
    this.isStepDue = false;
    const { budget, parts } = this;
    if (parts === undefined) return;
    budget.begin(turn.now.monoMs - dueMs);
    while (!budget.isSpent && isBusy(parts)) {
      // By turns: what is counted already can be repaired while the rest is.
      const builds = !parts.trees.isComplete && (this.hasWorked || !parts.walk.isBusy);
      if (builds) this.build(turn, parts);
      else parts.walk.work(turn);
      this.hasWorked = !builds;
    }
    this.wake(turn, parts);
  }

  /** From a member of the topology. Throws {@link DecodeError} before anything is changed. */
  receive(turn: Turn, peer: string, message: AntiEntropyMessage): void {
    const { parts } = this;
    if (parts === undefined) return;
    check(message, parts.ring.vnodes);
    if (message.kind === 'rowsTold') {
      this.take(turn, peer, parts, message);
    } else {
      const { walk } = parts;
      if (message.kind === 'rowsAsk')
        walk.add({ kind: 'give', peer, id: message.id, prefixes: message.prefixes, more: message.id === 0 });
      else walk.add({ kind: 'compare', peer, message });
    }
    this.wake(turn, parts);
  }

  private beginRound(turn: Turn, { ring, walk }: Parts, isAlive: (name: string) => boolean): void {
    const { name } = this.options;
    const peers = ring.topology.members.map((member) => member.name);
    const others = peers.filter((peer) => peer !== name && isAlive(peer));
    const peer = others.find((other) => other > this.lastPeer) ?? others[0];
    if (peer === undefined) return;
    this.lastPeer = peer;
    const roots = walk.rootsFor(peer, turn.now.monoMs);
    if (roots !== undefined) turn.effects.push(toPeer(peer, roots));
  }

  private wake(turn: Turn, parts: Parts): void {
    if (this.isStepDue || !isBusy(parts)) return;
    this.isStepDue = true;
    turn.effects.push(after(STEP_MS, { kind: 'repair', dueMs: turn.now.monoMs + STEP_MS }));
  }

  private build(turn: Turn, { trees }: Parts): void {
    const entries = trees.build(BUILD_ROWS);
    this.budget.read(entries);
    for (const entry of entries) if (isSuspect(entry)) this.found(entry.at.prefix, turn.now.monoMs);
    if (trees.isComplete)
      turn.effects.push(notice('info', 'trees_built', { rows: this.options.store.count('rows') }));
  }

  /** Merges what another owner has. */
  private take(turn: Turn, from: string, { walk }: Parts, message: MessageOf<'rowsTold'>): void {
    if (this.options.store.readOnly) return;
    const taken = this.replicas.takeStates(turn, from, message.entries);
    if (taken === undefined) return;
    for (const { prefix } of taken) walk.heard(prefix, turn.now.monoMs);
    const repaired = taken.filter(({ isNew }) => isNew).length;
    if (repaired > 0) turn.effects.push(notice('debug', 'rows_repaired', { rows: repaired, from }));
    const isBeyond = ({ entry, digest }: (typeof taken)[number]) =>
      entry.part === entry.parts - 1 && digest !== entry.digest;
    const beyond = message.more ? taken.filter(isBeyond).map(({ prefix }) => prefix) : [];
    if (beyond.length > 0) walk.add({ kind: 'give', peer: from, id: 0, prefixes: beyond, more: false });
    if (message.answers !== 0 && taken.length === message.entries.length) this.answered(turn, from, message);
  }

  // ---- rows that went bad ----

  private scrub(turn: Turn, { scrub }: Parts, { scrubRowsPerSecond }: RepairOptions): void {
    const { monoMs } = turn.now;
    const { suspects, vanished } = scrub.step(scrubRowsPerSecond, monoMs);
    for (const prefix of suspects) this.found(prefix, monoMs);
    if (vanished > 0) turn.effects.push(notice('alarm', 'rows_vanished', { leaves: vanished }));
  }

  private askForRepairs(turn: Turn, { ring }: Parts): void {
    if (this.options.store.readOnly) return;
    const { name } = this.options;
    const othersOf = (prefix: number) =>
      ring.owners(rangeOf(prefix, 0, ring.vnodes).vnode).filter((owner) => owner !== name);
    for (const { prefix, id, others } of this.repairs.due(turn.now.monoMs, othersOf)) {
      for (const other of others)
        turn.effects.push(toPeer(other, { kind: 'rowsAsk', id, prefixes: [prefix] }));
    }
  }

  private answered(turn: Turn, from: string, message: MessageOf<'rowsTold'>): void {
    const told = this.repairs.told(from, message);
    if (told === undefined) return;
    const { prefix, askedMs } = told;
    const rows = rowsAt(this.options.store, prefix);
    const isLost = rows.some(({ kind }) => kind === 'corrupt');
    const lostMs = isLost ? this.repairs.lostSince(prefix, turn.now.monoMs) : turn.now.monoMs;
    const waitsFrom = this.replicas.heal(turn, rows, askedMs, lostMs);
    if (waitsFrom !== undefined) this.repairs.waits(prefix, waitsFrom);
    else this.repairs.done(prefix);
  }
}

function isBusy({ trees, walk }: Parts): boolean {
  return walk.isBusy || !trees.isComplete;
}

/** What the schema cannot say. */
function check(message: AntiEntropyMessage, vnodes: number): void {
  if (message.kind === 'rowsTold') {
    if (!isPage(message)) throw new DecodeError('not a page of an answer');
  } else if (message.kind === 'rowsAsk') {
    if (message.prefixes.some((prefix) => prefix >= RING_END))
      throw new DecodeError('a place outside the ring');
    if (message.id !== 0 && message.prefixes.length !== 1) throw new DecodeError('one place at a time');
  } else if (message.kind === 'treeRoots') {
    if (message.roots.some(({ vnode }) => vnode >= vnodes)) throw new DecodeError('a vnode outside the ring');
    if (new Set(message.roots.map(({ vnode }) => vnode)).size < message.roots.length)
      throw new DecodeError('a vnode twice');
  } else if (!isRange(message, vnodes)) {
    throw new DecodeError('a range outside the ring');
  } else if (
    message.kind === 'treeNodes' &&
    (message.level === LEVEL_MAX || message.hashes.length !== FANOUT)
  ) {
    throw new DecodeError('not the parts of a range');
  }
}

const ANSWERS_BYTES_PER_SECOND = 1024 * 1024;
const BUILD_ROWS = 128;
