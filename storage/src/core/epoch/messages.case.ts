import { must } from '@circlet/shared/assert.ts';
import { latin1, Reader, Writer } from '@circlet/shared/codec/bytes.ts';
import type { Schema } from '@circlet/shared/codec/schema.ts';
import {
  type EpochMessage,
  epochAccept,
  epochAccepted,
  epochChosen,
  epochPrepare,
  epochPromise,
  epochRefused,
  ROUND_MAX,
} from '@circlet/shared/protocol/epoch.ts';
import * as fc from 'fast-check';

export const SCHEMAS: {
  readonly [K in EpochMessage['kind']]: Schema<Omit<EpochMessage & { kind: K }, 'kind'>>;
} = {
  epochPrepare,
  epochPromise,
  epochAccept,
  epochAccepted,
  epochRefused,
  epochChosen,
};

export const KINDS = Object.keys(SCHEMAS) as readonly EpochMessage['kind'][];

export function written(message: EpochMessage): Uint8Array {
  const writer = new Writer();
  (SCHEMAS[message.kind] as Schema<unknown>).write(writer, message);
  return writer.finish();
}

/** As a frame does it: all of the bytes, and nothing behind them. */
export function read(kind: EpochMessage['kind'], bytes: Uint8Array): EpochMessage {
  const reader = new Reader(bytes);
  const fields: object = SCHEMAS[kind].read(reader);
  reader.finish();
  return { kind, ...fields } as EpochMessage;
}

const digest = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => latin1(bytes));
const document = fc.uint8Array({ maxLength: 60 });
const of = fc.record({ epoch: fc.oneof(fc.nat({ max: 300 }), fc.maxSafeNat()), topology: digest });
const ballot = fc.record({
  round: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(ROUND_MAX, ROUND_MAX - 1, 2 ** 31)),
  node: fc.oneof(fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?$/), fc.constant('x'.repeat(63))),
});
const accepted = fc.option(fc.record({ ballot, document }), { nil: undefined });
const kind = <const K extends EpochMessage['kind']>(is: K) => fc.constant(is);

/** All that the schemas admit, in small portions. */
export const ANY_OF_KIND: { readonly [K in EpochMessage['kind']]: fc.Arbitrary<EpochMessage & { kind: K }> } =
  {
    epochPrepare: fc.record({ kind: kind('epochPrepare'), of, ballot }),
    epochPromise: fc.record({ kind: kind('epochPromise'), of, ballot, accepted }),
    epochAccept: fc.record({ kind: kind('epochAccept'), of, ballot, document }),
    epochAccepted: fc.record({ kind: kind('epochAccepted'), of, ballot }),
    epochRefused: fc.record({ kind: kind('epochRefused'), of, ballot, promised: ballot }),
    epochChosen: fc.record({ kind: kind('epochChosen'), of, document }),
  };

/** One of each kind, with nothing left out. */
export const SAMPLES: readonly EpochMessage[] = KINDS.map((name) => {
  const isWhole = (message: EpochMessage) =>
    message.kind !== 'epochPromise' || message.accepted !== undefined;
  const arbitrary: fc.Arbitrary<EpochMessage> = ANY_OF_KIND[name];
  return must(fc.sample(arbitrary.filter(isWhole), { numRuns: 1, seed: 42 })[0], 'one');
});
