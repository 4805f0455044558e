import * as fc from 'fast-check';
import type { Context } from '../causality/context.ts';
import { makeActor } from '../causality/dot.ts';
import { historyOf } from '../causality/history.ts';
import { latin1 } from '../codec/bytes.ts';
import type { Presence } from '../ring/founding.ts';
import type { Dot } from '../causality/dot.ts';
import type { FrameHeader } from './frame.ts';
import type { Message, MessageKind, MessageOf } from './message.ts';
import type { Lead } from './replica.ts';

/** Messages of every kind. What they are made of is given: anything that their schemas admit, or what a test needs. */
export interface Ingredients {
  readonly id: fc.Arbitrary<number>;
  readonly number: fc.Arbitrary<number>;
  readonly deadlineMs: fc.Arbitrary<number>;
  readonly name: fc.Arbitrary<string>;
  readonly key: fc.Arbitrary<Uint8Array>;
  readonly digest: fc.Arbitrary<string>;
  readonly dots: fc.Arbitrary<readonly Dot[]>;
  readonly writeIds: fc.Arbitrary<readonly string[]>;
  readonly owedSlots: fc.Arbitrary<number>;
  readonly state: fc.Arbitrary<Uint8Array>;
  readonly context: fc.Arbitrary<Context>;
  readonly write: fc.Arbitrary<Pick<Lead, 'writeId' | 'deleted' | 'writtenAtMs' | 'check' | 'body'>>;
  readonly siblingsMax: fc.Arbitrary<number>;
  readonly document: fc.Arbitrary<Uint8Array>;
  readonly presence: fc.Arbitrary<Presence>;
}

const bytesOf = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => latin1(bytes));
const bytes = fc.uint8Array({ maxLength: 60 });
const number = fc.oneof(fc.nat({ max: 300 }), fc.maxSafeNat(), fc.constant(Number.MAX_SAFE_INTEGER));
const u32 = fc.nat({ max: 2 ** 32 - 1 });
const name = fc.oneof(
  fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?$/),
  fc.constantFrom('a', '0', 'x'.repeat(63), 'storage-0'),
);
const boot = fc.stringMatching(/^[A-Za-z0-9_-]{11}$/);
const dot = fc.record({
  actor: fc.tuple(name, boot, fc.nat()).map(([node, life, serial]) => makeActor(node, life, serial)),
  counter: number.map((n) => Math.max(1, n)),
});
const writeId = bytesOf(16);
const dots = fc.array(dot, { maxLength: 4 });
const context = fc.record({
  history: dots.map(historyOf),
  writes: fc.array(fc.record({ writeId, sole: fc.boolean() }), { maxLength: 4 }),
});

/** All that the schemas admit, in small portions. */
export const ANYTHING: Ingredients = {
  id: number,
  number,
  deadlineMs: number,
  name,
  key: bytes,
  digest: bytesOf(16),
  dots,
  writeIds: fc.array(writeId, { maxLength: 4 }),
  owedSlots: fc.nat({ max: 255 }),
  state: bytes,
  context,
  write: fc.record({ writeId, deleted: fc.boolean(), writtenAtMs: number, check: u32, body: bytes }),
  siblingsMax: number,
  document: bytes,
  presence: fc.record({
    config: bytesOf(16),
    name,
    disk: fc.stringMatching(/^[0-9a-f]{32}$/),
    roster: bytesOf(16),
    seal: bytesOf(16),
  }),
};

export type Kinds = { readonly [K in MessageKind]: fc.Arbitrary<MessageOf<K>> };

