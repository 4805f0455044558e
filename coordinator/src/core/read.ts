import { type Context, contextOf, isAtLeast } from '@circlet/shared/causality/context.ts';
import {
  emptyState,
  type KeyState,
  liveSiblings,
  merge,
  type WriteId,
} from '@circlet/shared/causality/key-state.ts';
import { assemble } from '@circlet/shared/causality/parts.ts';
import { decodeState, digestOf } from '@circlet/shared/causality/state-codec.ts';
import { latin1 } from '@circlet/shared/codec/bytes.ts';
import { type Found, NO_DIGEST } from '@circlet/shared/protocol/replica.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import { positionOf, vnodeOf } from '@circlet/shared/ring/position.ts';
import type { Failure, Quorum, Reading } from './client.ts';
import { type Desk, mergeQuestions, type Operation, type Reply, type Setback } from './desk.ts';
import { readVerdict, type Tally } from './quorum.ts';

/**
 * One read (Dynamo, SOSP'07 section 4.5): the whole state from one owner, digests from the others; answer as soon as R of
 * them agree or merge; then repair every owner that turned out to be behind.
 *
 *     asking --R vouch--> answered --the others replied, or a second passed--> repaired
 *        |  \--cannot be met--> asking everybody who might know --> answered | failed
 *        \--silent for a quarter of the time--> another one is asked, and the answer counts if it comes
 *
 * Silence is not refusal. Nobody is waited for who was silent when there is something to answer; but "no" is said at the
 * deadline as long as somebody who was silent could still make it a yes, and at once when nobody could.
 *
 * Who vouches: a readable owner, or a fallback that holds the key. A fallback that holds nothing, and a row that
 * failed its checksum, count for nothing; "not found" needs R owners (protocol.md, rule 7).
 */
export type ReadResult =
  | { readonly kind: 'read'; readonly reading: Reading }
  | { readonly kind: 'failed'; readonly failure: Failure };

export interface ReadOptions {
  readonly id: number;
  readonly key: FullKey;
  readonly quorum: Quorum;
  readonly atLeast: Context | undefined;
  readonly deadlineMs: number;
  readonly done: (desk: Desk, result: ReadResult) => void;
}

/** One node that was asked. */
interface Contact {
  readonly node: string;
  readonly isOwner: boolean;
  wants: 'digest' | 'state';
  /** Requests to it without an answer yet. */
  open: number;
  /** Requests that were given up on, and not made again: until the deadline an answer may come. */
  late: number;
  askedMs: number;
  failed: boolean;
  askedAgain: boolean;
  reply: Vouch | undefined;
  /** Parts of its state so far, and which question they answer: those of two answers are parts of two states (rule 3). */
  parts: KeyState[];
  partsAnswer: number;
}

interface Vouch {
  readonly what: Found['what'];
  readonly digest: string;
  readonly sole: number;
  readonly vouches: boolean;
  state: KeyState | undefined;
}

/** How long after the answer the other replies are waited for, to compare and repair. */
const REPAIR_WAIT_MS = 1_000;
/** Before there are samples: a local replica answers in well under this. */
const HEDGE_UNKNOWN_MS = 20;
const HEDGE_MIN_MS = 4;
/** How long a holder of hints may delay "not found". */
const HOLDER_WAIT_MS = 100;

export class ReadOperation implements Operation {
  readonly id: number;
  private readonly options: ReadOptions;
  private contacts = new Map<string, Contact>();
  private owners: readonly string[] = [];
  private fallbacks: readonly string[] = [];
  /** Nodes of slots that move. They are not read, but one may hold a hint from before it came to be one. */
  private seconds: readonly (string | undefined)[] = [];
  private sole = new Set<WriteId>();
  private owedBy = new Set<string>();
  private hedged = false;
  /** Everybody who might know was asked; since when. */
  private escalatedMs: number | undefined;
  /** When one last answered that had been given up on. */
  private cameBackMs: number | undefined;
  private answeredMs: number | undefined;
  private over = false;

  constructor(options: ReadOptions) {
    this.id = options.id;
    this.options = options;
  }

