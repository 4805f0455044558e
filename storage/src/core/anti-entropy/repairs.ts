import type { RowsTold } from '@circlet/shared/protocol/anti-entropy.ts';
import { HEALABLE_MS } from '../replica.ts';

/**
 * Rows of this node that failed their checksum, or replaced such a row and do not vouch yet, by their place in the ring: of
 * one that cannot be read nobody knows the key. All other owners are asked for everything that they have there. What they
 * tell is merged as it comes; when all have told, the row has what is left of it anywhere, and it vouches again once no write
 * from before the damage can be on its way (`suspicion` in `replica.ts`): that takes a second question, later.
 */
export class Repairs {
  /** By when they were asked about last: those first that have waited longest for it. */
  private readonly repairs = new Map<number, Repair>();
  private readonly asked = new Map<number, number>();
  private lastId: number;

  constructor(firstId: number) {
    this.lastId = firstId;
  }

  get size(): number {
    return this.repairs.size;
  }

  /** Owners have changed: those who had been asked may be none any more, and others have not been. */
  askAnew(): void {
    for (const repair of this.repairs.values()) {
      this.asked.delete(repair.id);
      repair.nextMs = repair.id === 0 ? repair.nextMs : repair.askedMs;
      repair.id = 0;
    }
  }

  /** What there is no room for is found again by the next pass of the scrub. */
  found(prefix: number, nowMs: number): void {
    if (this.repairs.has(prefix) || this.repairs.size >= REPAIRS_MAX) return;
    this.repairs.set(prefix, {
      lostMs: undefined,
      nextMs: nowMs,
      id: 0,
      askedMs: nowMs,
      waiting: new Map(),
    });
  }

  /** Repairs whose time has come: their owners are to be asked with these ids. */
  due(
    nowMs: number,
    othersOf: (prefix: number) => readonly string[],
  ): readonly { readonly prefix: number; readonly id: number; readonly others: readonly string[] }[] {
    const due: { prefix: number; id: number; others: readonly string[] }[] = [];
    for (const [prefix, repair] of this.repairs) {
      if (due.length === ASKED_PER_STEP) break;
      if (repair.nextMs > nowMs) continue;
      const others = othersOf(prefix);
      repair.nextMs = nowMs + RETRY_MS;
      if (repair.id === 0) {
        repair.id = ++this.lastId;
        repair.askedMs = nowMs;
        repair.waiting = new Map(others.map((name) => [name, { digest: '', pages: new Set() }]));
        this.asked.set(repair.id, prefix);
      }
      // Whoever has not told everything is asked the same again: an answer to either is one from after the question.
      due.push({ prefix, id: repair.id, others: others.filter((name) => repair.waiting.has(name)) });
    }
    for (const { prefix } of due) this.putLast(prefix);
    return due;
  }

  /** Those that wait for an owner who is away are due for ever: the others must have their turn. */
  private putLast(prefix: number): void {
    const repair = this.repairs.get(prefix);
    this.repairs.delete(prefix);
    if (repair !== undefined) this.repairs.set(prefix, repair);
  }

  /**
   * A page of an answer was merged, all of it. Where the row lies and since when the others have been asked, when that was
   * the last of everything that was waited for.
   */
  told(
    from: string,
    { answers, page, pages, entries }: RowsTold,
  ): { readonly prefix: number; readonly askedMs: number } | undefined {
    const prefix = this.asked.get(answers);
    const repair = prefix === undefined ? undefined : this.repairs.get(prefix);
    if (prefix === undefined || repair === undefined) return undefined;
    const arrived = repair.waiting.get(from);
    if (arrived !== undefined) {
      // Pages of two answers are parts of two states.
      const digest = entries[0]?.digest ?? '';
      if (arrived.digest !== digest) arrived.pages.clear();
      arrived.digest = digest;
      arrived.pages.add(page);
      if (arrived.pages.size >= pages) repair.waiting.delete(from);
    }
    if (repair.waiting.size > 0) return undefined;
    this.asked.delete(answers);
    repair.id = 0;
    return { prefix, askedMs: repair.askedMs };
  }

  /**
   * All others have told what they have and the row still cannot be read: since when that has been so. Not since it was first
   * found damaged: it may have been replaced meanwhile, and the replacement gone bad when the others had been asked already.
   */
  lostSince(prefix: number, nowMs: number): number {
    const repair = this.repairs.get(prefix);
    if (repair === undefined) return nowMs;
    repair.lostMs ??= nowMs;
    return repair.lostMs;
  }

  /** Something was written where nothing could be read. */
  replaced(prefix: number): void {
    const repair = this.repairs.get(prefix);
    if (repair !== undefined) repair.lostMs = undefined;
  }

  /** The row is there and says when its wait began; the others are asked again when it is over. */
  waits(prefix: number, sinceMs: number): void {
    const repair = this.repairs.get(prefix);
    if (repair !== undefined) repair.nextMs = sinceMs + HEALABLE_MS + 1;
  }

  done(prefix: number): void {
    const repair = this.repairs.get(prefix);
    if (repair !== undefined) this.asked.delete(repair.id);
    this.repairs.delete(prefix);
  }
}

interface Repair {
  /** Since when it is known that nobody else has anything for what cannot be read here. */
  lostMs: number | undefined;
  nextMs: number;
  /** Of the question that is open. */
  id: number;
  askedMs: number;
  /** Owners who have not told everything, with the pages of their answers that are here. */
  waiting: Map<string, { digest: string; readonly pages: Set<number> }>;
}

const REPAIRS_MAX = 10_000;
const ASKED_PER_STEP = 100;
const RETRY_MS = 5_000;
