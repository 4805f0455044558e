import { emptyContext } from '@circlet/shared/causality/context.ts';
import { emptyState, type KeyState } from '@circlet/shared/causality/key-state.ts';
import { encodeState } from '@circlet/shared/causality/state-codec.ts';
import type { Message, MessageOf } from '@circlet/shared/protocol/message.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import { locate } from './hint-ledger.ts';
import { type Copy, copyOf, leadOf, put, Replica } from './one-key.case.ts';
import { type Net, type Pod, fresh, readyNet, ring } from './pods.case.ts';
import { keysOwnedBy, topologyOf } from './ring.case.ts';
import { decodeRow, stateOf } from './row.ts';

/** A coordinator's requests to a cluster of five pods with three copies of every key. */
export const FIVE = topologyOf(['a', 'b', 'c', 'd', 'e']);
const NO_KEY = new Uint8Array(0);
/** Keys that A, B and C own, and neither D nor E. */
export const [KEY = NO_KEY, OTHER = NO_KEY] = keysOwnedBy(ring(FIVE), ['a', 'b', 'c'], 2);

export function five(): { readonly made: Net; readonly a: Pod; readonly e: Pod } {
  const made = readyNet(FIVE);
  return { made, a: made.pod('a'), e: made.pod('e') };
}

type Fields<K extends 'lead' | 'merge' | 'read'> = Partial<MessageOf<K>>;

export function lead(net: Net, copy: Copy, more: Fields<'lead'> = {}): MessageOf<'lead'> {
  const { id: _, deadlineMs: __, ...rest } = leadOf(copy, more.context ?? emptyContext, { key: KEY });
  return { kind: 'lead', ...fresh(net), ...rest, ...more };
}

export function merge(net: Net, state: KeyState, more: Fields<'merge'> = {}): MessageOf<'merge'> {
  const fields = { key: KEY, owedSlots: 0, sole: [], heals: false, requires: [], state: encodeState(state) };
  return { kind: 'merge', ...fresh(net), ...fields, ...more };
}

export function read(net: Net, more: Fields<'read'> = {}): MessageOf<'read'> {
  return { kind: 'read', ...fresh(net), key: KEY, want: 'state', ...more };
}

/** What another replica has after these writes. */
export function elsewhere(...numbers: readonly number[]): KeyState {
  const other = new Replica('b');
  for (const n of numbers) put(other, copyOf(n));
  return other.state;
}

/** Three kinds of request, all of them harmless if they are obeyed. */
export function each(
  net: Net,
  more: object = {},
): readonly [MessageOf<'lead'>, MessageOf<'merge'>, MessageOf<'read'>] {
  return [lead(net, copyOf(1), more), merge(net, elsewhere(1), more), read(net, more)];
}

export function refusals(answers: readonly Message[]): readonly string[] {
  return answers.flatMap((answer) => (answer.kind === 'refused' ? [answer.reason] : []));
}

export function isUntouched(of: Pod): boolean {
  return of.store.count('rows') === 0 && of.store.count('hints') === 0;
}

export function stored(of: Pod, key: FullKey = KEY, table: 'rows' | 'hints' = 'rows'): KeyState {
  const found = of.store.get(table, locate(key));
  return found.kind === 'found' ? stateOf(decodeRow(found.value)) : emptyState;
}
