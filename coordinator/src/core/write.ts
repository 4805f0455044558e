import {
  type Context,
  contextOfSuperseded,
  contextWith,
  delta,
  soleWrites,
} from '@circlet/shared/causality/context.ts';
import { compareDots, type Dot } from '@circlet/shared/causality/dot.ts';
import { emptyState, findWrite, type KeyState, merge } from '@circlet/shared/causality/key-state.ts';
import { assemble } from '@circlet/shared/causality/parts.ts';
import { decodeState } from '@circlet/shared/causality/state-codec.ts';
import type { MessageOf } from '@circlet/shared/protocol/message.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import { positionOf, vnodeOf } from '@circlet/shared/ring/position.ts';
import type { PreferenceList } from '@circlet/shared/ring/preference-list.ts';
import type { Failure, NewWrite, Outcome, Quorum, Reading } from './client.ts';
import { type Copy, isCounted, tallyOf } from './copies.ts';
import { type Desk, mergeQuestions, type Operation, type Reply, type Setback } from './desk.ts';
import { type Tally, writeVerdict } from './quorum.ts';

/**
 * One write: a lead replica gives it a dot and commits it, then everybody else merges it.
 *
 *     leading --led--> replicating --W distinct slots committed--> answered --all copies and hints placed--> over
 *        \--refused, unreachable, silent--> leading through the next (same write-id)
 *
 * For every owner that cannot be reached a fallback takes the copy and owes it as a hint; in sloppy mode it counts for W,
 * never for `pw`. While a slot moves, all this goes for its second node too ({@link Copy}). Attempts through two leads may
 * mint two dots: they are one write (law 5), so acks are counted per write, by distinct slot (protocol.md, rule 14).
 */
export type WriteResult =
  | { readonly kind: 'written'; readonly context: Context }
  | { readonly kind: 'failed'; readonly failure: Failure };

export interface WriteOptions {
  readonly id: number;
  readonly key: FullKey;
  readonly quorum: Quorum;
  readonly write: NewWrite;
  readonly context: Context;
  /**
   * What was read, when the write is in it: done before, and its answer lost. It must not be led again with the context of
   * that reading, which can name a dot of its own: a lead without the write would mint another, and where the two met, the
   * write would have superseded itself.
   */
  readonly found?: Reading | undefined;
  readonly deadlineMs: number;
  readonly done: (desk: Desk, result: WriteResult) => void;
}

interface Target extends Copy {
  readonly node: string;
  sentMs: number;
  /** Parts of the state it has not acknowledged yet, by request. */
  readonly unacked: Set<number>;
}

interface Attempt {
  readonly node: string;
  readonly requestId: number;
  readonly sentMs: number;
  status: 'open' | 'led' | 'refused' | 'silent';
  /** It may have done something that we do not know of. */
  wasSilent: boolean;
  /** The same of an earlier life of the node, which may have died before it answered. */
  mayBeDone: boolean;
  why: Setback | undefined;
  /** Of its state, when it has superseded the write. */
  parts: KeyState[];
}

/** After two leads that hung or broke, a third is not tried: the write itself may be what breaks them (rule 20). */
const BROKEN_LEADS_MAX = 2;
const WRITE_UNKNOWN_MS = 50;
const MEMBER_WAIT_MS = 20;

export class WriteOperation implements Operation {
  readonly id: number;
  private readonly options: WriteOptions;
  /** In the order they were chosen. A handful: looked through faster than a map is made. */
  private targets: Target[] = [];
  private attempts: Attempt[] = [];
  private preferences = NO_PREFERENCES;
  private dots: readonly Dot[] = [];
  /** What the others are to merge, once there is a dot. */
  private state: KeyState | undefined;
  private sole = false;
  private answered = false;
  private over = false;
  /** Nothing was asked yet: members that are needed are on their way. */
  private isWaiting = false;

  constructor(options: WriteOptions) {
    this.id = options.id;
    this.options = options;
    const { found, write } = options;
    this.state = found?.state;
    this.dots = found === undefined ? [] : (findWrite(found.state, write.writeId)?.dots ?? []);
  }