/** An arbitrary for every kind there is: a new kind does not compile before it has one. */
export function kindsOf(of: Ingredients): Kinds {
  const { id, deadlineMs, key, owedSlots, dots: requires, writeIds: sole, state, digest } = of;
  const request = { id, deadlineMs, key };
  const part = { part: of.number, parts: of.number, state };
  const after = fc.oneof(fc.constant(new Uint8Array(0)), key);
  const status = fc.constantFrom('alive' as const, 'suspect' as const, 'down' as const);
  const members = fc.array(fc.record({ name: of.name, status, incarnation: of.number }), { maxLength: 16 });
  const entries = fc.array(fc.record({ key, digest, ...part, sole, requires }), { maxLength: 3 });
  const range = { vnode: of.number, level: fc.nat({ max: 255 }), index: of.number };
  const choice = { epoch: of.number, topology: digest };
  const ballot = fc.record({ round: fc.integer({ min: 1, max: 2 ** 32 }), node: of.name });
  const accepted = fc.option(fc.record({ ballot, document: of.document }), { nil: undefined });
  const succession = fc.record(choice);
  const stretch = { vnode: of.number, first: of.number, end: of.number };
  const lead = fc.record({
    ...request,
    owedSlots,
    keyed: fc.boolean(),
    context: of.context,
    siblingsMax: of.siblingsMax,
  });
  return {
    lead: fc.tuple(lead, of.write).map(([fields, write]) => ({ kind: 'lead', ...fields, ...write })),
    led: fc.record({
      kind: fc.constant('led'),
      id,
      outcome: fc.constantFrom('minted', 'held', 'closed'),
      dots: of.dots,
      writtenAtMs: of.number,
      ...part,
    }),
    merge: fc.record({
      kind: fc.constant('merge'),
      ...request,
      owedSlots,
      sole,
      heals: fc.boolean(),
      requires,
      state,
    }),
    merged: fc.record({ kind: fc.constant('merged'), id }),
    read: fc.record({ kind: fc.constant('read'), ...request, want: fc.constantFrom('digest', 'state') }),
    found: fc.record({
      kind: fc.constant('found'),
      id,
      as: fc.constantFrom('owner', 'holder', 'stranger'),
      what: fc.constantFrom('absent', 'digest', 'state', 'suspect'),
      digest,
      sole: u32,
      ...part,
      owedBy: fc.array(of.name, { maxLength: 3 }),
    }),
    refused: fc.record({
      kind: fc.constant('refused'),
      id,
      reason: fc.constantFrom('busy', 'expired', 'wrong_boot', 'history_full', 'internal'),
      monoMs: of.number,
    }),
    echo: fc.record({ kind: fc.constant('echo'), id, sentMs: of.number }),
    echoed: fc.record({
      kind: fc.constant('echoed'),
      id,
      sentMs: of.number,
      monoMs: of.number,
      wallMs: of.number,
      ready: fc.boolean(),
      writable: fc.boolean(),
      version: fc.constantFrom('', '0.1.0', '1.2.3-beta+7'),
      keys: of.number,
      bytes: of.number,
      hintsHeld: fc.array(fc.record({ target: of.name, keys: of.number }), { maxLength: 4 }),
      oldestHintAgeMs: of.number,
      members,
      filling: fc.record({ left: of.number, of: of.number, bytes: of.number }),
    }),
    swim: fc.record({
      kind: fc.constant('swim'),
      step: fc.constantFrom('ping', 'ack', 'pingRequest', 'pingReport'),
      seq: of.number,
      incarnation: of.number,
      target: fc.array(of.name, { maxLength: 1 }),
      reached: fc.boolean(),
      updates: members,
    }),
    hintOffer: fc.record({ kind: fc.constant('hintOffer'), keys: of.number }),
    hintPull: fc.record({ kind: fc.constant('hintPull'), id, after }),
    hintPage: fc.record({
      kind: fc.constant('hintPage'),
      id,
      entries,
      more: fc.boolean(),
      next: after,
    }),
    hintAck: fc.record({
      kind: fc.constant('hintAck'),
      entries: fc.array(fc.record({ key, digest }), { maxLength: 3 }),
    }),
    topologyAsk: fc.record({ kind: fc.constant('topologyAsk') }),
    topologyTold: fc.record({ kind: fc.constant('topologyTold'), document: of.document }),
    foundingCall: fc.record({ kind: fc.constant('foundingCall'), presence: of.presence }),
    foundingAnswer: fc.record({ kind: fc.constant('foundingAnswer'), presence: of.presence }),
    treeRoots: fc.record({
      kind: fc.constant('treeRoots'),
      roots: fc.array(fc.record({ vnode: of.number, hash: digest }), { maxLength: 4 }),
    }),
    treeNodes: fc.record({
      kind: fc.constant('treeNodes'),
      ...range,
      hashes: fc.array(bytesOf(8), { maxLength: 16 }),
    }),
    treeRows: fc.record({
      kind: fc.constant('treeRows'),
      ...range,
      rows: fc.array(fc.record({ offset: of.number, hash: bytesOf(8), dots: fc.nat({ max: 255 }) }), {
        maxLength: 4,
      }),
    }),
    rowsAsk: fc.record({
      kind: fc.constant('rowsAsk'),
      id,
      prefixes: fc.array(of.number, { maxLength: 4 }),
    }),
    rowsTold: fc.record({
      kind: fc.constant('rowsTold'),
      answers: id,
      page: of.number,
      pages: of.number,
      more: fc.boolean(),
      entries,
    }),
    epochPrepare: fc.record({ kind: fc.constant('epochPrepare'), of: succession, ballot }),
    epochPromise: fc.record({ kind: fc.constant('epochPromise'), of: succession, ballot, accepted }),
    epochAccept: fc.record({
      kind: fc.constant('epochAccept'),
      of: succession,
      ballot,
      document: of.document,
    }),
    epochAccepted: fc.record({ kind: fc.constant('epochAccepted'), of: succession, ballot }),
    epochRefused: fc.record({ kind: fc.constant('epochRefused'), of: succession, ballot, promised: ballot }),
    epochChosen: fc.record({ kind: fc.constant('epochChosen'), of: succession, document: of.document }),
    replace: fc.record({ kind: fc.constant('replace'), disk: fc.stringMatching(/^[0-9a-f]{32}$/) }),
    refillAsk: fc.record({
      kind: fc.constant('refillAsk'),
      id,
      ...stretch,
      rows: fc.array(fc.record({ offset: of.number, hash: bytesOf(8) }), { maxLength: 4 }),
    }),
    refillTold: fc.record({
      kind: fc.constant('refillTold'),
      id,
      page: of.number,
      pages: of.number,
      reached: of.number,
      entries,
    }),
    candidate: fc.record({
      kind: fc.constant('candidate'),
      disk: fc.stringMatching(/^[0-9a-f]{32}$/),
      zone: fc.constantFrom('z', 'zone-1'),
      weight: fc.nat({ max: 255 }),
    }),
    changeAsk: fc.record({
      kind: fc.constant('changeAsk'),
      id,
      verb: fc.constantFrom('join', 'leave', 'replace', 'weight', 'cancel'),
      names: fc.array(of.name, { maxLength: 3 }),
      weight: fc.nat({ max: 255 }),
      commits: fc.option(digest, { nil: undefined }),
    }),
    changeTold: fc.record({
      kind: fc.constant('changeTold'),
      id,
      status: fc.constantFrom('planned', 'proposed', 'chosen', 'refused'),
      digest,
      document: of.document,
      reason: fc.constantFrom('', 'n9 is not a member'),
    }),
    moved: fc.record({ kind: fc.constant('moved'), isDone: fc.boolean() }),
  };
}

export const anyKinds: Kinds = kindsOf(ANYTHING);
export const anyMessage: fc.Arbitrary<Message> = fc.oneof(...Object.values(anyKinds));

export const anyHeader: fc.Arbitrary<FrameHeader> = fc.record({
  cluster: bytesOf(8),
  role: fc.constantFrom('storage', 'coordinator'),
  name,
  boot,
  toBoot: fc.option(boot, { nil: undefined }),
  number,
  epoch: number,
  topology: bytesOf(16),
});
