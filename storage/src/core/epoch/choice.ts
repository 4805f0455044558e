import { must, unreachable } from '@circlet/shared/assert.ts';
import { DecodeError, equalBytes } from '@circlet/shared/codec/bytes.ts';
import type {
  Ballot,
  EpochAccept,
  EpochAccepted,
  EpochMessage,
  EpochPrepare,
  EpochPromise,
  EpochRefused,
} from '@circlet/shared/protocol/epoch.ts';
import type { Ring, Topology } from '@circlet/shared/ring/topology.ts';
import { accept, NO_VOTE, promise, readVote, type Vote, type VoteStore, writeVote } from './acceptor.ts';
import { acceptedBy, type Attempt, attemptIn, boundTo, promisedBy } from './attempt.ts';
import { higher, outbid, sameBallot } from './ballot.ts';
import type { EpochChoiceOptions, Letter, Outcome, ProposalStatus, Refusal, Verdict } from './contract.ts';
import { Electorate } from './electorate.ts';

/**
 * This node's part in choosing what follows its topology (protocol.md, rule 11): for each epoch one Paxos
 * instance, in which it may be acceptor and proposer (Lamport, Paxos Made Simple, 2.2 to 2.5).
 *
 *     has a plan, or has accepted and not learnt
 *             | due
 *             v
 *     +--> prepare --majority--> accept --majority--> chosen --adopt--> the next choice
 *     |       |                    |
 *     +-------+---- outbid, due ---+
 *
 * - What its acceptor holds is in the store with the turn, before an answer leaves. All else may be lost.
 * - Only acceptors propose: so a ballot is above all that its node ever began, without a record of its own.
 * - Who has accepted a document and does not hear that it was chosen proposes it: no death of a proposer
 *   freezes the topology.
 *
 * Nothing waits in here: the caller hands in the time, sends the letters after the commit, and adopts what
 * was chosen.
 */
export class EpochChoice {
  private readonly store: VoteStore;
  private readonly self: string;
  private readonly random: () => number;
  private electorate: Electorate | undefined;
  /** As the store has it. */
  private vote: Vote = NO_VOTE;
  private attempt: Attempt | undefined;
  /** The highest ballot that others refused ours for. */
  private refusedFor: Ballot | undefined;
  /** The document that this node was asked to propose. */
  private plan: Uint8Array | undefined;
  private status: ProposalStatus = 'none';
  /** Ballots of this choice in which nothing was chosen. */
  private inVain = 0;
  /** When to ask again, or in another ballot, if there is reason to. */
  private dueMs = 0;

  constructor({ store, self, random }: EpochChoiceOptions) {
    this.store = store;
    this.self = self;
    this.random = random;
  }

  /** Of what was last proposed here, in this life. */
  get proposal(): ProposalStatus {
    return this.status;
  }

  /** From now on the choice is what follows this topology. A restarted node finds its vote in the store. */
  adopt(ring: Ring, nowMs: number): void {
    this.settle(ring);
    this.electorate = new Electorate(ring);
    this.vote = readVote(this.store, this.electorate.of);
    this.attempt = undefined;
    this.refusedFor = undefined;
    this.inVain = 0;
    this.postpone(nowMs);
  }

  /** Proposes this document until some document is chosen. */
  propose(document: Topology, nowMs: number): Outcome & { readonly refused: Refusal | undefined } {
    const out = nothing();
    const refused = this.reasonToRefuse;
    if (refused !== undefined) return { ...out, refused };
    try {
      this.plan = this.choice.documentOf(document);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return { ...out, refused: { unsound: error.message } };
    }
    this.status = 'running';
    this.begin(out, nowMs);
    return { ...out, refused: undefined };
  }

  /** To be called a few times a second. */
  tick(nowMs: number): Outcome {
    const out = nothing();
    const hasReason = this.plan !== undefined || this.vote.accepted !== undefined;
    if (!hasReason || nowMs < this.dueMs || this.store.readOnly) return out;
    if (this.attempt === undefined || this.isOutbid) this.begin(out, nowMs);
    else this.ask(out, this.attempt, nowMs);
    return out;
  }