  begin(desk: Desk): void {
    const vnode = vnodeOf(positionOf(this.options.key), desk.ring.vnodes);
    this.preferences = desk.preferences(vnode);
    this.choose(desk, this.preferences.owners, 'owner');
    this.choose(desk, this.preferences.seconds, 'second');
    const verdict = writeVerdict(this.options.quorum, this.tally());
    if (verdict.kind === 'impossible' && desk.awaitsMembers) {
      this.isWaiting = true;
      desk.wake(this, Math.min(this.options.deadlineMs, desk.nowMs + MEMBER_WAIT_MS));
      return;
    }
    if (verdict.kind === 'impossible') {
      // Known before anything is sent, so it can never appear.
      const { need, got, from } = this.reachable(verdict.from);
      this.fail(desk, { code: 'quorum_unavailable', need, got, from, outcome: this.outcome() });
      return;
    }
    if (this.state === undefined) this.leadNext(desk);
    else for (const target of this.targets) this.sendState(desk, target);
    desk.wake(this, Math.min(this.options.deadlineMs, desk.nowMs + this.silentMs(desk, undefined)));
  }

  restart(desk: Desk): void {
    if (this.over) return;
    if (this.answered) {
      this.end(desk);
      return;
    }
    for (const attempt of this.attempts) if (attempt.status === 'open') this.markSilent(attempt);
    this.isWaiting = false;
    this.targets = [];
    this.begin(desk);
  }

  replied(desk: Desk, node: string, requestId: number, reply: Reply): void {
    // Nothing is counted late, not even by a pod that stood still: a damaged row is made whole on the strength of that.
    if (desk.nowMs > this.options.deadlineMs) this.check(desk);
    else if (reply.kind === 'led') this.led(desk, requestId, reply);
    else if (reply.kind === 'merged') this.merged(desk, node, requestId);
  }

  setBack(desk: Desk, node: string, requestId: number, why: Setback): void {
    if (this.over) return;
    const attempt = this.attempts.find((each) => each.requestId === requestId);
    if (attempt !== undefined) this.leadRefused(desk, attempt, why);
    else this.copyRefused(desk, node, requestId);
    this.evaluate(desk);
  }

  mayBeDone(requestId: number): void {
    const attempt = this.attempts.find((each) => each.requestId === requestId);
    if (attempt !== undefined) attempt.mayBeDone = true;
  }

  check(desk: Desk): void {
    if (this.over) return;
    if (this.isWaiting && desk.nowMs < this.options.deadlineMs) {
      this.restart(desk);
      return;
    }
    if (desk.nowMs >= this.options.deadlineMs) {
      if (!this.answered) this.failAtDeadline(desk);
      this.end(desk);
      return;
    }
    this.giveUpOn(desk, (node, sentMs) => desk.nowMs - sentMs >= this.silentMs(desk, node));
    this.evaluate(desk);
    if (this.over) return;
    desk.wake(this, Math.min(this.options.deadlineMs, desk.nowMs + this.options.quorum.timeoutMs / 8));
  }

  gone(desk: Desk, node: string): void {
    if (this.over) return;
    this.giveUpOn(desk, (name) => name === node);
    this.evaluate(desk);
  }

  private choose(desk: Desk, names: readonly (string | undefined)[], half: Copy['half']): void {
    for (let slot = 0; slot < names.length; slot++) {
      const name = names[slot];
      if (name === undefined) continue;
      if (desk.node(name).isWritable(desk.nowMs)) this.addTarget(desk, name, slot, half, false);
      else this.standIn(desk, slot, half);
    }
  }

  // ---- step 1: a lead ----

  private leadNext(desk: Desk): void {
    if (this.state !== undefined || this.answered || this.over) return;
    const broken = this.attempts.filter((attempt) => attempt.wasSilent || attempt.why === 'internal').length;
    const next = broken >= BROKEN_LEADS_MAX ? undefined : this.nextLead(desk);
    if (next === undefined) {
      // A lead that is only late may still answer; if none can be, this write never happens.
      if (this.attempts.every((attempt) => attempt.status === 'refused')) this.failUnled(desk);
      return;
    }
    const { key, write, context } = this.options;
    next.status = 'open';
    next.sentMs = desk.nowMs;
    const requestId = desk.ask(
      this,
      next.node,
      {
        kind: 'lead',
        key,
        owedSlots: slotsOwed(next),
        writeId: write.writeId,
        keyed: write.keyed,
        context,
        deleted: write.deleted,
        writtenAtMs: write.writtenAtMs,
        check: write.check,
        body: write.body,
        siblingsMax: desk.siblingsMax,
      },
      this.options.deadlineMs,
    );
    this.attempts.push({
      node: next.node,
      requestId,
      sentMs: desk.nowMs,
      status: 'open',
      wasSilent: false,
      mayBeDone: false,
      why: undefined,
      parts: [],
    });
    if (this.attempts.length > 1) desk.count('write_led_again');
    desk.wake(this, Math.min(this.options.deadlineMs, desk.nowMs + this.silentMs(desk, next.node)));
  }

