import { emptyContext } from '@circlet/shared/causality/context.ts';
import { encodeState } from '@circlet/shared/causality/state-codec.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';
import { encodeTopology } from '@circlet/shared/ring/topology.ts';
import * as fc from 'fast-check';
import { copyOf, leadOf, writeIdOf } from './one-key.case.ts';
import { elsewhere } from './requests.case.ts';
import { keyOf, topologyOf } from './ring.case.ts';

/** Messages of every kind, from sound to absurd: what a buggy or malicious peer could put into a frame. */
const NAMES = ['a', 'b', 'c', 'd', 'e', 'nobody'];
const name = fc.constantFrom(...NAMES);
const number = fc.oneof(fc.nat({ max: 20 }), fc.maxSafeNat(), fc.constant(Number.MAX_SAFE_INTEGER));
const garbage = fc.uint8Array({ maxLength: 40 });
const key: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 12 }).map((i) => keyOf(`key ${i}`)) },
  garbage,
);
const noKey = fc.constant(new Uint8Array(0));
const digest = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => String.fromCharCode(...bytes));
const GOOD = [elsewhere(), elsewhere(1), elsewhere(2, 3), elsewhere(1, 4, 5)].map(encodeState);
const state = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...GOOD) },
  garbage,
  fc
    .tuple(fc.constantFrom(...GOOD), fc.nat(), fc.nat({ max: 255 }))
    .map(([bytes, at, byte]) => bytes.with(at % bytes.length, byte)),
);
const dots = fc.array(fc.record({ actor: name.map((of) => `${of}.AAAAAAAAAAA.1`), counter: number }), {
  maxLength: 2,
});
const sole = fc.array(fc.nat({ max: 5 }).map(writeIdOf), { maxLength: 3 });
const owedSlots = fc.oneof(fc.nat({ max: 7 }), fc.nat({ max: 255 }));
// Sound in the receiver's clock, which these tests keep low, or anything.
const deadlineMs = fc.oneof({ weight: 12, arbitrary: fc.integer({ min: 5000, max: 50_000 }) }, number);
const id = fc.oneof(fc.nat({ max: 30 }), number);
const kind = <const K extends string>(of: K) => fc.constant(of);
const signature = fc.record({ config: digest, name, disk: kind('0'.repeat(32)), seal: digest });
const updates = fc.array(
  fc.record({
    name,
    status: fc.constantFrom('alive' as const, 'suspect' as const, 'down' as const),
    incarnation: number,
  }),
  { maxLength: 16 },
);
const entry = fc.record({ key, digest, part: number, parts: number, sole, requires: dots, state });

const lead = fc
  .record({
    id,
    deadlineMs,
    key,
    owedSlots,
    n: fc.nat({ max: 9 }),
    keyed: fc.boolean(),
    siblingsMax: fc.constantFrom(0, 1000, 1000, 1000),
  })
  .map(({ n, ...more }): Message => ({ kind: 'lead', ...leadOf(copyOf(n), emptyContext, more) }));

export const messages: fc.Arbitrary<Message> = fc.oneof(
  { weight: 6, arbitrary: lead },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: kind('merge'),
      id,
      deadlineMs,
      key,
      owedSlots,
      sole,
      heals: fc.boolean(),
      requires: dots,
      state,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: kind('read'),
      id,
      deadlineMs,
      key,
      want: fc.constantFrom('digest' as const, 'state' as const),
    }),
  },
  fc.record({ kind: kind('echo'), id, sentMs: number }),
  fc.record({
    kind: kind('swim'),
    step: fc.constantFrom('ping' as const, 'ack' as const, 'pingRequest' as const, 'pingReport' as const),
    seq: number,
    incarnation: number,
    target: fc.array(name, { maxLength: 1 }),
    reached: fc.boolean(),
    updates,
  }),
  fc.record({ kind: kind('hintOffer'), keys: number }),
  fc.record({ kind: kind('hintPull'), id, after: fc.oneof(noKey, key) }),
  fc.record({
    kind: kind('hintPage'),
    id,
    entries: fc.array(entry, { maxLength: 3 }),
    more: fc.boolean(),
    next: fc.oneof(noKey, key),
  }),
  fc.record({ kind: kind('hintAck'), entries: fc.array(fc.record({ key, digest }), { maxLength: 3 }) }),
  fc.record({ kind: kind('topologyAsk') }),
  fc.record({
    kind: kind('topologyTold'),
    document: fc.oneof(garbage, fc.constant(encodeTopology(topologyOf(NAMES.slice(0, 5))))),
  }),
  fc.record({ kind: kind('foundingCall'), signature }),
  fc.record({ kind: kind('foundingSigned'), signature }),
  fc.record({ kind: kind('merged'), id }),
  fc.record({ kind: kind('refused'), id, reason: kind('busy'), monoMs: number }),
  fc.record({
    kind: kind('led'),
    id,
    outcome: kind('minted'),
    dots,
    writtenAtMs: number,
    part: number,
    parts: number,
    state,
  }),
);

/** Who says it, and in which epoch; mostly a member of this one. */
export const senders = fc.record({
  role: fc.constantFrom('storage' as const, 'coordinator' as const),
  name,
  boot: fc.constantFrom('AAAAAAAAAAA', 'BBBBBBBBBBB'),
  life: fc.oneof({ weight: 12, arbitrary: kind('this') }, fc.constantFrom('another', 'any')),
  epoch: fc.oneof({ weight: 12, arbitrary: kind('this') }, fc.constantFrom('older', 'newer')),
});

export type Sender = typeof senders extends fc.Arbitrary<infer T> ? T : never;
