import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { identityOf } from '../adapters/identity.ts';
import { contextSchema } from '../causality/context.ts';
import type { KeyState } from '../causality/key-state.ts';
import { digestOf, encodeState } from '../causality/state-codec.ts';
import type { Infer, Schema } from '../codec/schema.ts';
import { latin1, toHex, Writer } from '../codec/bytes.ts';
import { sipKey } from '../hash/siphash.ts';
import { configDigest, presence, rosterDigest, rosterSchema, sealed } from '../ring/founding.ts';
import { encodeTopology, NOBODY, Ring, type Topology, topologyLayout } from '../ring/topology.ts';
import { FrameBuilder, frameLayout } from './frame.ts';
import { wireLayout } from './message.ts';
import { listenSubjects, subjectOf } from './subjects.ts';
import { PROTOCOL_VERSION } from './version.ts';

const VERSION_FILE = join(import.meta.dirname, 'version.ts');

const WHAT_TO_DO = `
What travels between pods has changed, and pods of two versions meet while a cluster is upgraded. So:

  1. Raise PROTOCOL_VERSION in shared/src/protocol/version.ts by one.
  2. Add a line for it to the history there: what changed, and what pods of the version before will do with it.
     (They refuse every frame that begins with another number, so also say how a cluster gets over it.)
  3. Put the hash that this test received into version.test.ts.

Never renumber a message or reuse a retired tag. If nothing should have changed, find out what did.
`;

