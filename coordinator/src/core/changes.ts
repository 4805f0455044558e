import type { ChangeAsk, ChangeTold } from '@circlet/shared/protocol/change.ts';
import { decodeTopology, type Topology, type TopologyDigest } from '@circlet/shared/ring/topology.ts';

/**
 * What an operator asks of the members (protocol.md, rule 10). The members plan and choose; the coordinator only carries the
 * question to one of them, and to another when that one is silent or gone:
 *
 *     idle --request--> asking a --told--> idle
 *                         | silent for 2 s, or gone
 *                         v
 *                       asking a, b --told by either, or nobody within 10 s--> idle
 */
export type Change = Pick<ChangeAsk, 'verb' | 'names' | 'weight'>;

export interface ChangeRequest {
  readonly id: number;
  readonly change: Change;
  /** The digest of the document that was shown; undefined to be shown it. */
  readonly commits: TopologyDigest | undefined;
}

export type ChangeAnswer =
  | {
      readonly kind: 'told';
      readonly status: ChangeTold['status'];
      readonly digest: TopologyDigest;
      /** Of a plan. */
      readonly document: Topology | undefined;
      readonly reason: string;
      /** In which the member was when it answered. */
      readonly epoch: number;
    }
  /**
   * `overloaded`: another request is under way. `unreachable`: no member has taken the question. `silent`: one may have, and
   * did not answer.
   */
  | {
      readonly kind: 'untold';
      readonly why: 'not_ready' | 'overloaded' | 'unreachable' | 'silent' | 'internal';
    };

/** What is needed of the coordinator around it. */
export interface ChangeDesk {
  readonly nowMs: number;
  readonly cluster: string;
  /** Active members that can be used now, in name order; undefined until a topology is known. */
  usableMembers(): readonly string[] | undefined;
  send(name: string, ask: ChangeAsk): void;
  /** Calls `check` with this number. */
  wake(turn: number, afterMs: number): void;
  respond(id: number, answer: ChangeAnswer): void;
  nextId(): number;
}

interface Asking {
  readonly request: ChangeRequest;
  /** Of the message, the same to whomever it is sent. */
  readonly messageId: number;
  readonly deadlineMs: number;
  readonly asked: Set<string>;
  /** Those of the asked who may answer yet. */
  readonly waitedFor: Set<string>;
}

const SILENT_MS = 2_000;
const WITHIN_MS = 10_000;

export class Changes {
  private readonly desk: ChangeDesk;
  private asking: Asking | undefined;
  /** Two members that propose one document compete: whoever answered before is asked again. */
  private lastTold: string | undefined;
  /** Of the last timer: earlier ones mean nothing. */
  private turn = 0;

  constructor(desk: ChangeDesk) {
    this.desk = desk;
  }

  begin(request: ChangeRequest): void {
    const { desk } = this;
    if (this.asking !== undefined) {
      desk.respond(request.id, { kind: 'untold', why: 'overloaded' });
    } else if (desk.usableMembers() === undefined) {
      desk.respond(request.id, { kind: 'untold', why: 'not_ready' });
    } else {
      const deadlineMs = desk.nowMs + WITHIN_MS;
      const nobody = { asked: new Set<string>(), waitedFor: new Set<string>() };
      this.asking = { request, messageId: desk.nextId(), deadlineMs, ...nobody };
      this.step(this.asking);
    }
  }

  /** False when it is no answer to what was asked. Throws {@link DecodeError} before anything is changed. */
  told(from: string, epoch: number, { id, status, digest, document, reason }: ChangeTold): boolean {
    const { asking } = this;
    if (asking?.messageId !== id || !asking.asked.has(from)) return true;
    const isPlan = asking.request.commits === undefined;
    if (status !== 'refused' && isPlan !== (status === 'planned')) return false;
    const planned = status === 'planned' ? decodeTopology(document) : undefined;
    if (planned !== undefined && planned.cluster !== this.desk.cluster) return false;
    this.lastTold = from;
    this.end(asking, { kind: 'told', status, digest, document: planned, reason, epoch });
    return true;
  }

  undelivered(node: string, ids: readonly number[]): void {
    const { asking } = this;
    if (asking === undefined || !ids.includes(asking.messageId)) return;
    asking.waitedFor.delete(node);
    this.step(asking);
  }

  check(turn: number): void {
    if (this.asking !== undefined && turn === this.turn) this.step(this.asking);
  }

  /** Asks one more, if there is one. */
  private step(asking: Asking): void {
    const { desk } = this;
    const leftMs = asking.deadlineMs - desk.nowMs;
    const usable = desk.usableMembers()?.filter((name) => !asking.asked.has(name)) ?? [];
    const next = usable.find((name) => name === this.lastTold) ?? usable[0];
    if (leftMs <= 0 || (next === undefined && asking.waitedFor.size === 0)) {
      this.end(asking, { kind: 'untold', why: asking.waitedFor.size === 0 ? 'unreachable' : 'silent' });
      return;
    }
    if (next !== undefined) {
      asking.asked.add(next);
      asking.waitedFor.add(next);
      const { change, commits } = asking.request;
      desk.send(next, { id: asking.messageId, ...change, commits });
    }
    desk.wake(++this.turn, Math.min(SILENT_MS, leftMs));
  }

  private end({ request }: Asking, answer: ChangeAnswer): void {
    this.asking = undefined;
    this.desk.respond(request.id, answer);
  }
}
