import { crc32 } from 'node:zlib';
import { type Dot, makeActor } from '@circlet/shared/causality/dot.ts';
import { historyOf } from '@circlet/shared/causality/history.ts';
import type { KeyState, WriteId } from '@circlet/shared/causality/key-state.ts';
import { md5 } from '@circlet/shared/hash/md5.ts';
import { sipKey } from '@circlet/shared/hash/siphash.ts';
import { wholeHash } from '@circlet/shared/merkle/hash.ts';
import { type FullKey, fullKey } from '@circlet/shared/ring/key.ts';
import { positionOf, prefixOf } from '@circlet/shared/ring/position.ts';
import { encodeRow, seal } from '@circlet/storage/core/row.ts';
import type { Locator } from '@circlet/storage/core/store.ts';

/**
 * What owners have of a key, by its number: the `version`-th of writes that each replaced the one before. One
 * sibling with one dot, as nearly every key has, minted in an earlier life of a pod; ids and values that do
 * not repeat, so that nothing is smaller or cheaper than it would be in earnest.
 */
export const CLUSTER_KEY = sipKey(new Uint8Array(16).fill(7));
const VALUE_BYTES = 256;
/** Not the life that runs here: a pod takes dots of its own life that it did not issue for a clone's. */
const EARLIER_BOOT = 'earlierlife';

const text = new TextEncoder();
const bucket = text.encode('bench');

function keyOf(n: number): FullKey {
  return fullKey(bucket, text.encode(`k${String(n).padStart(8, '0')}`));
}

export function locate(n: number): Locator {
  const key = keyOf(n);
  return { prefix: prefixOf(positionOf(key)), key };
}

export function writeIdOf(n: number, version: number): WriteId {
  return wholeHash(md5(text.encode(`write ${version} of ${n}`)));
}

export function stateOf(n: number, version: number): KeyState {
  const actor = makeActor('storage-0', EARLIER_BOOT, n + 1);
  const dots: Dot[] = Array.from({ length: version }, (_, i) => ({ actor, counter: i + 1 }));
  const body = bodyOf(n, version);
  const sibling = {
    writeId: writeIdOf(n, version),
    dots: dots.slice(-1),
    deleted: false,
    writtenAtMs: 1_700_000_000_000 + n,
    check: crc32(body),
    body,
  };
  return { siblings: [sibling], history: historyOf(dots), closed: [] };
}

/** The row of an owner that knows that the write has no twin, as nearly all are known to have none. */
export function rowOf(n: number, version: number): Uint8Array {
  const local = { own: undefined, suspectSince: undefined, owed: 0, covered: [], hintedAtMs: 0 };
  const sealed = seal(CLUSTER_KEY, stateOf(n, version), new Set([writeIdOf(n, version)]));
  return encodeRow({ ...sealed, ...local });
}

function bodyOf(n: number, version: number): Uint8Array {
  const body = new Uint8Array(VALUE_BYTES);
  let word = (n * 0x9e3779b1 + version) | 0;
  for (let i = 0; i < VALUE_BYTES; i++) {
    // A generator of 32 bits is enough for bytes that differ from key to key.
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) | 0;
    body[i] = word >>> 24;
  }
  return body;
}
