import type { Context } from '@circlet/shared/causality/context.ts';
import type { Dot } from '@circlet/shared/causality/dot.ts';
import type { History } from '@circlet/shared/causality/history.ts';
import { toHex, fromLatin1 } from '@circlet/shared/codec/bytes.ts';
import type { WriteId } from '@circlet/shared/causality/key-state.ts';

/**
 * What clients did to one key and what they were told, kept apart from the system under test, and what must follow from
 * it (invariants.md, I1, I2, I4, I5, I6, I12). A write supersedes what its context had seen: the writes a get returned
 * and all that those had seen; for a put's context, the write and what it was sent with. Nothing else ever removes a
 * write, and what is removed stays so.
 */
export type WriteOutcome = 'pending' | 'ok' | 'none' | 'unknown';

export interface LedgerWrite {
  readonly writeId: WriteId;
  readonly deleted: boolean;
  /** All writes that its context had seen. */
  readonly supersedes: ReadonlySet<WriteId>;
  /** It was sent without a context and took the one of the coordinator's own read: it may supersede more. */
  readonly decidesItself: boolean;
  outcome: WriteOutcome;
  /** When the client learnt of its success, and how many owners, and copies in all, it had then at least. */
  okMs: number;
  okOwners: number;
  okCopies: number;
}

/** A context in a client's hands, with the writes it stands for. */
export interface HeldContext {
  readonly context: Context;
  readonly seen: ReadonlySet<WriteId>;
}

export class Ledger {
  readonly writes = new Map<WriteId, LedgerWrite>();
  readonly violations: string[] = [];
  private readonly everRead = new Set<WriteId>();
  /** Which write each dot is of, as far as any frame has shown it. */
  private readonly dots: ReadonlyMap<string, WriteId>;

  constructor(dots: ReadonlyMap<string, WriteId>) {
    this.dots = dots;
  }

  attempt(
    writeId: WriteId,
    deleted: boolean,
    sent: HeldContext | undefined,
    decidesItself = false,
  ): LedgerWrite {
    const supersedes = sent?.seen ?? new Set();
    const known = this.writes.get(writeId);
    if (known !== undefined) return known;
    const outcome = 'pending' as const;
    const write = { writeId, deleted, supersedes, decidesItself, outcome, okMs: 0, okOwners: 0, okCopies: 0 };
    this.writes.set(writeId, write);
    return write;
  }

  /** A client's retry keeps the write-id: it is one write, and happened if any attempt did. */
  conclude(
    write: LedgerWrite,
    outcome: 'ok' | 'none' | 'unknown',
    atMs: number,
    owners = 0,
    copies = 0,
  ): void {
    if (outcome === 'ok' && write.outcome !== 'ok') {
      Object.assign(write, { okMs: atMs, okOwners: owners, okCopies: copies });
    }
    const order: readonly WriteOutcome[] = ['pending', 'none', 'unknown', 'ok'];
    if (order.indexOf(outcome) > order.indexOf(write.outcome)) write.outcome = outcome;
  }

  /** The client tries again: what the last attempt came to no longer decides. */
  retried(write: LedgerWrite): void {
    if (write.outcome === 'none') write.outcome = 'pending';
  }

  afterPut(write: LedgerWrite, context: Context): HeldContext {
    const seen = new Set([write.writeId, ...write.supersedes]);
    this.checkCover(context, seen, `the answer to ${name(write.writeId)}`);
    return { context, seen };
  }

  /** Checks the siblings that a get returned; the context it gave, as the client may use it. */
  afterGet(returned: readonly WriteId[], context: Context, get: GetClaim): HeldContext {
    const seen = this.closure(returned);
    for (const id of returned) {
      this.everRead.add(id);
      if (!this.writes.has(id)) this.blame(`a get returned ${name(id)}, which nobody wrote`);
    }
    this.checkSiblings(returned, 'a get');
    this.checkCover(context, seen, 'a get');
    for (const id of get.atLeast?.seen ?? []) {
      if (!this.isAccounted(id, seen))
        this.blame(`a session read without ${name(id)}, which the session had seen`);
    }
    if (get.owners === undefined) return { context, seen };
    for (const write of this.writes.values()) {
      if (write.outcome !== 'ok' || write.okMs > get.askedMs || write.okOwners + get.owners <= get.replicas)
        continue;
      if (!this.isAccounted(write.writeId, seen))
        this.blame(`a strict read without ${name(write.writeId)}, written before on W owners`);
    }
    return { context, seen };
  }

