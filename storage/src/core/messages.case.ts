import { emptyContext } from '@circlet/shared/causality/context.ts';
import { encodeState } from '@circlet/shared/causality/state-codec.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';
import { ANYTHING, kindsOf } from '@circlet/shared/protocol/messages.case.ts';
import { encodeTopology } from '@circlet/shared/ring/topology.ts';
import * as fc from 'fast-check';
import { copyOf, writeIdOf } from './one-key.case.ts';
import { elsewhere } from './requests.case.ts';
import { keyOf, topologyOf } from './ring.case.ts';

/** Messages of every kind, from sound to absurd: what a buggy or malicious peer could put into a frame. */
const NAMES = ['a', 'b', 'c', 'd', 'e', 'nobody'];
const name = fc.constantFrom(...NAMES);
const number = fc.oneof(fc.nat({ max: 20 }), fc.maxSafeNat(), fc.constant(Number.MAX_SAFE_INTEGER));
const garbage = fc.uint8Array({ maxLength: 40 });
const GOOD = [elsewhere(), elsewhere(1), elsewhere(2, 3), elsewhere(1, 4, 5)].map(encodeState);
const kind = <const K extends string>(of: K) => fc.constant(of);

const kinds = kindsOf({
  ...ANYTHING,
  id: fc.oneof(fc.nat({ max: 30 }), number),
  number,
  // Sound in the receiver's clock, which these tests keep low, or anything.
  deadlineMs: fc.oneof({ weight: 12, arbitrary: fc.integer({ min: 5000, max: 50_000 }) }, number),
  name,
  key: fc.oneof({ weight: 6, arbitrary: fc.nat({ max: 12 }).map((i) => keyOf(`key ${i}`)) }, garbage),
  dots: fc.array(fc.record({ actor: name.map((of) => `${of}.AAAAAAAAAAA.1`), counter: number }), {
    maxLength: 2,
  }),
  writeIds: fc.array(fc.nat({ max: 5 }).map(writeIdOf), { maxLength: 3 }),
  owedSlots: fc.oneof(fc.nat({ max: 7 }), fc.nat({ max: 255 })),
  state: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...GOOD) },
    garbage,
    fc
      .tuple(fc.constantFrom(...GOOD), fc.nat(), fc.nat({ max: 255 }))
      .map(([bytes, at, byte]) => bytes.with(at % bytes.length, byte)),
  ),
  context: fc.constant(emptyContext),
  write: fc.nat({ max: 9 }).map((n) => copyOf(n)),
  siblingsMax: fc.constantFrom(0, 1000, 1000, 1000),
  document: fc.oneof(garbage, fc.constant(encodeTopology(topologyOf(NAMES.slice(0, 5))))),
});

const { lead, merge, read, ...others } = kinds;

export const messages: fc.Arbitrary<Message> = fc.oneof(
  { weight: 6, arbitrary: lead },
  { weight: 4, arbitrary: merge },
  { weight: 3, arbitrary: read },
  ...Object.values(others),
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
