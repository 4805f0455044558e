import { DecodeError } from '@circlet/shared/codec/bytes.ts';
import { shortHash } from '@circlet/shared/merkle/hash.ts';
import { prefixesOf, wholeVnode } from '@circlet/shared/merkle/range.ts';
import type { Filling } from '@circlet/shared/protocol/change.ts';
import type { MessageOf } from '@circlet/shared/protocol/message.ts';
import { type RefillAsk, ROWS_COMPARED_MAX } from '@circlet/shared/protocol/refill.ts';
import { isPage, type StatePartSent } from '@circlet/shared/protocol/state-part.ts';
import type { Ring } from '@circlet/shared/ring/topology.ts';
import { partsOfEntries, stretchOf } from '../anti-entropy/places.ts';
import { after, toPeer, type Turn } from '../effects.ts';
import type { Replicas } from '../replicas.ts';
import { inFrames, partBytes } from '../state-parts.ts';
import type { Store } from '../store.ts';
import { RefillRecord } from './refill-record.ts';
import { scopeOf, type Source, sourcesOf } from './sources.ts';

/**
 * Brings everything here that this node is to have and others do ({@link sourcesOf}): each is asked about each vnode, stretch
 * by stretch. It is they who refuse writes of the epoch before, from then on, and whatever is written in this one is sent
 * here too, so what they had when they were asked is all.
 *
 * One question is open at a time, so the pace is this node's, and a stretch is a hundred kilobytes or two.
 */
export class Refill {
  private readonly store: Store;
  private readonly replicas: Replicas;
  private readonly bytesPerSecond: number;
  private readonly record: RefillRecord;
  private readonly left: Pulled[];
  private readonly all: number;
  private bytes = 0;
  private open: Question | undefined;
  private lastId: number;

  constructor(
    options: { readonly name: string; readonly store: Store; readonly bytesPerSecond: number },
    replicas: Replicas,
    ring: Ring,
    firstId: number,
  ) {
    this.store = options.store;
    this.bytesPerSecond = options.bytesPerSecond;
    this.replicas = replicas;
    this.record = new RefillRecord(options.store, scopeOf(ring, options.name));
    const sources = sourcesOf(ring, options.name);
    this.all = sources.length;
    this.left = sources
      .filter(({ owner, disk, vnode }) => !this.record.has(owner, disk, vnode))
      .map((source) => {
        const [first, end] = prefixesOf(wholeVnode(source.vnode), ring.vnodes);
        return { ...source, first, end };
      });
    this.lastId = firstId;
  }

  get isDone(): boolean {
    return this.left.length === 0;
  }

  /** For whoever wants to see that it goes on. */
  get progress(): Filling {
    return { left: this.left.length, of: this.all, bytes: this.bytes };
  }

  /** Once a second: begins, and asks again what was not answered. */
  tick(turn: Turn, isAlive: (name: string) => boolean): void {
    if (this.open !== undefined && turn.now.monoMs - this.open.askedMs < SILENCE_MS) return;
    const silent = this.open === undefined ? undefined : this.left[0]?.owner;
    // One that does not answer must not hold up what the others have.
    if (silent !== undefined)
      this.left.sort((a, b) => Number(a.owner === silent) - Number(b.owner === silent));
    this.open = undefined;
    // Whoever is away holds up only what is to come from it.
    const next = this.left.findIndex(({ owner }) => isAlive(owner));
    if (next < 0) return;
    this.left.unshift(...this.left.splice(next, 1));
    const [source] = this.left;
    if (source !== undefined) this.ask(turn, source);
  }

  /** The pause behind the last answer is over. */
  goOn(turn: Turn, id: number): void {
    const [source] = this.left;
    if (this.open?.id === id && source !== undefined) this.ask(turn, source);
  }

