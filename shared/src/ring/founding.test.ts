import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Reader, Writer } from '../codec/bytes.ts';
import { sipKey } from '../hash/siphash.ts';
import {
  configDigest,
  found,
  type FoundingConfig,
  isGenuine,
  presence,
  rosterDigest,
  sealed,
  UNSIGNED,
} from './founding.ts';
import { decodeTopology, encodeTopology, flawOf } from './topology.ts';

const KEY = sipKey(new Uint8Array(16).fill(1));
const OTHER_KEY = sipKey(new Uint8Array(16).fill(2));
const disk = (n: number) => n.toString(16).padStart(32, '0');

const member = (name: string) => ({ name, zone: 'z', weight: 1 });
const CONFIG: FoundingConfig = {
  cluster: 'circlet',
  vnodes: 16,
  replicas: 3,
  members: ['a', 'b', 'c'].map(member),
};
const ROSTER = [disk(1), disk(2), disk(3)];

const [A, B, C] = [member('a'), member('b'), member('c')];
/** Each differs from CONFIG in one thing. */
const OTHERS: readonly (readonly [what: string, config: FoundingConfig])[] = [
  ['the cluster', { ...CONFIG, cluster: 'circle' }],
  ['the vnodes', { ...CONFIG, vnodes: 32 }],
  ['the replicas', { ...CONFIG, replicas: 2 }],
  ['a name', { ...CONFIG, members: [A, B, member('d')] }],
  ['a zone', { ...CONFIG, members: [A, { ...B, zone: 'y' }, C] }],
  ['a weight', { ...CONFIG, members: [A, { ...B, weight: 2 }, C] }],
  ['one member less', { ...CONFIG, members: [A, B] }],
  ['one member more', { ...CONFIG, members: [A, B, C, member('d')] }],
];

describe('the digest of a configuration', () => {
  it.each(OTHERS)('is another when %s is another', (_, config) => {
    expect(configDigest(KEY, config)).not.toBe(configDigest(KEY, CONFIG));
  });

  it('is the same for the same, takes the cluster’s key, and has 16 bytes', () => {
    expect(configDigest(KEY, structuredClone(CONFIG))).toBe(configDigest(KEY, CONFIG));
    expect(configDigest(OTHER_KEY, CONFIG)).not.toBe(configDigest(KEY, CONFIG));
    expect(configDigest(KEY, CONFIG)).toHaveLength(16);
  });
});

describe('the digest of a roster', () => {
  it('is another when any disk in it is another, or the disks have changed places', () => {
    const digests = [
      ROSTER,
      [disk(9), disk(2), disk(3)],
      [disk(1), disk(9), disk(3)],
      [disk(1), disk(2), disk(9)],
      [disk(2), disk(1), disk(3)],
    ].map((roster) => rosterDigest(KEY, CONFIG, roster));
    expect(new Set(digests).size).toBe(digests.length);
  });

  it.each(OTHERS.slice(0, 6))('is another when %s is another', (_, config) => {
    expect(rosterDigest(KEY, config, ROSTER)).not.toBe(rosterDigest(KEY, CONFIG, ROSTER));
  });

  it('takes the cluster’s key, and is never the mark of who has not signed', () => {
    const digest = rosterDigest(KEY, CONFIG, ROSTER);
    expect(rosterDigest(OTHER_KEY, CONFIG, ROSTER)).not.toBe(digest);
    expect(digest).toHaveLength(16);
    expect(digest).not.toBe(UNSIGNED);
    // A configuration alone and one with a roster are not confused.
    expect(rosterDigest(KEY, CONFIG, [])).not.toBe(configDigest(KEY, CONFIG));
  });
});

const SAID = {
  config: configDigest(KEY, CONFIG),
  name: 'a',
  disk: disk(1),
  roster: rosterDigest(KEY, CONFIG, ROSTER),
};

