import { covers } from '@circlet/shared/causality/history.ts';
import type { WriteId } from '@circlet/shared/causality/key-state.ts';
import { fromLatin1, toHex } from '@circlet/shared/codec/bytes.ts';
import { CLOSED_IN_CONTEXT_MAX, type Context } from '@circlet/shared/causality/context.ts';
import { ActorDots } from './actor-dots.ts';
import { Bits } from './bits.ts';
import type { Invariant } from './violation.ts';

/**
 * What clients did to one key and what they were told, kept apart from the system under test, and what must follow from
 * it (invariants.md, section 2). A write supersedes what its context had seen: the writes a get returned and all that
 * those had seen; for a put's context, the write and what it was sent with. Nothing else ever removes a write, and what
 * is removed stays so.
 */
export type WriteOutcome = 'pending' | 'ok' | 'none' | 'unknown';

export interface WriteRecord {
  /** Its place among the key's writes. */
  readonly index: number;
  readonly writeId: WriteId;
  /** In stories: the operation of the plan that wrote it. */
  readonly name: string;
  readonly deleted: boolean;
  /** Its writer added one element to the set that it had read. */
  readonly isElement: boolean;
  /** CRC-32 of its body. */
  readonly check: number;
  /** All writes that its context had seen. */
  readonly supersedes: Bits;
  /** Of those, what every attempt at it had seen: a coordinator that reads first may have read more at the second one. */
  certain: Bits;
  /** Its context had more closed writes than one carries: it may not close a twin of those (docs/guarantees.md). */
  readonly isTrimmed: boolean;
  /** Dots that stand for it: more than one when it was led twice. */
  dots: number;
  /** It was sent without a context and takes the one of the coordinator's own read, which is not known yet. */
  isOpen: boolean;
  outcome: WriteOutcome;
  /** When the client learnt of its success, and how many owners had it then at least. */
  okMs: number;
  okOwners: number;
  /** On how many slots it must be: what was promised less what lost disks have taken. */
  copies: number;
  /** On how many it was, when it was acknowledged. */
  promised: number;
  /** Copies and owners that lost it before it was acknowledged: what is promised then is less by these. */
  lostEarly: { copies: number; owners: number };
  /** Until when a lead may still begin it. */
  deadlineMs: number;
  /** What of it was acknowledged is gone with the disks that had it, and no fewer were lost than copies promised. */
  isLost: boolean;
}

/** A context in a client's hands, with the writes it stands for. */
export interface HeldContext {
  readonly context: Context;
  readonly seen: Bits;
}

/** What a get may rely on, as of the moment when it was asked. */
export interface ReadClaim {
  readonly atLeast: HeldContext | undefined;
  /** Writes that a strict read must show, or what superseded them, and those that it must not show any more. */
  readonly required: Bits | undefined;
  readonly dead: Bits | undefined;
}

export type Blame = (invariant: Invariant, what: string) => void;

export class KeyLedger {
  readonly writes: WriteRecord[] = [];
  readonly dots = new ActorDots();
  /** At the end: acknowledged writes that only writes of unknown outcome have replaced. */
  excusedByUnknown = 0;
  private readonly name: string;
  private readonly blame: Blame;
  private readonly byId = new Map<WriteId, WriteRecord>();
  private readonly everRead = new Bits();
  /** Writes that have a dot. */
  private readonly born = new Bits();
  /** Writes that were led a second time with another context: who has seen one has seen what that replaced. */
  private readonly grown: WriteRecord[] = [];
  private hasTrimmed = false;
  /** By the number of owners that had them at least when they were acknowledged: what a strict read shows, and does not. */
  private shown: Bits[] = [];
  private gone: Bits[] = [];
  /** Writes have been weakened since: `shown` and `gone` are made anew when they are looked at. */
  private isStale = false;

  constructor(name: string, blame: Blame) {
    this.name = name;
    this.blame = (invariant, what) => blame(invariant, `${this.name}: ${what}`);
  }