  /** When all hints are delivered: W copies were promised, and that many owners must have the write, or what killed it. */
  durability(owners: readonly (readonly WriteId[])[]): void {
    const seen = owners.map((siblings) => this.closure(siblings));
    for (const { writeId, outcome, okCopies } of this.writes.values()) {
      if (outcome !== 'ok') continue;
      const copies = seen.filter((of) => this.isAccounted(writeId, of)).length;
      if (copies < okCopies) this.blame(`${name(writeId)} has ${copies} copies of ${okCopies}`);
    }
  }

  /** What is on all owners when all faults are over. */
  conclusion(siblings: readonly WriteId[]): void {
    const covered = this.closure(siblings);
    this.checkSiblings(siblings, 'at the end');
    for (const write of this.writes.values()) {
      const { writeId, outcome } = write;
      if (outcome === 'ok' && !this.isAccounted(writeId, covered))
        this.blame(`lost: ${name(writeId)}, acknowledged`);
      if (outcome === 'none' && (this.everRead.has(writeId) || siblings.includes(writeId))) {
        this.blame(`${name(writeId)} was read, of which it was said that it never happened`);
      }
    }
    for (const id of siblings)
      if (!this.writes.has(id)) this.blame(`${name(id)} is there, which nobody wrote`);
  }

  /** Law 4: what a context covers and its holder was not shown would be gone with the next put, unread. */
  private checkCover({ history }: Context, seen: ReadonlySet<WriteId>, where: string): void {
    if ([...this.writes.values()].some(({ decidesItself }) => decidesItself)) return;
    for (const { actor, counter } of dotsOf(history)) {
      const id = this.dots.get(`${actor}@${counter}`);
      if (id !== undefined && !seen.has(id)) this.blame(`${where} covers ${name(id)}, which was not shown`);
    }
  }

  private checkSiblings(ids: readonly WriteId[], where: string): void {
    for (const id of ids) {
      for (const other of ids) {
        if (this.writes.get(other)?.supersedes.has(id) === true) {
          this.blame(`${where}: ${name(id)} beside ${name(other)}, which superseded it`);
        }
      }
    }
  }

  /** Whether a write is there or superseded by what is there, or may have been by a delete that chose for itself. */
  private isAccounted(id: WriteId, seen: ReadonlySet<WriteId>): boolean {
    if (seen.has(id)) return true;
    return [...this.writes.values()].some((write) => write.decidesItself && write.outcome !== 'none');
  }

  private closure(ids: readonly WriteId[]): ReadonlySet<WriteId> {
    const seen = new Set(ids);
    for (const id of ids) for (const older of this.writes.get(id)?.supersedes ?? []) seen.add(older);
    return seen;
  }

  private blame(what: string): void {
    this.violations.push(what);
  }
}

/** Under which promise a get was made. */
export interface GetClaim {
  readonly askedMs: number;
  readonly atLeast: HeldContext | undefined;
  /** How many owners must have vouched for the answer; undefined when fallbacks may have stood in. */
  readonly owners: number | undefined;
  readonly replicas: number;
}

function* dotsOf({ actors, ranges }: History): Iterable<Dot> {
  for (const [i, actor] of actors.entries()) {
    const of = ranges[i] ?? [];
    for (let at = 0; at < of.length; at += 2) {
      for (let counter = of[at] ?? 0; counter <= (of[at + 1] ?? 0); counter++) yield { actor, counter };
    }
  }
}

function name(id: WriteId): string {
  return toHex(fromLatin1(id)).slice(0, 8);
}