  begin(desk: Desk): void {
    const vnode = vnodeOf(positionOf(this.options.key), desk.ring.vnodes);
    const { owners, seconds, fallbacks } = desk.preferences(vnode);
    this.owners = owners;
    this.fallbacks = fallbacks;
    this.seconds = seconds;
    const usable = this.owners.filter((name) => desk.node(name).isUsable(desk.nowMs));
    const best = fastest(desk, usable);
    for (const name of usable) this.ask(desk, name, name === best ? 'state' : 'digest');
    for (let missing = this.owners.length - usable.length; missing > 0; missing--) this.standIn(desk);
    const hedgeMs =
      best === undefined ? HEDGE_UNKNOWN_MS : desk.node(best).reads.quantile(0.95, HEDGE_UNKNOWN_MS);
    desk.wake(this, Math.min(this.options.deadlineMs, desk.nowMs + Math.max(HEDGE_MIN_MS, hedgeMs)));
    this.evaluate(desk);
  }

  restart(desk: Desk): void {
    if (this.answeredMs !== undefined) {
      this.end(desk);
      return;
    }
    this.contacts = new Map();
    this.owedBy = new Set();
    this.escalatedMs = undefined;
    this.cameBackMs = undefined;
    this.begin(desk);
  }

  replied(desk: Desk, node: string, requestId: number, reply: Reply): void {
    const contact = this.contacts.get(node);
    if (contact === undefined || reply.kind !== 'found') return;
    const hasState = reply.state.length > 0;
    if (hasState && !this.takePart(contact, requestId, reply)) return;
    if (settle(contact) === 'late') this.cameBackMs = desk.nowMs;
    // A digest that arrives behind the state says nothing new.
    if (contact.reply?.state === undefined || reply.what === 'state') {
      contact.reply = {
        what: reply.what,
        digest: reply.digest,
        sole: reply.sole,
        vouches: reply.what !== 'suspect' && (reply.as === 'owner' ? contact.isOwner : reply.as === 'holder'),
        state: hasState ? assemble(contact.parts) : undefined,
      };
    }
    for (const holder of reply.owedBy) this.owedBy.add(holder);
    this.evaluate(desk);
  }

  setBack(desk: Desk, node: string, _requestId: number, why: Setback): void {
    const contact = this.contacts.get(node);
    if (contact === undefined) return;
    settle(contact);
    contact.failed = true;
    if (why === 'unreachable') desk.count('read_unreachable');
    if (this.answeredMs === undefined) this.standIn(desk);
    this.evaluate(desk);
  }

  /** A read that was done changes nothing. */
  mayBeDone(): void {}

  check(desk: Desk): void {
    if (this.over) return;
    const { deadlineMs } = this.options;
    if (this.answeredMs !== undefined) {
      this.repair(desk);
      this.end(desk);
      return;
    }
    if (desk.nowMs >= deadlineMs) {
      this.conclude(desk);
      return;
    }
    this.hedge(desk);
    for (const contact of this.contacts.values())
      if (desk.nowMs >= contact.askedMs + this.silentMs) this.giveUpOn(desk, contact);
    desk.wake(this, Math.min(deadlineMs, this.nextMs(desk.nowMs)));
    this.evaluate(desk);
  }

  gone(desk: Desk, node: string): void {
    const contact = this.contacts.get(node);
    if (this.over || contact === undefined) return;
    this.giveUpOn(desk, contact);
    // It died with what it was asked: nobody waits for that, though it would count.
    contact.late = 0;
    this.evaluate(desk);
  }

  // ---- asking ----

  private ask(desk: Desk, name: string, want: 'digest' | 'state'): void {
    const isOwner = this.owners.includes(name);
    let contact = this.contacts.get(name);
    if (contact === undefined) {
      contact = {
        node: name,
        isOwner,
        wants: want,
        open: 0,
        late: 0,
        askedMs: 0,
        failed: false,
        askedAgain: false,
        reply: undefined,
        parts: [],
        partsAnswer: 0,
      };
      this.contacts.set(name, contact);
    }
    contact.wants = want;
    contact.open++;
    contact.askedMs = desk.nowMs;
    desk.ask(this, name, { kind: 'read', key: this.options.key, want }, this.options.deadlineMs);
  }

  /** One more fallback in place of an owner that cannot be asked: it may hold what the owner missed. */
  private standIn(desk: Desk): void {
    if (!this.options.quorum.sloppy) return;
    const next = this.fallbacks.find(
      (name) => !this.contacts.has(name) && desk.node(name).isUsable(desk.nowMs),
    );
    if (next !== undefined) this.ask(desk, next, 'state');
  }