  /**
   * An owner if there is one, in slot order, unless it is clearly slower than another; else a fallback. Never a second: one
   * that is being filled knows neither the siblings that the write replaces nor whether it was done before.
   */
  private nextLead(desk: Desk): Target | undefined {
    const tried = new Set(this.attempts.map((attempt) => attempt.node));
    const open = this.targets.filter((target) => !tried.has(target.node) && target.status !== 'failed');
    const owners = open.filter(({ half, isHint }) => half === 'owner' && !isHint);
    if (owners.length === 0)
      return this.options.quorum.sloppy ? open.find(({ isHint }) => isHint) : undefined;
    let best = owners[0];
    let bestMs = Number.POSITIVE_INFINITY;
    for (const target of owners) {
      const ms = desk.node(target.node).writes.quantile(0.5, 2);
      if (ms * 2 + 2 < bestMs) {
        best = target;
        bestMs = ms;
      }
    }
    return best;
  }

  private led(desk: Desk, requestId: number, reply: MessageOf<'led'>): void {
    const attempt = this.attempts.find((each) => each.requestId === requestId);
    if (attempt === undefined || this.over) return;
    if (reply.outcome === 'closed' && !takePart(attempt, reply)) return;
    attempt.status = 'led';
    this.acked(attempt.node);
    const isFirst = this.state === undefined;
    this.state = this.stateAfter(attempt, reply);
    if (!isFirst) {
      this.tellTwin(desk);
    } else {
      // Its id is ours alone, the first lead gave it a dot, and no other will be asked: it can have no twin.
      const isOnlyMint = this.attempts.length === 1 && !attempt.mayBeDone && reply.outcome === 'minted';
      this.sole = isOnlyMint && !this.options.write.keyed;
      for (const target of this.targets) if (target.status === 'idle') this.sendState(desk, target);
    }
    this.evaluate(desk);
  }

  /**
   * A second attempt was done too. Its dot is in the context that the client gets, so the copies placed before are told
   * of it: else a session would wait for the one node that has it. Nothing depends on whether they hear it.
   */
  private tellTwin(desk: Desk): void {
    if (this.state === undefined) return;
    for (const target of this.targets) {
      if (target.status === 'idle' || target.status === 'failed') continue;
      for (const question of mergeQuestions(
        this.options.key,
        this.state,
        soleWrites(this.options.context),
        slotsOwed(target),
        false,
      )) {
        desk.ask(this, target.node, question, this.options.deadlineMs);
      }
    }
  }

  /** What the others are to merge: the write with all its dots, or what superseded it. */
  private stateAfter({ parts }: Attempt, reply: MessageOf<'led'>): KeyState {
    const whole = this.state;
    if (reply.outcome === 'closed') {
      return merge(whole ?? emptyState, assemble(parts), NONE).state;
    }
    const fresh = reply.dots.filter((dot) => !this.dots.some((own) => compareDots(own, dot) === 0));
    this.dots = [...this.dots, ...fresh].toSorted(compareDots);
    const { writeId, deleted, check, body } = this.options.write;
    const sibling = { writeId, dots: this.dots, deleted, writtenAtMs: reply.writtenAtMs, check, body };
    const write = delta(this.options.context, sibling);
    return whole === undefined ? write : merge(whole, write, NONE).state;
  }

  // ---- step 2: everybody else ----

  private sendState(desk: Desk, target: Target): void {
    if (this.state === undefined) return;
    const { context, found } = this.options;
    const sole = soleWrites(found?.context ?? context);
    target.status = 'open';
    target.sentMs = desk.nowMs;
    target.unacked.clear();
    const known = this.sole ? [...sole, this.options.write.writeId] : sole;
    for (const question of mergeQuestions(this.options.key, this.state, known, slotsOwed(target), false)) {
      target.unacked.add(desk.ask(this, target.node, question, this.options.deadlineMs));
    }
  }

  private merged(desk: Desk, node: string, requestId: number): void {
    const target = this.target(node);
    if (target === undefined || !target.unacked.delete(requestId) || target.unacked.size > 0) return;
    this.acked(node);
    this.evaluate(desk);
  }

  private acked(node: string): void {
    const target = this.target(node);
    if (target !== undefined) target.status = 'acked';
  }

  // ---- setbacks ----

