import type { KeyState } from '@circlet/shared/causality/key-state.ts';
import { toHex } from '@circlet/shared/codec/bytes.ts';
import type { Words128 } from '@circlet/shared/hash/md5.ts';
import { isNothing, NOTHING, xor } from '@circlet/shared/merkle/hash.ts';
import { prefixesOf } from '@circlet/shared/merkle/range.ts';
import { LEAVES, TREE_DEPTH } from '@circlet/shared/merkle/tree.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import { locate } from '../hint-ledger.ts';
import { copyOf, DIGEST_KEY, put, Replica } from '../one-key.case.ts';
import type { Net, Pod } from '../pods.case.ts';
import { keyOf } from '../ring.case.ts';
import { encodeRow, seal } from '../row.ts';
import { justBefore, type Store, valueBytes } from '../store.ts';
import type { RepairOptions } from './anti-entropy.ts';
import { hashOf, type Trees } from './trees.ts';

/** Rows of many keys, put into stores behind the back of their pods. */
export const REPAIR: RepairOptions = {
  everyMs: 5_000,
  bytesPerSecond: 8 * 1024 * 1024,
  scrubRowsPerSecond: 100,
};

export function keysOf(count: number): readonly FullKey[] {
  return Array.from({ length: count }, (_, i) => keyOf(`key ${i}`));
}

const states = new Map<number, KeyState>();

/** What every replica that has the write `n` and no other has. */
export function stateWith(n: number): KeyState {
  let state = states.get(n);
  if (state === undefined) {
    const other = new Replica('z');
    put(other, copyOf(n));
    state = other.state;
    states.set(n, state);
  }
  return state;
}

/** What has the write `n` alone, with a value of so many bytes. */
export function stateOfBytes(bytes: number, n = 1): KeyState {
  const other = new Replica('z');
  put(other, copyOf(n, { body: new Uint8Array(bytes).fill(7) }));
  return other.state;
}

/** Where the key belongs, or elsewhere. */
export function putRow(store: Store, key: FullKey, state: KeyState, at = locate(key)): void {
  const local = { own: undefined, suspectSince: undefined, owed: 0, covered: [], hintedAtMs: 0 };
  store.put('rows', at, encodeRow({ ...seal(DIGEST_KEY, state, new Set()), ...local }));
}

/** How many bytes of values a memory store has read in one go, at most: its scans of any kind are one. */
export function readsOf(store: Store): { readonly mostAtOnce: number } {
  const reads = { mostAtOnce: 0 };
  const scanWithin = store.scanWithin.bind(store);
  store.scanWithin = (...asked) => {
    const part = scanWithin(...asked);
    reads.mostAtOnce = Math.max(reads.mostAtOnce, valueBytes(part.entries));
    return part;
  };
  return reads;
}

export function fill(store: Store, keys: readonly FullKey[], state = stateWith(1)): void {
  store.begin();
  for (const key of keys) putRow(store, key, state);
  store.commit();
}

/** Every row of a store as text, states and all. */
export function rowsOf({ store }: Pick<Pod, 'store'>): readonly string[] {
  return store
    .scan('rows', undefined, 1_000_000)
    .map((entry) => `${toHex(entry.at.key)} ${entry.kind === 'found' ? digestIn(entry.value) : 'corrupt'}`);
}

function digestIn(value: Uint8Array): string {
  return toHex(value).slice(-80);
}

/** What a leaf should have, summed from the rows as they are. */
function leafSum(store: Store, vnodes: number, leaf: number): Words128 {
  const range = { vnode: Math.floor(leaf / LEAVES), level: TREE_DEPTH, index: leaf % LEAVES };
  const [first, end] = prefixesOf(range, vnodes);
  return store.scan('rows', justBefore(first), 1_000_000, end).map(hashOf).reduce(xor, NOTHING);
}

/** The first leaf that is not what its rows come to. */
export function firstWrongLeaf(store: Store, trees: Trees, vnodes: number): number | undefined {
  for (let leaf = 0; leaf < vnodes * LEAVES; leaf++) {
    const range = { vnode: Math.floor(leaf / LEAVES), level: TREE_DEPTH, index: leaf % LEAVES };
    if (!isNothing(xor(trees.hash(range), leafSum(store, vnodes, leaf)))) return leaf;
  }
  return undefined;
}

/** What anti-entropy has sent, by kind. */
export function traffic(net: Net): Readonly<Record<string, number>> {
  const kinds = ['treeRoots', 'treeNodes', 'treeRows', 'rowsAsk', 'rowsTold'] as const;
  return Object.fromEntries(
    kinds.map((kind) => [kind, net.messages(kind).length] as const).filter(([, n]) => n > 0),
  );
}

export function entriesTold(net: Net, from?: string): number {
  return net.messages('rowsTold', from).reduce((sum, { entries }) => sum + entries.length, 0);
}