  /** Throws {@link DecodeError}, before it changed anything, on what no sound sender says. */
  receive(from: string, message: EpochMessage, nowMs: number): Outcome & { readonly verdict: Verdict } {
    const out = nothing();
    const verdict = this.misplaced(from, message) ?? this.take(out, from, message, nowMs);
    return { ...out, verdict };
  }

  private get hasVote(): boolean {
    return this.electorate?.admits(this.self, this.store.disk) ?? false;
  }

  private misplaced(from: string, { kind, of }: EpochMessage): Verdict | undefined {
    const { electorate } = this;
    if (electorate === undefined || of.epoch > electorate.of.epoch) return 'ahead';
    if (of.epoch < electorate.of.epoch) {
      return kind === 'epochPrepare' || kind === 'epochAccept' ? 'behind' : 'late';
    }
    if (of.topology !== electorate.of.topology) return 'other_topology';
    const hasPart = kind === 'epochChosen' ? electorate.isMember(from) : electorate.isVoter(from);
    return hasPart ? undefined : 'stranger';
  }

  private take(out: Draft, from: string, message: EpochMessage, nowMs: number): Verdict {
    switch (message.kind) {
      case 'epochPrepare':
      case 'epochAccept':
        return this.answer(out, from, message, nowMs);
      case 'epochPromise':
        return this.promised(out, from, message, nowMs);
      case 'epochAccepted':
        return this.accepted(out, from, message);
      case 'epochRefused':
        return this.refused(message, nowMs);
      case 'epochChosen':
        out.chosen = this.choice.successor(message.document);
        return 'taken';
      default:
        return unreachable(message);
    }
  }

  // ---- acceptor ----

  private answer(out: Draft, from: string, asked: EpochPrepare | EpochAccept, nowMs: number): Verdict {
    const { of, ballot } = asked;
    if (ballot.node !== from) throw new DecodeError('a ballot of another node');
    if (asked.kind === 'epochAccept') this.choice.successor(asked.document);
    if (!this.hasVote || this.store.readOnly) return 'abstained';
    const { vote } = this;
    const next = asked.kind === 'epochPrepare' ? promise(vote, ballot) : accept(vote, ballot, asked.document);
    if (next === undefined) {
      const promised = must(vote.promised, 'only what was promised stands against a ballot');
      this.say(out, from, { kind: 'epochRefused', of, ballot, promised }, nowMs);
      return 'taken';
    }
    if (next !== vote) this.keep(next, nowMs);
    const { accepted } = next;
    if (asked.kind === 'epochPrepare')
      this.say(out, from, { kind: 'epochPromise', of, ballot, accepted }, nowMs);
    else this.say(out, from, { kind: 'epochAccepted', of, ballot }, nowMs);
    return 'taken';
  }

  private keep(vote: Vote, nowMs: number): void {
    writeVote(this.store, this.choice.of, vote);
    this.vote = vote;
    // Whoever begins now would only take the ballot away from one that is under way.
    this.postpone(nowMs);
  }

  // ---- proposer ----

  private get reasonToRefuse(): Refusal | undefined {
    if (this.electorate === undefined) return 'no_topology';
    if (!this.hasVote) return 'not_a_voter';
    if (this.store.readOnly) return 'read_only';
    return this.plan === undefined ? undefined : 'running';
  }

  private begin(out: Draft, nowMs: number): void {
    const ballot = outbid(this.highest, this.self);
    if (ballot === undefined) return;
    if (this.attempt !== undefined) this.inVain++;
    this.attempt = attemptIn(ballot);
    this.ask(out, this.attempt, nowMs);
  }

