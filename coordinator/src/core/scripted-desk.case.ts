import { must } from '@circlet/shared/assert.ts';
import type { Dot } from '@circlet/shared/causality/dot.ts';
import { historyOf } from '@circlet/shared/causality/history.ts';
import type { KeyState, Sibling, WriteId } from '@circlet/shared/causality/key-state.ts';
import { digestOf, encodeState } from '@circlet/shared/causality/state-codec.ts';
import { latin1 } from '@circlet/shared/codec/bytes.ts';
import { sipKey } from '@circlet/shared/hash/siphash.ts';
import type { MessageOf } from '@circlet/shared/protocol/message.ts';
import { NO_DIGEST, NO_STATE } from '@circlet/shared/protocol/replica.ts';
import type { PreferenceList } from '@circlet/shared/ring/preference-list.ts';
import { Ring, type Topology } from '@circlet/shared/ring/topology.ts';
import type { Quorum } from './client.ts';
import type { Desk, Operation, Question, Reply, Setback } from './desk.ts';
import { NodeView } from './node-view.ts';

/** Five pods and one vnode: a, b and c own everything, d and e stand in. */
export const OWNERS = ['a', 'b', 'c'];
export const FALLBACKS = ['d', 'e'];
/** Two more, for whom slots move in some tests. */
export const SECONDS = ['f', 'g'];
export const KEY = new TextEncoder().encode('\x01bk');
export const DIGEST_KEY = sipKey(new Uint8Array(16).fill(3));

export const TOPOLOGY: Topology = {
  cluster: 'test',
  epoch: 1,
  replicas: 3,
  members: [...OWNERS, ...FALLBACKS].map((name) => ({
    name,
    disk: name.repeat(32),
    zone: 'z',
    weight: 1,
    state: 'active' as const,
  })),
  owners: [[0, 1, 2]],
  move: undefined,
};

export const QUORUM: Quorum = { r: 2, rIsFirm: false, w: 2, pr: 0, pw: 0, sloppy: true, timeoutMs: 4_000 };

interface Asked {
  readonly id: number;
  readonly node: string;
  readonly question: Question;
  readonly deadlineMs: number;
}

/** A desk where the test plays all storage pods: it sees each question and chooses what is answered, and when. */
export class ScriptedDesk implements Desk {
  nowMs = 0;
  readonly ring = new Ring(TOPOLOGY, DIGEST_KEY);
  /** By slot, while the vnode moves. */
  seconds: PreferenceList['seconds'] = [];
  readonly digestKey = DIGEST_KEY;
  readonly siblingsMax = 1_000;
  awaitsMembers = false;
  /** Every question so far. */
  readonly asked: Asked[] = [];
  readonly counted: string[] = [];
  hedges = 10;
  finishedAtMs: number | undefined;
  private readonly views = new Map<string, NodeView>();
  private wakeMs = Number.POSITIVE_INFINITY;

  constructor(up: readonly string[] = [...OWNERS, ...FALLBACKS, ...SECONDS]) {
    for (const name of [...OWNERS, ...FALLBACKS, ...SECONDS]) {
      const view = new NodeView(name);
      this.views.set(name, view);
      view.heard(`boot-${name}`.padEnd(11, '0'), 0);
      view.echoed(pulse(), 0);
      if (!up.includes(name)) view.undelivered();
    }
  }

  preferences(): PreferenceList {
    return { owners: OWNERS, seconds: this.seconds, fallbacks: FALLBACKS };
  }

  node(name: string): NodeView {
    const view = must(this.views.get(name), name);
    // Everybody answers an echo now and then.
    view.heardMs = Math.max(view.heardMs, this.nowMs - 2_000);
    return view;
  }

  ask(_: Operation, node: string, question: Question, deadlineMs: number): number {
    const id = this.asked.length + 1;
    this.asked.push({ id, node, question, deadlineMs });
    return id;
  }

  wake(_: Operation, atMs: number): void {
    this.wakeMs = atMs;
  }

  finished(): void {
    this.finishedAtMs ??= this.nowMs;
  }

  mayHedge(): boolean {
    return this.hedges-- > 0;
  }

  count(event: string): void {
    this.counted.push(event);
  }

  // ---- the script ----