const sha256 = (...parts: readonly (string | Uint8Array)[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\n');
  return hash.digest('hex');
};

function encoded<S extends Schema<unknown>>(schema: S, value: Infer<S>): string {
  const writer = new Writer();
  schema.write(writer, value);
  return toHex(writer.finish());
}

const KEY = sipKey(Uint8Array.from({ length: 16 }, (_, i) => i));
const [A, B] = ['a.AAAAAAAAAAA.1', 'storage-1.BBBBBBBBBBB.zz'];
const [X, Y, Z] = ['x'.repeat(16), '\u0000\u00ff'.repeat(8), 'z'.repeat(16)];

const STATE: KeyState = {
  siblings: [
    {
      writeId: Y,
      dots: [
        { actor: A, counter: 2 },
        { actor: B, counter: 2 ** 40 },
      ],
      deleted: false,
      writtenAtMs: 1_700_000_000_000,
      check: 0xdeadbeef,
      body: Uint8Array.of(1, 2, 3),
    },
    {
      writeId: Z,
      dots: [{ actor: A, counter: 9 }],
      deleted: true,
      writtenAtMs: 0,
      check: 0,
      body: new Uint8Array(0),
    },
  ],
  history: {
    actors: [A, B],
    ranges: [
      [1, 7, 9, 9],
      [2 ** 40, 2 ** 40 + 300],
    ],
  },
  closed: ['c'.repeat(16), 'd'.repeat(16)],
};

const CONFIG = {
  cluster: 'circlet',
  vnodes: 4,
  replicas: 2,
  members: ['a', 'b', 'c'].map((name, i) => ({ name, zone: `zone-${i}`, weight: i + 1 })),
};
const DISKS = ['1', '2', '3'].map((digit) => digit.repeat(32));
const TOPOLOGY: Topology = {
  cluster: 'circlet',
  epoch: 300,
  replicas: 2,
  members: CONFIG.members.map((member, i) => ({
    ...member,
    disk: DISKS[i] ?? '',
    state: (['joining', 'active', 'leaving'] as const)[i] ?? 'active',
  })),
  owners: [
    [0, 1],
    [1, 2],
    [2, 0],
    [0, 2],
  ],
  move: undefined,
};
const MOVING: Topology = {
  ...TOPOLOGY,
  move: {
    phase: 'switching',
    since: 299,
    seconds: [
      [2, NOBODY],
      [NOBODY, NOBODY],
      [NOBODY, 1],
      [NOBODY, NOBODY],
    ],
    weights: [0, 2, 3],
  },
};

/** What the layouts only name: how it looks in bytes, and what is computed from it on both sides. */
function samples(): readonly string[] {
  const header = {
    cluster: identityOf('circlet', KEY, 'storage', 'a').clusterMark,
    role: 'storage' as const,
    name: 'a',
    boot: 'AAAAAAAAAAA',
    toBoot: 'BBBBBBBBBBB',
    number: 300,
    epoch: 3,
    topology: new Ring(TOPOLOGY, KEY).digest,
  };
  const builder = new FrameBuilder();
  builder.begin(header);
  builder.add({ kind: 'echo', id: 1, sentMs: 300 });
  builder.add({ kind: 'refused', id: 2 ** 40, reason: 'internal', monoMs: 0 });
  const roster = rosterDigest(KEY, CONFIG, DISKS);
  const said = sealed(KEY, { config: configDigest(KEY, CONFIG), name: 'a', disk: DISKS[0] ?? '', roster });
  const context = { history: STATE.history, writes: [{ writeId: X, sole: true }] };
  return [
    toHex(encodeState(STATE)),
    toHex(digestOf(KEY, STATE)),
    encoded(contextSchema, context),
    toHex(encodeTopology(TOPOLOGY)),
    toHex(encodeTopology(MOVING)),
    encoded(rosterSchema, DISKS),
    encoded(presence, said),
    toHex(builder.finish()),
    ...(['storage', 'coordinator'] as const).flatMap((role) => listenSubjects('circlet', role, 'a')),
    subjectOf('circlet', 'coordinator', { role: 'storage', name: '*' }),
  ];
}

describe('the wire protocol', () => {
  it('has the layouts that belong to its version', () => {
    const layouts = [
      String(PROTOCOL_VERSION),
      frameLayout,
      wireLayout(),
      contextSchema.layout,
      topologyLayout,
    ];
    expect(sha256(...layouts), WHAT_TO_DO).toBe(
      'f504f2a925db8181bfee4f3d1728f6b4971ad2be80a83e164e2eac1c7bea6629',
    );
  });

  it('has the bytes that belong to its version', () => {
    expect(sha256(String(PROTOCOL_VERSION), ...samples()), WHAT_TO_DO).toBe(
      '7db37eaf0ccecc2aa177d604a49ded39e4cab13c9515c5129536b6ecb93f5375',
    );
  });

  it('has a line of history for every version there was', () => {
    const lines = readFileSync(VERSION_FILE, 'utf8').match(/^ \* (\d+) {2}\S.*$/gm) ?? [];
    expect(
      lines.map((line) => Number(/\d+/.exec(line)?.[0])),
      WHAT_TO_DO,
    ).toEqual(Array.from({ length: PROTOCOL_VERSION }, (_, i) => i + 1));
  });

  it('has its version in the first byte of every frame, which it fits', () => {
    expect(PROTOCOL_VERSION).toBeLessThan(256);
    expect(samples()[7]?.slice(0, 2)).toBe(PROTOCOL_VERSION.toString(16).padStart(2, '0'));
  });

  it('names every field, so that a change of meaning can be seen too', () => {
    for (const word of ['number:varint', 'toBoot:optional', 'topology:id16'])
      expect(frameLayout).toContain(word);
    for (const word of ['lead', 'owedSlots:u8', 'history_full', 'presence:{config:id16']) {
      expect(wireLayout()).toContain(word);
    }
  });
});

describe('message tags', () => {
  const tags = wireLayout()
    .split('\n')
    .map((line) => Number(/^\d+/.exec(line)?.[0]));

  it('are distinct, fit a byte, and none is 0', () => {
    expect(new Set(tags).size).toBe(tags.length);
    for (const tag of tags) expect(tag > 0 && tag < 256).toBe(true);
  });

  it('and names belong together for ever', () => {
    const names = wireLayout()
      .split('\n')
      .map((line) => line.split(' ').slice(0, 2).join(' '));
    // Append only. A retired one stays here as `16 -`, and is never given again.
    expect(names).toEqual([
      '1 lead',
      '2 led',
      '3 merge',
      '4 merged',
      '5 read',
      '6 found',
      '7 refused',
      '8 echo',
      '9 echoed',
      '10 swim',
      '11 hintOffer',
      '12 hintPull',
      '13 hintPage',
      '14 hintAck',
      '15 topologyAsk',
      '16 topologyTold',
      '17 foundingCall',
      '18 foundingAnswer',
      '19 treeRoots',
      '20 treeNodes',
      '21 treeRows',
      '22 rowsAsk',
      '23 rowsTold',
      '24 epochPrepare',
      '25 epochPromise',
      '26 epochAccept',
      '27 epochAccepted',
      '28 epochRefused',
      '29 epochChosen',
      '30 replace',
      '31 refillAsk',
      '32 refillTold',
      '33 candidate',
      '34 changeAsk',
      '35 changeTold',
      '36 moved',
    ]);
  });
});

describe('the mark of a cluster', () => {
  it('is another for another id, and for another secret', () => {
    const marks = [
      identityOf('circlet', KEY, 'storage', 'a'),
      identityOf('circle', KEY, 'storage', 'a'),
      identityOf('circlet', sipKey(new Uint8Array(16)), 'storage', 'a'),
    ].map(({ clusterMark }) => clusterMark);
    expect(new Set(marks).size).toBe(3);
    for (const mark of marks) expect(mark).toHaveLength(8);
    expect(latin1(new Uint8Array(8))).not.toBe(marks[0]);
  });
});