  /** The replica with the whole state is slow: ask another one for it too. */
  private hedge(desk: Desk): void {
    if (this.hedged || this.knownDigests().size > 0) return;
    const other = [...this.contacts.values()].find(
      ({ isOwner, wants, failed, reply }) =>
        isOwner && wants === 'digest' && !failed && (reply === undefined || reply.what === 'digest'),
    );
    if (other === undefined || !desk.mayHedge()) return;
    this.hedged = true;
    desk.count('read_hedged');
    this.ask(desk, other.node, 'state');
  }

  private get silentMs(): number {
    return this.options.quorum.timeoutMs / 4;
  }

  /** When to look next at who is silent, or has been waited for long enough. */
  private nextMs(nowMs: number): number {
    let nextMs = nowMs + this.silentMs;
    const sooner = (ms: number) => {
      if (ms > nowMs && ms < nextMs) nextMs = ms;
    };
    for (const { open, askedMs } of this.contacts.values()) if (open > 0) sooner(askedMs + this.silentMs);
    if (this.escalatedMs !== undefined) sooner(this.escalatedMs + HOLDER_WAIT_MS);
    if (this.cameBackMs !== undefined) sooner(this.cameBackMs + this.silentMs);
    return nextMs;
  }

  /** A node that hangs for a quarter of the time there is counts as gone; its answer is still taken if it comes. */
  private giveUpOn(desk: Desk, contact: Contact): void {
    if (contact.open === 0) return;
    contact.failed = true;
    contact.late += contact.open;
    contact.open = 0;
    desk.node(contact.node).unanswered(contact.askedMs, desk.nowMs);
    desk.count('read_unanswered');
    this.standIn(desk);
    this.askAgain(desk, contact);
  }

  /** It was heard since it was asked: not it but a frame was lost, or it is slow. Once, and not more often than hedges are. */
  private askAgain(desk: Desk, contact: Contact): void {
    const { node, askedMs, wants } = contact;
    const view = desk.node(node);
    if (contact.askedAgain || view.heardMs <= askedMs || !view.isUsable(desk.nowMs) || !desk.mayHedge())
      return;
    contact.askedAgain = true;
    // Whichever of the two answers comes first settles it: nobody waits for the other.
    contact.late = 0;
    this.ask(desk, node, wants);
  }

  /** Before saying no: all N owners, and all who hold hints for them, whatever was thought of them. */
  private escalate(desk: Desk): void {
    this.escalatedMs = desk.nowMs;
    const { sloppy } = this.options.quorum;
    // Offers and pulses tell of hints within a second of a recovery; before that, the first to stand in hold them.
    const likely = this.fallbacks.slice(0, this.owners.length);
    const wanted = sloppy ? [...this.owners, ...this.holders(desk), ...likely] : this.owners;
    for (const name of wanted) {
      if (!this.contacts.has(name) && desk.node(name).isWorthAsking(desk.nowMs))
        this.ask(desk, name, 'state');
    }
    desk.wake(this, Math.min(this.options.deadlineMs, desk.nowMs + HOLDER_WAIT_MS));
  }

  /** Members that hold hints for the owners, by the owners' word or their own. */
  private holders(desk: Desk): readonly string[] {
    const owe = (name: string) =>
      desk.node(name).pulse?.hintsHeld.some(({ target }) => this.owners.includes(target));
    return [...this.fallbacks, ...this.seconds].filter(
      (name): name is string => name !== undefined && (this.owedBy.has(name) || owe(name) === true),
    );
  }

  // ---- judging ----

  private evaluate(desk: Desk): void {
    if (this.over) return;
    this.fetchDiffering(desk);
    if (this.answeredMs !== undefined) {
      if (!this.isRepairAwaited()) {
        this.repair(desk);
        this.end(desk);
      }
      return;
    }
    const verdict = readVerdict(this.options.quorum, this.tally());
    if (verdict.kind === 'met') this.answerIfFit(desk);
    else if (verdict.kind === 'impossible') this.giveWay(desk, short('quorum_unavailable', verdict));
  }