  find(writeId: WriteId): WriteRecord | undefined {
    return this.byId.get(writeId);
  }

  nameOf(index: number): string {
    return this.writes[index]?.name ?? `write ${index}`;
  }

  // ---- writes ----

  /** A write begins, or is tried again under its id. */
  attempt(write: {
    readonly writeId: WriteId;
    readonly name: string;
    readonly deleted: boolean;
    readonly isElement: boolean;
    readonly check: number;
    readonly sent: HeldContext | undefined;
    readonly readsFirst: boolean;
    readonly deadlineMs: number;
  }): WriteRecord {
    const { writeId, deadlineMs } = write;
    const known = this.byId.get(writeId);
    if (known !== undefined) {
      // What the last attempt came to no longer decides.
      if (known.outcome === 'none') known.outcome = 'pending';
      known.deadlineMs = Math.max(known.deadlineMs, deadlineMs);
      return known;
    }
    const record: WriteRecord = {
      index: this.writes.length,
      writeId,
      name: write.name,
      deleted: write.deleted,
      isElement: write.isElement,
      check: write.check,
      supersedes: write.sent?.seen.copy() ?? new Bits(),
      certain: write.sent?.seen ?? new Bits(),
      isTrimmed: (write.sent?.context.writes.length ?? 0) >= CLOSED_IN_CONTEXT_MAX,
      dots: 0,
      isOpen: write.readsFirst,
      outcome: 'pending',
      okMs: 0,
      okOwners: 0,
      copies: 0,
      promised: 0,
      lostEarly: { copies: 0, owners: 0 },
      deadlineMs,
      isLost: false,
    };
    if (record.isTrimmed) this.hasTrimmed = true;
    this.writes.push(record);
    this.byId.set(writeId, record);
    for (const other of this.grown) inherit(record, other);
    return record;
  }

  /** The context that a coordinator took from its own read for a write sent without one. */
  resolve(record: WriteRecord, context: Context): void {
    const seen = this.dots.coverOf(context.history).writes;
    seen.delete(record.index);
    record.supersedes.addAll(seen);
    if (record.isOpen) {
      record.certain = seen;
      record.isOpen = false;
      return;
    }
    record.certain = record.certain.copy().keepAll(seen);
    this.grown.push(record);
    for (const other of this.writes) inherit(other, record);
  }

  /** One attempt has ended. A write happened if any attempt did. */
  conclude(
    record: WriteRecord,
    outcome: 'ok' | 'none' | 'unknown',
    atMs: number,
    owners = 0,
    copies = 0,
  ): void {
    const { lostEarly } = record;
    if (outcome === 'ok' && record.outcome !== 'ok' && copies <= lostEarly.copies) {
      // Every copy that was promised went with its disk before the client heard of it.
      record.isLost = true;
      record.outcome = 'unknown';
      return;
    }
    if (outcome === 'ok' && record.outcome !== 'ok') {
      record.okMs = atMs;
      record.okOwners = Math.max(0, owners - lostEarly.owners);
      record.copies = Math.max(0, copies - lostEarly.copies);
      record.promised = record.copies;
      this.require(record);
    }
    if (ORDER.indexOf(outcome) > ORDER.indexOf(record.outcome)) record.outcome = outcome;
    if (outcome === 'none' && record.outcome === 'none' && this.isBorn(record)) {
      this.blame('I12', `${record.name} was answered "none", and is on a disk`);
    }
  }

  /** An acknowledged write is gone with its disks, or has fewer owners than it had. */
  weaken(record: WriteRecord, { copies, owners, lost }: Weakened): void {
    record.copies = copies;
    record.okOwners = owners;
    if (lost) {
      record.isLost = true;
      record.outcome = 'unknown';
    }
    this.isStale = true;
  }

  afterPut(record: WriteRecord, context: Context, sent: HeldContext | undefined): HeldContext {
    const seen = record.supersedes.copy().add(record.index);
    this.checkContext(context, seen, sent, `the answer to ${record.name}`);
    return { context, seen };
  }

