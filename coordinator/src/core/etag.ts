import { fromLatin1, toHex } from '@circlet/shared/codec/bytes.ts';
import { type SipKey, siphash } from '@circlet/shared/hash/siphash.ts';
import type { WriteId } from '@circlet/shared/causality/key-state.ts';

/** The tag of a set of siblings, tombstones included: a hash of their sorted write-ids (protocol.md, rule 17). */
export function etagOf(key: SipKey, writeIds: readonly WriteId[]): string {
  return `"${toHex(siphash(key, fromLatin1(writeIds.toSorted().join(''))))}"`;
}