  private answerIfFit(desk: Desk): void {
    const { atLeast, quorum } = this.options;
    const state = this.merged();
    if (atLeast !== undefined && !isAtLeast(state, atLeast)) {
      this.orElse(desk, () => this.refuse(desk, { code: 'stale_replicas' }));
      return;
    }
    if (liveSiblings(state).length === 0) {
      // Nothing there: as many owners must say so, and nobody may be holding a write for them.
      const { owners } = this.tally();
      if (owners < quorum.r) {
        const failure = short('quorum_unavailable', { need: quorum.r, got: owners, from: 'owners' });
        this.orElse(desk, () => this.refuse(desk, failure));
        return;
      }
      if (quorum.sloppy && this.holders(desk).some((name) => !this.contacts.has(name))) {
        this.orElse(desk, () => this.answer(desk, state));
        return;
      }
      if (this.isHolderOpen(desk)) return;
    }
    this.answer(desk, state);
  }

  /** R cannot be met. A default R gives way to everything reachable, if that has anything to show (rule 7). */
  private giveWay(desk: Desk, failure: Failure): void {
    this.orElse(desk, () => {
      const state = this.merged();
      if (!this.isWorthShowing(state)) this.refuse(desk, failure);
      else if (!this.mayOthersFollow(desk)) this.answer(desk, state);
    });
  }

  private isNew(state: KeyState): boolean {
    const { atLeast } = this.options;
    return atLeast === undefined || isAtLeast(state, atLeast);
  }

  /** Whether it may be the answer though R was not met. */
  private isWorthShowing(state: KeyState): boolean {
    const arePrimariesMet = this.tally().owners >= this.options.quorum.pr;
    return this.givesWay && arePrimariesMet && this.isNew(state) && liveSiblings(state).length > 0;
  }

  private get givesWay(): boolean {
    const { sloppy, rIsFirm } = this.options.quorum;
    return sloppy && !rIsFirm;
  }

  /**
   * One that was given up on was only slow, and so may be the others: R did not give way to those who hang, so as to be
   * content with the first who comes back. They have as long again.
   */
  private mayOthersFollow(desk: Desk): boolean {
    if (this.cameBackMs === undefined || desk.nowMs >= this.cameBackMs + this.silentMs) return false;
    return readVerdict(this.options.quorum, this.tally('late')).kind !== 'impossible';
  }

  /** Says no; but not before the deadline while one that was given up on could make it a yes. */
  private refuse(desk: Desk, failure: Failure): void {
    if (!this.mayStillCome()) this.fail(desk, failure);
  }

  private mayStillCome(): boolean {
    const { quorum } = this.options;
    const tally = this.tally('late');
    if (tally.ownersOpen + tally.othersOpen === 0) return false;
    if (readVerdict(quorum, tally).kind !== 'impossible') return true;
    return this.givesWay && tally.owners + tally.ownersOpen >= quorum.pr;
  }

  /** The deadline: what has come is all there is. */
  private conclude(desk: Desk): void {
    const state = this.merged();
    if (this.isWorthShowing(state)) this.answer(desk, state);
    else this.fail(desk, this.tooLate(state));
  }

  /** First asks all who might know; `resort` when they have spoken. */
  private orElse(desk: Desk, resort: () => void): void {
    if (this.escalatedMs === undefined) {
      this.escalate(desk);
      if (this.isAnyOpen()) return;
    } else if (this.isAnyOpen()) {
      return;
    }
    resort();
  }

  /** An owner with another digest than any state we have must show its state; a suspect one too, for those who are behind. */
  private fetchDiffering(desk: Desk): void {
    const known = this.knownDigests();
    const awaited = new Set<string>();
    for (const contact of this.contacts.values()) {
      const { reply } = contact;
      if (reply === undefined || !isUnseen(reply) || known.has(reply.digest) || awaited.has(reply.digest))
        continue;
      if (contact.wants === 'state') {
        if (contact.open > 0) awaited.add(reply.digest);
        continue;
      }
      // The state that is still under way from another owner may well be this one.
      if (this.isStateUnderWay()) continue;
      awaited.add(reply.digest);
      this.ask(desk, contact.node, 'state');
    }
  }

  private isStateUnderWay(): boolean {
    return [...this.contacts.values()].some(
      ({ isOwner, wants, open, reply, failed }) =>
        isOwner && wants === 'state' && open > 0 && reply === undefined && !failed,
    );
  }