  // ---- dots, as the disks show them ----

  /** A dot of the write is on a disk; whether it is the first time that one sees it. */
  learn(record: WriteRecord, actor: string, counter: number, nowMs: number): boolean {
    const isFirst = !this.isBorn(record);
    const before = this.dots.learn(actor, counter, record.index);
    if (before !== undefined && before !== record.index) {
      this.blame('I9', `dot ${actor}@${counter} of ${record.name} is one of ${this.nameOf(before)} too`);
    }
    if (before !== undefined) return false;
    record.dots++;
    this.born.add(record.index);
    if (isFirst && record.outcome === 'none') {
      this.blame('I12', `${record.name} was answered "none", and came to be`);
    }
    if (nowMs > record.deadlineMs) {
      const lateMs = Math.round(nowMs - record.deadlineMs);
      this.blame('I11', `${record.name} got a dot ${lateMs} ms after its deadline`);
    }
    return true;
  }

  private isBorn({ index }: WriteRecord): boolean {
    return this.born.has(index);
  }

  // ---- reads ----

  /** What a get that is asked now, and must hear R owners, may rely on. */
  claim(atLeast: HeldContext | undefined, owners: number | undefined, replicas: number): ReadClaim {
    if (owners === undefined) return { atLeast, required: undefined, dead: undefined };
    if (this.isStale) this.rebuild();
    const required = new Bits();
    const dead = new Bits();
    for (let had = replicas - owners + 1; had < this.shown.length; had++) {
      required.addAll(this.shown[had] ?? new Bits());
      dead.addAll(this.gone[had] ?? new Bits());
    }
    return { atLeast, required, dead };
  }

  /** A value that every read under this claim shows: nothing that was ever tried has seen it. Its name. */
  certainlyLive({ required, dead }: ReadClaim, asker: WriteRecord): string | undefined {
    if (required === undefined || dead === undefined) return undefined;
    for (const index of required.copy().removeAll(dead).members()) {
      const write = this.writes[index];
      if (write === undefined || write.deleted || index === asker.index) continue;
      if (!this.writes.some((other) => other !== asker && (other.isOpen || other.supersedes.has(index))))
        return write.name;
    }
    return undefined;
  }

  /** No read under this claim can show a value: all that were ever tried had been superseded. */
  isCertainlyGone({ dead }: ReadClaim, asker: WriteRecord): boolean {
    return this.writes.every(
      ({ index, deleted, outcome }) =>
        index === asker.index || deleted || outcome === 'none' || dead?.has(index) === true,
    );
  }

  /** Checks the siblings that a get returned; the context it gave, as the client may use it. */
  afterGet(returned: readonly WriteId[], context: Context, claim: ReadClaim, who: string): HeldContext {
    const records = this.recordsOf(returned, who);
    const seen = this.closure(records);
    for (const { index, name, outcome, dots } of records) {
      this.everRead.add(index);
      if (outcome === 'none') this.blame('I12', `${who} returned ${name}, which was answered "none"`);
      if (claim.dead?.has(index) && !(this.hasTrimmed && dots > 1))
        this.blame('I2', `${who} returned ${name}, which had been superseded`);
    }
    this.checkSiblings(records, who);
    this.checkContext(context, seen, claim.atLeast, who);
    const missed = (wanted: Bits | undefined) => {
      const missing = wanted?.firstBeyond(seen);
      return missing === undefined ? undefined : this.nameOf(missing);
    };
    const unseen = missed(claim.atLeast?.seen);
    if (unseen !== undefined) this.blame('I5', `${who} lacks ${unseen}, which its session had seen`);
    const lost = missed(claim.required);
    if (lost !== undefined)
      this.blame('I6', `${who}, a strict read, lacks ${lost}, which was acknowledged before`);
    return { context, seen };
  }

  /** The writes of these siblings and all that they had seen. */
  closure(records: readonly WriteRecord[]): Bits {
    const seen = new Bits();
    for (const { index, supersedes } of records) seen.add(index).addAll(supersedes);
    return seen;
  }

