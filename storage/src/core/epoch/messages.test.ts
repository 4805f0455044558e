import { must } from '@circlet/shared/assert.ts';
import { DecodeError } from '@circlet/shared/codec/bytes.ts';
import { bitFlips, cuts, readOrRefusal } from '@circlet/shared/codec/damage.case.ts';
import { DOCUMENT_BYTES_MAX, type EpochMessage, ROUND_MAX } from '@circlet/shared/protocol/epoch.ts';
import { FRAME_BYTES_MAX, NODES_MAX, REPLICAS_MAX } from '@circlet/shared/protocol/limits.ts';
import { VNODES_MAX } from '@circlet/shared/ring/position.ts';
import { decodeTopology, encodeTopology, flawOf, type Topology } from '@circlet/shared/ring/topology.ts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ANY_OF_KIND, KINDS, read, SAMPLES, written } from './messages.case.ts';

describe('on the wire', () => {
  it.each(KINDS)('every message %s is read as it was written', (kind) => {
    const arbitrary: fc.Arbitrary<EpochMessage> = ANY_OF_KIND[kind];
    fc.assert(
      fc.property(arbitrary, (message) => {
        const bytes = written(message);
        expect(read(kind, bytes)).toEqual(message);
        expect(bytes.length).toBeLessThan(FRAME_BYTES_MAX);
      }),
    );
  });

  it.each(SAMPLES)(
    'the message $kind that is cut short anywhere, or goes on behind its end, is refused',
    (message) => {
      const bytes = written(message);
      for (const cut of [...cuts(bytes), Uint8Array.of(...bytes, 0)]) {
        expect(readOrRefusal(() => read(message.kind, cut))).toBeInstanceOf(DecodeError);
      }
    },
  );

  // Encodings are canonical: damaged bytes are never the same message in another form.
  it.each(SAMPLES)('the message $kind with a bit changed is refused, or another message', (message) => {
    let [refused, others] = [0, 0];
    for (const flipped of bitFlips(written(message))) {
      const other = readOrRefusal(() => read(message.kind, flipped));
      if (other instanceof DecodeError) {
        refused++;
        continue;
      }
      others++;
      expect(other).not.toEqual(message);
      expect(written(other)).toEqual(flipped);
    }
    expect(Math.min(refused, others)).toBeGreaterThan(10);
  });

  it.each([0, ROUND_MAX + 1, Number.MAX_SAFE_INTEGER])('round %i is none', (round) => {
    const [prepare] = SAMPLES;
    const { ballot, ...message } = must(prepare?.kind === 'epochPrepare' ? prepare : undefined, 'a prepare');
    const wrong = written({ ...message, ballot: { ...ballot, round } });
    expect(() => read('epochPrepare', wrong)).toThrow('round out of range');
  });

  it('a document above its bound is not written, and refused before it is looked at', () => {
    const chosen = { kind: 'epochChosen' as const, of: { epoch: 1, topology: '0'.repeat(16) } };
    expect(() => written({ ...chosen, document: new Uint8Array(DOCUMENT_BYTES_MAX + 1) })).toThrow(
      RangeError,
    );
    const largest = written({ ...chosen, document: new Uint8Array(DOCUMENT_BYTES_MAX) });
    expect(read('epochChosen', largest)).toMatchObject(chosen);
    const larger = new Uint8Array(largest.length + 1);
    larger.set(largest);
    // The lowest byte of the length, which lies behind the epoch and the digest.
    larger[17] = 0x81;
    expect(() => read('epochChosen', larger)).toThrow('count larger than its data');
  });
});

describe('the largest topology', () => {
  const largest: Topology = {
    cluster: 'c'.repeat(32),
    epoch: Number.MAX_SAFE_INTEGER,
    replicas: REPLICAS_MAX,
    members: Array.from({ length: NODES_MAX }, (_, i) => ({
      name: `${String(i).padStart(3, '0')}${'n'.repeat(60)}`,
      disk: 'f'.repeat(32),
      zone: 'z'.repeat(63),
      weight: 64,
      state: 'active' as const,
    })),
    owners: Array.from({ length: VNODES_MAX }, (_, vnode) =>
      Array.from({ length: REPLICAS_MAX }, (__, slot) => (vnode + slot) % NODES_MAX),
    ),
    move: {
      phase: 'switching',
      since: Number.MAX_SAFE_INTEGER,
      seconds: Array.from({ length: VNODES_MAX }, (_, vnode) =>
        Array.from({ length: REPLICAS_MAX }, (__, slot) => (vnode + slot + REPLICAS_MAX) % NODES_MAX),
      ),
      weights: Array.from({ length: NODES_MAX }, () => 64),
    },
  };

  it('fits a message, and leaves room for a topology that grows a field', () => {
    expect(flawOf(largest)).toBeUndefined();
    const document = encodeTopology(largest);
    expect(decodeTopology(document)).toEqual(largest);
    expect(document.length).toBeGreaterThan(100_000);
    expect(document.length).toBeLessThan(DOCUMENT_BYTES_MAX - 16 * 1024);
    for (const sample of SAMPLES) {
      const message = { ...sample, document, accepted: { ballot: { round: 1, node: 'a' }, document } };
      expect(written(message as EpochMessage).length).toBeLessThan(FRAME_BYTES_MAX);
    }
  });
});