  /** `late`: those who were given up on could still count as well. */
  private tally(awaited: 'open' | 'late' = 'open'): Tally {
    const known = this.knownDigests();
    const isAwaited = ({ open, late }: Contact) => open > 0 || (awaited === 'late' && late > 0);
    const isStateOpen = [...this.contacts.values()].some((each) => each.wants === 'state' && isAwaited(each));
    const tally = { owners: 0, others: 0, ownersOpen: 0, othersOpen: 0 };
    for (const contact of this.contacts.values()) {
      const { reply } = contact;
      const isSettled =
        reply?.vouches === true &&
        (reply.what === 'absent' || reply.state !== undefined || known.has(reply.digest));
      // A digest waits for the state it is of, which may be under way from somebody else.
      const isOpen = isAwaited(contact) || (reply?.what === 'digest' && reply.vouches && isStateOpen);
      if (isSettled) tally[contact.isOwner ? 'owners' : 'others']++;
      else if (isOpen) tally[contact.isOwner ? 'ownersOpen' : 'othersOpen']++;
    }
    return tally;
  }

  private knownDigests(): ReadonlySet<string> {
    const known = new Set<string>();
    for (const { reply } of this.contacts.values())
      if (reply?.vouches === true && reply.state !== undefined) known.add(reply.digest);
    return known;
  }

  private isAnyOpen(): boolean {
    return [...this.contacts.values()].some((contact) => contact.open > 0);
  }

  /** Whoever may yet show what the owners have; of those who were given up on, only these. */
  private isRepairAwaited(): boolean {
    return [...this.contacts.values()].some(({ open, late, isOwner }) => open > 0 || (isOwner && late > 0));
  }

  /** Holders are waited for before "not found", but not for long: one that hangs must not hang the answer. */
  private isHolderOpen(desk: Desk): boolean {
    if (this.escalatedMs === undefined || desk.nowMs - this.escalatedMs >= HOLDER_WAIT_MS) return false;
    return [...this.contacts.values()].some((contact) => !contact.isOwner && contact.open > 0);
  }

  /** True when the reply was the last part of a state. */
  private takePart(contact: Contact, requestId: number, found: Found): boolean {
    if (found.part === 0) {
      contact.parts = [];
      contact.partsAnswer = requestId;
    }
    if (requestId !== contact.partsAnswer || found.part !== contact.parts.length) return false;
    const part = decodeState(found.state);
    part.siblings.slice(0, 32).forEach(({ writeId }, i) => {
      if (found.parts === 1 && (found.sole & (1 << i)) !== 0) this.sole.add(writeId);
    });
    contact.parts.push(part);
    return contact.parts.length === found.parts;
  }

  private merged(): KeyState {
    const states = [...this.contacts.values()].flatMap(({ reply }) =>
      reply?.vouches === true && reply.state !== undefined ? [reply.state] : [],
    );
    return mergeAll(states, this.sole);
  }

  /** All that anybody has: what does not count for an answer is worth keeping all the same. */
  private mergedWithSuspects(): KeyState {
    const suspects = [...this.contacts.values()].flatMap(({ reply }) =>
      reply?.what === 'suspect' && reply.state !== undefined ? [reply.state] : [],
    );
    return mergeAll([this.merged(), ...suspects], this.sole);
  }

  // ---- the end ----

  private answer(desk: Desk, state: KeyState): void {
    this.answeredMs = desk.nowMs;
    this.learnSole();
    this.options.done(desk, { kind: 'read', reading: { state, context: contextOf(state, this.sole) } });
    this.repairSoon(desk);
  }

  private fail(desk: Desk, failure: Failure): void {
    this.answeredMs = desk.nowMs;
    this.options.done(desk, { kind: 'failed', failure });
    this.repairSoon(desk);
  }

  /** Also after a failure: it may be for want of the very row that those who did answer can repair. */
  private repairSoon(desk: Desk): void {
    if (this.isRepairAwaited() && desk.nowMs < this.options.deadlineMs) {
      desk.wake(this, Math.min(this.options.deadlineMs, desk.nowMs + REPAIR_WAIT_MS));
    } else {
      this.repair(desk);
      this.end(desk);
    }
  }

  private end(desk: Desk): void {
    if (this.over) return;
    this.over = true;
    desk.finished(this);
  }

  private tooLate(state: KeyState): Failure {
    const { r, pr, sloppy } = this.options.quorum;
    const { owners, others } = this.tally();
    const got = owners + (sloppy ? others : 0);
    if (got < r) return short('timeout', { need: r, got, from: sloppy ? 'any' : 'owners' });
    if (owners >= pr && !this.isNew(state)) return { code: 'stale_replicas' };
    // Enough answered, of whom too few are owners: for PR, or to say that nothing is there.
    return short('timeout', { need: owners < pr ? pr : r, got: owners, from: 'owners' });
  }