  /** A node that was not there is. */
  comes(name: string): void {
    this.node(name).echoed(pulse(), this.nowMs);
  }

  /** Lets time pass, and the operation look when it wanted to. */
  pass(operation: Operation, ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.wakeMs <= untilMs && this.finishedAtMs === undefined) {
      this.nowMs = Math.max(this.nowMs, this.wakeMs);
      this.wakeMs = Number.POSITIVE_INFINITY;
      operation.check(this);
    }
    this.nowMs = untilMs;
  }

  /** `node kind` of every question from the n-th on. */
  questions(from = 0): readonly string[] {
    return this.asked
      .slice(from)
      .map(({ node, question }) => `${node} ${question.kind === 'read' ? question.want : question.kind}`);
  }

  /** The last question of this kind to a node. */
  to(node: string, kind: Question['kind']): Asked {
    return must(
      this.asked.findLast((each) => each.node === node && each.question.kind === kind),
      `${node} was asked to ${kind}`,
    );
  }

  led(operation: Operation, node: string, fields: Partial<MessageOf<'led'>> = {}): void {
    const { id } = this.to(node, 'lead');
    const answer = {
      outcome: 'minted' as const,
      dots: [dotOf(node)],
      writtenAtMs: 7,
      part: 0,
      parts: 1,
      state: NO_STATE,
    };
    this.reply(operation, node, { kind: 'led', id, ...answer, ...fields });
  }

  merged(operation: Operation, node: string): void {
    for (const { id, node: to, question } of this.asked) {
      if (to === node && question.kind === 'merge') this.reply(operation, node, { kind: 'merged', id });
    }
  }

  /** Answers the last read of a node with what it holds. */
  found(
    operation: Operation,
    node: string,
    state: KeyState | undefined,
    fields: Partial<MessageOf<'found'>> = {},
  ): void {
    const { id, question } = this.to(node, 'read');
    const isWhole = question.kind === 'read' && question.want === 'state';
    const holds =
      state === undefined
        ? { what: 'absent' as const, digest: NO_DIGEST, state: NO_STATE }
        : {
            what: isWhole ? ('state' as const) : ('digest' as const),
            digest: latin1(digestOf(DIGEST_KEY, state)),
            state: isWhole ? encodeState(state) : NO_STATE,
          };
    const isOwner = OWNERS.includes(node);
    const as = isOwner
      ? ('owner' as const)
      : state === undefined
        ? ('stranger' as const)
        : ('holder' as const);
    const answer = { id, as, ...holds, sole: 0, part: 0, parts: 1, owedBy: [] };
    this.reply(operation, node, { kind: 'found', ...answer, ...fields });
  }

  refuse(operation: Operation, node: string, kind: Question['kind'], why: Setback): void {
    operation.setBack(this, node, this.to(node, kind).id, why);
  }

  private reply(operation: Operation, node: string, reply: Reply): void {
    operation.replied(this, node, reply.id, reply);
  }
}

export function dotOf(node: string, counter = 1): Dot {
  return { actor: `${node}.AAAAAAAAAAA.1`, counter };
}

/** A write-id that can be told apart by its first letter. */
export const idOf = (letter: string): WriteId => letter.padEnd(16, '.');

export function sibling(letter: string, node: string, counter = 1, bytes = 3): Sibling {
  const body = new Uint8Array(bytes).fill(letter.charCodeAt(0));
  const dots = [dotOf(node, counter)];
  return { writeId: idOf(letter), dots, deleted: false, writtenAtMs: 7, check: letter.charCodeAt(0), body };
}

export function stateWith(...siblings: readonly Sibling[]): KeyState {
  const sorted = siblings.toSorted((a, b) => (a.writeId < b.writeId ? -1 : 1));
  return { siblings: sorted, history: historyOf(siblings.flatMap(({ dots }) => dots)), closed: [] };
}

export const lettersIn = (state: KeyState) => state.siblings.map(({ writeId }) => writeId.charAt(0));

function pulse() {
  const figures = {
    keys: 0,
    bytes: 0,
    hintsHeld: [],
    oldestHintAgeMs: 0,
    members: [],
    filling: { left: 0, of: 0, bytes: 0 },
  };
  return { id: 0, sentMs: 0, monoMs: 0, wallMs: 0, ready: true, writable: true, version: '1', ...figures };
}