  recordsOf(ids: readonly WriteId[], who: string): readonly WriteRecord[] {
    return ids.flatMap((id) => {
      const record = this.byId.get(id);
      if (record === undefined) this.blame('I14', `${who} has ${shortId(id)}, which nobody wrote`);
      return record ?? [];
    });
  }

  // ---- the end ----

  /** What is on all disks when all faults are over. */
  conclusion(siblings: readonly WriteId[]): void {
    const records = this.recordsOf(siblings, 'the end');
    const covered = this.closure(records);
    this.checkSiblings(records, 'the end');
    this.excusedByUnknown = this.countExcused(records, covered);
    for (const { index, name, outcome, isOpen } of this.writes) {
      if (isOpen && outcome === 'ok') this.blame('sound', `nobody saw what ${name} was led with`);
      if (outcome === 'ok' && !covered.has(index)) this.blame('I1', `${name} was acknowledged and is lost`);
      if (
        outcome === 'none' &&
        (this.everRead.has(index) || records.some((record) => record.index === index))
      ) {
        this.blame('I12', `${name} was answered "none", and is there`);
      }
    }
  }

  private countExcused(records: readonly WriteRecord[], covered: Bits): number {
    const acknowledged = this.writes.filter(({ index, outcome }) => outcome === 'ok' && covered.has(index));
    const explained = Bits.of(...records.map(({ index }) => index));
    for (const { supersedes } of acknowledged) explained.addAll(supersedes);
    return acknowledged.filter(({ index }) => !explained.has(index)).length;
  }

  private checkSiblings(records: readonly WriteRecord[], who: string): void {
    for (const { certain, name, isTrimmed } of records) {
      for (const other of records) {
        if (isTrimmed && other.dots > 1) continue;
        if (certain.has(other.index)) this.blame('I4', `${who}: ${other.name} beside ${name}, which saw it`);
      }
    }
  }

  /** Law 4: what a context covers and its holder was not shown would be gone with the next put, unread. */
  private checkContext(context: Context, seen: Bits, sent: HeldContext | undefined, who: string): void {
    const { writes, unissued } = this.dots.coverOf(context.history);
    const beyond = writes.firstBeyond(seen);
    if (beyond !== undefined) this.blame('I4', `${who} covers ${this.nameOf(beyond)}, which was not shown`);
    const unshown = context.writes.find(({ writeId }) => !this.isShown(writeId, seen))?.writeId;
    if (unshown !== undefined)
      this.blame(
        'I4',
        `${who} closes ${this.byId.get(unshown)?.name ?? shortId(unshown)}, which was not shown`,
      );
    if (unissued > 0) this.blame('I4', `${who} covers ${unissued} dots that nobody issued`);
    if (sent !== undefined && !covers(context.history, sent.context.history)) {
      this.blame('I5', `${who} covers less than the context it was sent with`);
    }
  }

  private isShown(id: WriteId, seen: Bits): boolean {
    const record = this.byId.get(id);
    return record !== undefined && seen.has(record.index);
  }

  private rebuild(): void {
    this.isStale = false;
    this.shown = [];
    this.gone = [];
    for (const write of this.writes) if (write.outcome === 'ok') this.require(write);
  }

  private require({ index, okOwners, certain }: WriteRecord): void {
    while (this.shown.length <= okOwners) {
      this.shown.push(new Bits());
      this.gone.push(new Bits());
    }
    this.shown[okOwners]?.add(index);
    this.gone[okOwners]?.addAll(certain);
  }
}

export interface Weakened {
  readonly copies: number;
  readonly owners: number;
  readonly lost: boolean;
}

function inherit({ supersedes }: WriteRecord, seen: WriteRecord): void {
  if (supersedes.has(seen.index)) supersedes.addAll(seen.supersedes);
}

const ORDER: readonly WriteOutcome[] = ['pending', 'none', 'unknown', 'ok'];

function shortId(id: WriteId): string {
  return toHex(fromLatin1(id)).slice(0, 8);
}