  /** Flags are no part of a digest: a replica that only sent one may know what the one with the state does not. */
  private learnSole(): void {
    for (const { reply } of this.contacts.values()) {
      if (reply === undefined || reply.sole === 0) continue;
      const sameState = [...this.contacts.values()].find(
        (c) => c.reply?.state !== undefined && c.reply.digest === reply.digest,
      );
      sameState?.reply?.state?.siblings.slice(0, 32).forEach(({ writeId }, i) => {
        if ((reply.sole & (1 << i)) !== 0) this.sole.add(writeId);
      });
    }
  }

  /** The merge of all that was seen goes to every owner that answered and has anything else, asked first or not. */
  private repair(desk: Desk): void {
    const replies = [...this.contacts.values()].filter((contact) => contact.reply !== undefined);
    const digests = new Set(replies.filter((c) => c.isOwner).map((c) => c.reply?.digest));
    const hasSuspect = replies.some((contact) => contact.reply?.what === 'suspect');
    const hasHolder = replies.some(
      (contact) => !contact.isOwner && contact.reply?.vouches === true && contact.reply.state !== undefined,
    );
    if (digests.size <= 1 && !hasSuspect && !hasHolder) return;
    const state = this.mergedWithSuspects();
    const digest =
      state.siblings.length + state.history.actors.length + state.closed.length === 0
        ? ''
        : latin1(digestOf(desk.digestKey, state));
    const deadlineMs = desk.nowMs + this.options.quorum.timeoutMs;
    for (const contact of replies) {
      const { reply } = contact;
      if (!contact.isOwner || reply === undefined) continue;
      const isSuspect = reply.what === 'suspect';
      if (!isSuspect && (reply.digest === digest || digest === '')) continue;
      // What heals is as old as this read, and the receiver judges its age by the deadline.
      const inTime = desk.nowMs < this.options.deadlineMs && desk.node(contact.node).isInStep;
      const heals = isSuspect && inTime && this.haveAllShown(contact.node);
      if (!heals && reply.digest === digest) continue;
      desk.count('read_repair');
      for (const question of mergeQuestions(this.options.key, state, [...this.sole], 0, heals)) {
        desk.ask(this, contact.node, question, heals ? this.options.deadlineMs : deadlineMs);
      }
    }
  }

  /**
   * Whether every owner but this one has shown what it has. One that is damaged itself has shown what is left: what both
   * had lost before, no third read could bring back, so two of them need not wait for each other.
   */
  private haveAllShown(but: string): boolean {
    const known = this.knownDigests();
    return this.owners.every((name) => {
      if (name === but) return true;
      const reply = this.contacts.get(name)?.reply;
      if (reply?.what === 'suspect') return !isUnseen(reply) || known.has(reply.digest);
      return reply?.vouches === true && (reply.what === 'absent' || known.has(reply.digest));
    });
  }
}

/** It has something, of which only the digest came. */
function isUnseen({ what, digest, state }: Vouch): boolean {
  return what === 'digest' || (what === 'suspect' && state === undefined && digest !== NO_DIGEST);
}

/** One request to it is answered, or refused. */
function settle(contact: Contact): 'open' | 'late' {
  const sort = contact.late > 0 ? 'late' : 'open';
  contact[sort] = Math.max(0, contact[sort] - 1);
  return sort;
}

interface Short {
  readonly need: number;
  readonly got: number;
  readonly from: 'any' | 'owners';
}

/** A read changes nothing, so there is no outcome. */
function short(code: 'quorum_unavailable' | 'timeout', { need, got, from }: Short): Failure {
  return { code, need, got, from, outcome: undefined };
}

/** The owner that answers soonest; the first in slot order while there is nothing to tell them apart. */
function fastest(desk: Desk, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestMs = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const ms = desk.node(name).reads.quantile(0.5, 1);
    // A node must be clearly slower to lose its turn, or all load would chase the noise.
    if (best === undefined || ms * 2 + 1 < bestMs) {
      best = name;
      bestMs = ms;
    }
  }
  return best;
}

function mergeAll(states: readonly KeyState[], sole: ReadonlySet<WriteId>): KeyState {
  let merged = states[0] ?? emptyState;
  for (const state of states.slice(1)) merged = merge(merged, state, sole).state;
  return merged;
}