  private leadRefused(desk: Desk, attempt: Attempt, why: Setback): void {
    attempt.status = 'refused';
    attempt.why = why;
    if (this.state !== undefined) return;
    if (why === 'too_many_siblings' || why === 'history_full' || why === 'idempotency_mismatch') {
      this.refusedForGood(desk, why);
      return;
    }
    this.targetFailed(desk, attempt.node);
    // A refusal by one that was given up as silent: another has been asked since, and one at a time leads.
    if (!this.attempts.some((each) => each.status === 'open')) this.leadNext(desk);
  }

  private copyRefused(desk: Desk, node: string, requestId: number): void {
    const target = this.target(node);
    if (target === undefined || !target.unacked.has(requestId)) return;
    target.unacked.clear();
    this.targetFailed(desk, node);
  }

  private targetFailed(desk: Desk, node: string): void {
    const target = this.target(node);
    if (target === undefined || target.status === 'acked') return;
    target.status = 'failed';
    this.standIn(desk, target.slot, target.half);
  }

  /** A fallback for a node that cannot take the write: it owes it the hint. */
  private standIn(desk: Desk, slot: number, half: Copy['half']): void {
    if (!isCounted(slot, this.preferences)) return;
    const next = this.preferences.fallbacks.find(
      (name) => this.target(name) === undefined && desk.node(name).isWritable(desk.nowMs),
    );
    if (next === undefined) return;
    const target = this.addTarget(desk, next, slot, half, true);
    desk.count('write_hinted');
    if (this.state !== undefined) this.sendState(desk, target);
  }

  private target(node: string): Target | undefined {
    return this.targets.find((target) => target.node === node);
  }

  private addTarget(desk: Desk, node: string, slot: number, half: Copy['half'], isHint: boolean): Target {
    const isRefilling = desk.ring.member(node)?.state === 'refilling';
    const target: Target = {
      node,
      slot,
      half,
      isHint,
      isRefilling,
      status: 'idle',
      sentMs: 0,
      unacked: new Set(),
    };
    this.targets.push(target);
    return target;
  }

  /** Silence is not refusal: the write may have been done. Its owner gets a hint, and its answer is taken if it comes. */
  private giveUpOn(desk: Desk, isLost: (node: string, sentMs: number) => boolean): void {
    for (const attempt of this.attempts) {
      if (attempt.status !== 'open' || !isLost(attempt.node, attempt.sentMs)) continue;
      this.markSilent(attempt);
      desk.node(attempt.node).unanswered(attempt.sentMs, desk.nowMs);
      this.targetFailed(desk, attempt.node);
      this.leadNext(desk);
    }
    // One that is given up on may add another, which has just been asked.
    for (const target of this.targets.slice()) {
      if (target.status !== 'open' || this.isLeading(target.node)) continue;
      if (!isLost(target.node, target.sentMs)) continue;
      desk.node(target.node).unanswered(target.sentMs, desk.nowMs);
      this.targetFailed(desk, target.node);
    }
  }

  private isLeading(node: string): boolean {
    return this.attempts.some((attempt) => attempt.node === node && attempt.status === 'open');
  }

  private markSilent(attempt: Attempt): void {
    attempt.status = 'silent';
    attempt.wasSilent = true;
  }

  /**
   * How long a node may be silent before another is tried: hedging sooner would make twins routine (rule 14). At half the
   * time there is no longer, or one slow answer among the last would leave no time to go round a node that hangs.
   */
  private silentMs(desk: Desk, node: string | undefined): number {
    const { timeoutMs } = this.options.quorum;
    const worst =
      node === undefined ? WRITE_UNKNOWN_MS : desk.node(node).writes.quantile(0.999, WRITE_UNKNOWN_MS);
    return Math.min(timeoutMs / 2, Math.max(worst, timeoutMs / 4));
  }

  // ---- the end ----

  private evaluate(desk: Desk): void {
    if (this.over) return;
    if (!this.answered && this.state !== undefined) {
      const verdict = writeVerdict(this.options.quorum, this.tally());
      if (verdict.kind === 'met') {
        this.succeed(desk);
      } else if (verdict.kind === 'impossible' && !this.mayStillCome()) {
        const { need, got, from } = verdict;
        this.fail(desk, { code: 'quorum_unavailable', need, got, from, outcome: this.outcome() });
        return;
      }
    }
    if (this.answered && this.isSettled()) this.end(desk);
  }

  private tally(): Tally {
    return tallyOf(this.targets, this.preferences);
  }

