import { expect, it } from 'vitest';
import { BOOT } from '../causality/dot.ts';
import { sipKey } from '../hash/siphash.ts';
import { identityOf, newBoot } from './identity.ts';

it('every start of a pod draws another boot, of 64 bits that spread over all values (law 3)', () => {
  const boots = Array.from({ length: 10_000 }, newBoot);
  expect(new Set(boots).size).toBe(10_000);
  expect(boots.every((boot) => BOOT.test(boot))).toBe(true);
  const bits = boots.map((boot) => Buffer.from(boot, 'base64url').readBigUInt64LE());
  for (let bit = 0n; bit < 64n; bit++) {
    const set = bits.filter((word) => (word >> bit) & 1n).length;
    expect(set / 10_000).toBeGreaterThan(0.45);
    expect(set / 10_000).toBeLessThan(0.55);
  }
});

it('a pod’s identity has a boot of its own', () => {
  const key = sipKey(new Uint8Array(16));
  const identities = Array.from({ length: 2 }, () => identityOf('c', key, 'storage', 'storage-0'));
  expect(identities[0]?.boot).not.toBe(identities[1]?.boot);
  expect(identities[0]?.clusterMark).toBe(identities[1]?.clusterMark);
});
