import { actorId, type Actor, bootId } from '@circlet/shared/causality/dot.ts';
import type { KeyState, Sibling, WriteId, WriteIds } from '@circlet/shared/causality/key-state.ts';
import { decodeState, encodeWithDigest } from '@circlet/shared/causality/state-codec.ts';
import { DecodeError, latin1, Reader, Writer } from '@circlet/shared/codec/bytes.ts';
import { list } from '@circlet/shared/codec/schema.ts';
import type { SipKey } from '@circlet/shared/hash/siphash.ts';
import { REPLICAS_MAX } from '@circlet/shared/protocol/limits.ts';
import { diskId } from '@circlet/shared/ring/topology.ts';

/**
 * A replica's row: the key state, which converges and is hashed, behind what is this replica's own business and is
 * neither. The digest is kept beside the state so that a read needs to decode nothing.
 *
 *     version  suspect since?  owed slots  covered by  hinted at  own actor, last counter  sole mask  digest  |  state
 */
export interface Row {
  readonly state: Uint8Array;
  /** 16 bytes as a binary string. */
  readonly digest: string;
  /** The actor that this replica last minted with, and the last counter it issued (law 3). */
  readonly own: { readonly actor: Actor; readonly last: number } | undefined;
  /** Bit i: the i-th sibling is known to have no twin. Siblings from the 33rd on count as not sole. */
  readonly sole: number;
  /**
   * Set when the row failed its checksum and has not been made whole from all other owners since: the first write after
   * that, on the monotonic clock of one life of the process.
   */
  readonly suspectSince: { readonly boot: string; readonly monoMs: number } | undefined;
  /** For a hint: the slots of the vnode that are still owed this state, one bit each. 0 for an owner's row. */
  readonly owed: number;
  /**
   * For a hint: disks that cover this very state already. A slot that moves has two nodes, and is owed until both do
   * (protocol.md, rule 10).
   */
  readonly covered: readonly string[];
  /** For a hint: wall clock when the first write in it was taken, milliseconds since 1970. */
  readonly hintedAtMs: number;
}

/**
 * 1  first layout
 * 2  the disks that cover a hint; of what owes nothing they are left out, so an owner's row is as it was
 */
const VERSION = 2;
const FIRST_VERSION = 1;
const disks = list(diskId, REPLICAS_MAX);

const NONE: readonly string[] = [];
const writer = new Writer(4096);

export function encodeRow(row: Row): Uint8Array {
  writer.reset();
  writer.u8(row.owed === 0 ? FIRST_VERSION : VERSION);
  writer.u8(row.suspectSince === undefined ? 0 : 1);
  if (row.suspectSince !== undefined) {
    bootId.write(writer, row.suspectSince.boot);
    writer.varint(row.suspectSince.monoMs);
  }
  writer.u8(row.owed);
  if (row.owed !== 0) disks.write(writer, row.covered);
  writer.varint(row.hintedAtMs);
  writer.u8(row.own === undefined ? 0 : 1);
  if (row.own !== undefined) {
    actorId.write(writer, row.own.actor);
    writer.varint(row.own.last);
  }
  writer.u32(row.sole);
  writer.latin1(row.digest);
  writer.bytes(row.state);
  return writer.finish();
}

/** Throws {@link DecodeError}: the store's checksum held, so a bad row is a bug or a newer version's. */
export function decodeRow(bytes: Uint8Array): Row {
  const reader = new Reader(bytes);
  const version = reader.u8();
  if (version < FIRST_VERSION || version > VERSION) throw new DecodeError('unknown row version');
  const suspectSince = reader.u8() === 0 ? undefined : { boot: bootId.read(reader), monoMs: reader.varint() };
  const owed = reader.u8();
  const covered = version === FIRST_VERSION ? NONE : disks.read(reader);
  const hintedAtMs = reader.varint();
  const own = reader.u8() === 0 ? undefined : { actor: actorId.read(reader), last: reader.varint() };
  const sole = reader.u32();
  const digest = reader.latin1(16);
  return { state: reader.bytes(reader.left), digest, own, sole, suspectSince, owed, covered, hintedAtMs };
}

export function stateOf(row: Row): KeyState {
  return decodeState(row.state);
}

/** The encoded form of a state with everything that is derived from it. */
export function seal(key: SipKey, state: KeyState, sole: WriteIds): Pick<Row, 'state' | 'digest' | 'sole'> {
  const { bytes, digest } = encodeWithDigest(key, state);
  return { state: bytes, digest: latin1(digest), sole: soleMask(state, sole) };
}

function soleMask({ siblings }: KeyState, sole: WriteIds): number {
  let mask = 0;
  for (let i = 0; i < siblings.length && i < 32; i++) {
    if (sole.has((siblings[i] as Sibling).writeId)) mask |= 1 << i;
  }
  return mask >>> 0;
}

/** The writes that a mask over the siblings of `state` names. */
export function soleOf(state: KeyState, mask: number): readonly WriteId[] {
  if (mask === 0) return [];
  return state.siblings.filter((_, i) => i < 32 && (mask & (1 << i)) !== 0).map(({ writeId }) => writeId);
}