  /** Somebody was silent and could still answer before the deadline. */
  private mayStillCome(): boolean {
    return (
      this.targets.some(
        ({ slot, status, unacked }) =>
          status === 'failed' && unacked.size > 0 && isCounted(slot, this.preferences),
      ) || this.attempts.some((attempt) => attempt.status === 'silent')
    );
  }

  /** Every copy and hint that could be placed is: nothing is under way any more. */
  private isSettled(): boolean {
    return this.targets.every(
      ({ slot, status }) => status === 'acked' || status === 'failed' || !isCounted(slot, this.preferences),
    );
  }

  private succeed(desk: Desk): void {
    this.answered = true;
    const { context: sent, write, done } = this.options;
    const { dots, sole } = this;
    const isSuperseded = dots.length === 0;
    const context = isSuperseded
      ? contextOfSuperseded(sent, write.writeId)
      : contextWith(sent, write.writeId, dots, sole);
    done(desk, { kind: 'written', context });
  }

  private refusedForGood(
    desk: Desk,
    code: 'too_many_siblings' | 'history_full' | 'idempotency_mismatch',
  ): void {
    if (this.outcome() === 'none') {
      this.fail(desk, { code });
    } else {
      // An attempt before this one may have been done: that it is refused now does not undo it.
      this.fail(desk, { ...this.reachable('any'), code: 'quorum_unavailable', outcome: 'unknown' });
    }
  }

  private failUnled(desk: Desk): void {
    if (this.attempts.some((attempt) => attempt.why === 'internal')) {
      this.fail(desk, { code: 'internal', outcome: 'unknown' });
    } else if (this.outcome() === 'none' && this.attempts.every((attempt) => attempt.why === 'busy')) {
      this.fail(desk, { code: 'overloaded', outcome: 'none', retryAfterMs: 1_000 });
    } else {
      this.fail(desk, { ...this.reachable('any'), code: 'quorum_unavailable', outcome: this.outcome() });
    }
  }

  private failAtDeadline(desk: Desk): void {
    const outcome = this.outcome();
    const code = outcome === 'none' ? 'quorum_unavailable' : 'timeout';
    this.fail(desk, { ...this.reachable('any'), code, outcome });
  }

  /** `none` only if every attempt was refused by its lead or never reached one (rule 14). */
  private outcome(): Outcome {
    return this.options.found === undefined && this.attempts.every(isUndone) ? 'none' : 'unknown';
  }

  /** Need and got, for the answer to a client. */
  private reachable(from: 'any' | 'owners'): { need: number; got: number; from: 'any' | 'owners' } {
    const { w, pw, sloppy } = this.options.quorum;
    const tally = this.tally();
    const isSent = this.attempts.length > 0;
    const owners = tally.owners + (isSent ? 0 : tally.ownersOpen);
    const others = tally.others + (isSent ? 0 : tally.othersOpen);
    if (from === 'owners' || !sloppy || (owners + others >= w && owners < pw)) {
      return { need: sloppy ? pw : Math.max(w, pw), got: owners, from: 'owners' };
    }
    return { need: w, got: owners + others, from: 'any' };
  }

  private fail(desk: Desk, failure: Failure): void {
    if (!this.answered) {
      this.answered = true;
      this.options.done(desk, { kind: 'failed', failure });
    }
    // A copy that exists is still worth completing: the outcome is unknown, and more of it does no harm.
    if (this.state === undefined) this.end(desk);
  }

  private end(desk: Desk): void {
    if (this.over) return;
    this.over = true;
    desk.finished(this);
  }
}

/**
 * The write is already superseded at the lead: what superseded it must reach W copies instead (rule 22). True when this
 * was the last part of it. Two leads' parts are parts of two states: what only one of them has would count as dead.
 */
function takePart(attempt: Attempt, { part, parts, state }: MessageOf<'led'>): boolean {
  if (part === 0) attempt.parts = [];
  if (part !== attempt.parts.length) return false;
  attempt.parts.push(decodeState(state));
  return attempt.parts.length === parts;
}

/** What is owed is owed to the slot, and so to both its nodes while it moves: one of them will be no owner in the end. */
function slotsOwed({ slot, isHint }: Target): number {
  return isHint ? 1 << slot : 0;
}

const NONE: ReadonlySet<string> = new Set();
const NO_PREFERENCES: PreferenceList = { owners: [], seconds: [], fallbacks: [] };
const isUndone = ({ status, wasSilent, mayBeDone, why }: Attempt) =>
  status === 'refused' && !wasSilent && !mayBeDone && why !== 'internal';