  /** Whoever has not answered: at first that is everybody. */
  private ask(out: Draft, { ballot, promises, document, acceptors }: Attempt, nowMs: number): void {
    const { of, voters } = this.choice;
    this.postpone(nowMs);
    for (const voter of voters) {
      if (document === undefined) {
        if (!promises.has(voter)) this.say(out, voter, { kind: 'epochPrepare', of, ballot }, nowMs);
      } else if (!acceptors.has(voter)) {
        this.say(out, voter, { kind: 'epochAccept', of, ballot, document }, nowMs);
      }
    }
  }

  private promised(out: Draft, from: string, { ballot, accepted }: EpochPromise, nowMs: number): Verdict {
    if (accepted !== undefined) this.choice.successor(accepted.document);
    if (!sameBallot(this.attempt?.ballot, ballot)) return 'late';
    const before = must(this.attempt, 'it has a ballot');
    if (before.document !== undefined) return 'late';
    const now = promisedBy(before, from, accepted);
    this.attempt = now;
    if (now.promises.size < this.choice.majority) return 'taken';
    // Who begins without a plan has accepted a document, and has promised itself.
    const document = must(boundTo(now) ?? this.plan, 'there was a reason to begin');
    this.attempt = { ...now, document };
    this.ask(out, this.attempt, nowMs);
    return 'taken';
  }

  private accepted(out: Draft, from: string, { of, ballot }: EpochAccepted): Verdict {
    const { attempt: before, choice } = this;
    if (before?.document === undefined || !sameBallot(before.ballot, ballot)) return 'late';
    const { document } = before;
    const now = acceptedBy(before, from);
    this.attempt = now;
    if (now.acceptors.size < choice.majority) return 'taken';
    this.attempt = undefined;
    out.chosen = choice.successor(document);
    for (const to of choice.members) {
      if (to !== this.self) out.letters.push({ to, message: { kind: 'epochChosen', of, document } });
    }
    return 'taken';
  }

  /** The ballot may still win without that acceptor; the next one will be above what it promised. */
  private refused({ ballot, promised }: EpochRefused, nowMs: number): Verdict {
    if (!sameBallot(this.attempt?.ballot, ballot)) return 'late';
    this.refusedFor = higher(this.refusedFor, promised);
    this.postpone(nowMs);
    return 'taken';
  }

  /** In the topology that was learnt, the plan has won or lost. */
  private settle(ring: Ring): void {
    if (this.plan === undefined) return;
    const next = this.choice.of.epoch + 1;
    const isOurs = equalBytes(this.plan, ring.bytes);
    this.status = ring.topology.epoch !== next ? 'overtaken' : isOurs ? 'won' : 'another_won';
    this.plan = undefined;
  }

  private get highest(): Ballot | undefined {
    return higher(this.vote.promised, this.refusedFor);
  }

  private get isOutbid(): boolean {
    const { attempt: of } = this;
    return of !== undefined && !sameBallot(higher(this.highest, of.ballot), of.ballot);
  }

  private postpone(nowMs: number): void {
    const leastMs = WAIT_MS * (this.isOutbid ? 2 ** Math.min(this.inVain, DOUBLINGS_MAX) : 1);
    this.dueMs = nowMs + leastMs * (1 + this.random());
  }

  // ---- both ----

  private get choice(): Electorate {
    return must(this.electorate, 'without a topology there is nothing to choose');
  }

  /** What this node says to itself happens at once, in the same turn: its own acceptor is like any other. */
  private say(out: Draft, to: string, message: EpochMessage, nowMs: number): void {
    if (to === this.self) this.take(out, to, message, nowMs);
    else out.letters.push({ to, message });
  }
}

interface Draft {
  readonly letters: Letter[];
  chosen: Topology | undefined;
}

function nothing(): Draft {
  return { letters: [], chosen: undefined };
}

/**
 * How long a ballot, and a document that was accepted, are given before somebody asks again: once to twice
 * this. A ballot takes two round trips and three commits, with which even a slow disk is done by then.
 */
const WAIT_MS = 500;
/** For ballots that others outbid. At 8 to 16 s any number of rivals leaves gaps for one to get through. */
const DOUBLINGS_MAX = 4;