describe('a presence', () => {
  it('is genuine as it was sealed, and under the key of its cluster only', () => {
    for (const said of [SAID, { ...SAID, roster: UNSIGNED }]) {
      expect(isGenuine(KEY, sealed(KEY, said))).toBe(true);
      expect(isGenuine(OTHER_KEY, sealed(KEY, said))).toBe(false);
    }
  });

  it.each([
    ['config', configDigest(KEY, { ...CONFIG, vnodes: 32 })],
    ['name', 'b'],
    ['disk', disk(2)],
    ['roster', UNSIGNED],
    ['seal', UNSIGNED],
  ])('is not when its %s was changed', (field, value) => {
    expect(isGenuine(KEY, { ...sealed(KEY, SAID), [field]: value })).toBe(false);
  });

  it('is not when any bit of it was flipped on the way', () => {
    const good = sealed(KEY, SAID);
    const writer = new Writer();
    presence.write(writer, good);
    const bytes = writer.finish();
    let read = 0;
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      try {
        const reader = new Reader(damaged);
        const said = presence.read(reader);
        reader.finish();
        read++;
        expect(isGenuine(KEY, said)).toBe(false);
      } catch (error) {
        expect(error).toMatchObject({ name: 'DecodeError' });
      }
    }
    expect(read).toBeGreaterThan(300);
    expect(presence.read(new Reader(bytes))).toEqual(good);
  });

  // Fields lie behind each other in what is sealed: none may reach into the next.
  it('is not when a name and a disk were cut at another place', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9]{1,20}$/), fc.nat({ max: 15 }), (name, n) => {
        const said = { ...SAID, name: `a${n.toString(16)}`, disk: disk(n) };
        const moved = { ...said, name, disk: disk(n + 1) };
        expect(isGenuine(KEY, { ...moved, seal: sealed(KEY, said).seal })).toBe(false);
      }),
    );
  });
});

const configs = fc
  .record({
    vnodes: fc.constantFrom(1, 2, 16, 64),
    replicas: fc.integer({ min: 1, max: 7 }),
    members: fc.uniqueArray(
      fc.record({
        name: fc.stringMatching(/^[a-z][a-z0-9]{0,3}$/),
        zone: fc.constantFrom('x', 'y', 'z'),
        weight: fc.integer({ min: 1, max: 4 }),
      }),
      { selector: ({ name }) => name, minLength: 1, maxLength: 9 },
    ),
  })
  .map(
    ({ members, ...more }): FoundingConfig => ({
      cluster: 'circlet',
      ...more,
      members: members.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    }),
  );

describe('epoch 1', () => {
  it('is a sound topology of exactly these members, active, each on its disk of the roster', () => {
    fc.assert(
      fc.property(configs, (config) => {
        const roster = config.members.map((_, i) => disk(i + 1));
        const topology = found(config, roster);
        expect(flawOf(topology)).toBeUndefined();
        expect(topology).toMatchObject({ cluster: 'circlet', epoch: 1, replicas: config.replicas });
        expect(topology.owners).toHaveLength(config.vnodes);
        expect(topology.members).toEqual(
          config.members.map((each, i) => ({ ...each, disk: roster[i], state: 'active' })),
        );
        expect(decodeTopology(encodeTopology(topology))).toEqual(topology);
      }),
      { numRuns: 100 },
    );
  });

  it('is a function of what was signed: the same bytes wherever it is computed', () => {
    const first = encodeTopology(found(CONFIG, ROSTER));
    expect(encodeTopology(found(structuredClone(CONFIG), [...ROSTER]))).toEqual(first);
    expect(encodeTopology(found(CONFIG, [disk(1), disk(2), disk(4)]))).not.toEqual(first);
    // Who owns what does not hang on the disks.
    expect(found(CONFIG, [disk(7), disk(8), disk(9)]).owners).toEqual(found(CONFIG, ROSTER).owners);
  });

  it('cannot be computed from a roster that lacks a disk', () => {
    expect(() => found(CONFIG, ROSTER.slice(1))).toThrow('names the disk of every member');
  });
});