  /** Throws {@link DecodeError} before anything is changed. */
  told(turn: Turn, from: string, { id, page, pages, reached, entries }: MessageOf<'refillTold'>): void {
    const { open } = this;
    const [source] = this.left;
    if (open?.id !== id || source?.owner !== from || this.store.readOnly) return;
    if (reached <= open.first || reached > open.end) throw new DecodeError('an answer about another stretch');
    if (!isPage({ page, pages })) throw new DecodeError('not a page of an answer');
    const taken = this.replicas.takeStates(turn, from, entries);
    // Something did not fit: the stretch is asked about again, by the tick.
    if (taken === undefined || taken.length !== entries.length) return;
    open.pages.add(page);
    // A place may be larger than what comes in the time that silence is given.
    open.askedMs = turn.now.monoMs;
    const bytes = entries.reduce((sum, entry) => sum + partBytes(entry), 0);
    open.bytes += bytes;
    this.bytes += bytes;
    if (open.pages.size < pages) return;
    source.first = reached;
    if (reached >= source.end) {
      this.record.add(source.owner, source.disk, source.vnode);
      this.left.shift();
    }
    if (this.isDone) return;
    const pauseMs = Math.max(PAUSE_MS_MIN, (open.bytes * 1000) / this.bytesPerSecond);
    this.open = { ...open, askedMs: turn.now.monoMs + pauseMs };
    turn.effects.push(after(pauseMs, { kind: 'refill', id }));
  }

  private ask(turn: Turn, source: Pulled): void {
    const { vnode, first } = source;
    const limits = { entries: ROWS_COMPARED_MAX, bytes: BYTES_READ_MAX };
    const { places, reached: end } = stretchOf(this.store, first, source.end, limits);
    const id = ++this.lastId;
    this.open = { id, first, end, askedMs: turn.now.monoMs, pages: new Set(), bytes: 0 };
    const told = places.map(({ prefix, hash }) => ({ offset: prefix - first, hash: shortHash(hash) }));
    turn.effects.push(toPeer(source.owner, { kind: 'refillAsk', id, vnode, first, end, rows: told }));
  }
}

interface Pulled extends Source {
  /** What lies before it is here. */
  first: number;
  readonly end: number;
}

interface Question {
  readonly id: number;
  readonly first: number;
  readonly end: number;
  /** Or when something of the answer last came. */
  askedMs: number;
  readonly pages: Set<number>;
  bytes: number;
}

/** What an owner says: everything that the asking pod lacks, from the beginning of the stretch as far as a few frames go. */
export function tellForRefill(
  store: Store,
  vnodes: number,
  ask: RefillAsk,
  bytesPerSecond: number,
): readonly MessageOf<'refillTold'>[] {
  const { id, vnode, first, end, rows } = ask;
  const [from, to] = vnode < vnodes ? prefixesOf(wholeVnode(vnode), vnodes) : [1, 0];
  if (first < from || end > to || first >= end) throw new DecodeError('a stretch outside its vnode');
  const have = new Map(rows.map(({ offset, hash }) => [first + offset, hash]));
  const limits = { entries: ROWS_READ_MAX, bytes: BYTES_READ_MAX };
  const stretch = stretchOf(store, first, end, limits);
  const entries: StatePartSent[] = [];
  let bytes = 0;
  let { reached } = stretch;
  const bytesMax = Math.min(BYTES_MAX, bytesPerSecond / STRETCHES_PER_SECOND);
  for (const { prefix, hash, entries: of } of stretch.places) {
    if (bytes > bytesMax) {
      reached = prefix;
      break;
    }
    if (have.get(prefix) === shortHash(hash)) continue;
    for (const part of partsOfEntries(of)) {
      entries.push(part);
      bytes += partBytes(part);
    }
  }
  const frames = inFrames(entries);
  return frames.map((each, page) => ({
    kind: 'refillTold',
    id,
    page,
    pages: frames.length,
    reached,
    entries: each,
  }));
}

/** Whether a node takes part in what is asked: both keep rows of the vnode. */
export function shareVnode(ring: Ring, vnode: number, a: string, b: string): boolean {
  return vnode < ring.vnodes && ring.slotOf(vnode, a) >= 0 && ring.slotOf(vnode, b) >= 0;
}

const SILENCE_MS = 3_000;
/** An owner that has nothing to tell still reads some hundred rows for each question: not one after the other. */
const PAUSE_MS_MIN = 10;
const BYTES_MAX = 128 * 1024;
/** Small steps where the pace is slow: what a step brings comes all at once. */
const STRETCHES_PER_SECOND = 32;
const ROWS_READ_MAX = 512;
/** A few times what is told: rows that the asking pod has already are read and not told. */
const BYTES_READ_MAX = 4 * BYTES_MAX;
