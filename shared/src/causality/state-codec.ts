import { DecodeError, Reader, Writer } from '../codec/bytes.ts';
import { type SipKey, siphash } from '../hash/siphash.ts';
import { BODY_BYTES_MAX, DOTS_PER_WRITE_MAX } from '../protocol/limits.ts';
import { compareDots, type Dot } from './dot.ts';
import { hasDot, type History, readHistory, writeHistory } from './history.ts';
import { isAmong, type KeyState, type Sibling, WRITE_ID_BYTES, type WriteId } from './key-state.ts';

/**
 * The canonical encoding of a key state: equal states have equal bytes, on the wire and on disk.
 *
 *     version  history  closed ids  sibling heads (id, flags, dots, time, check, body length)   bodies
 *     '------------------------- head, what the digest covers --------------------------'
 *
 * A digest needs no bodies, because the heads carry their checks; a replica forwards bodies without looking inside.
 */
const VERSION = 1;
const DELETED = 1;

const writer = new Writer(4096);

export function encodeState(state: KeyState): Uint8Array {
  writer.reset();
  writeHead(state);
  return withBodies(state);
}

/** A state as a replica keeps it: its bytes, and their {@link digestOf}, for which the head is encoded once. */
export function encodeWithDigest(
  key: SipKey,
  state: KeyState,
): { readonly bytes: Uint8Array; readonly digest: Uint8Array } {
  const digest = digestOf(key, state);
  return { bytes: withBodies(state), digest };
}

/** The head is in the writer already. */
function withBodies(state: KeyState): Uint8Array {
  for (const sibling of state.siblings) writer.bytes(sibling.body);
  return writer.finish();
}

/** The keyed 128-bit digest by which replicas compare states. It covers nothing local (own actor, sole flags). */
export function digestOf(key: SipKey, state: KeyState): Uint8Array {
  writer.reset();
  writeHead(state);
  return siphash(key, writer.view());
}

/** Bodies are views into `bytes`. Throws {@link DecodeError} unless `bytes` is the canonical encoding of a valid state. */
export function decodeState(bytes: Uint8Array): KeyState {
  const reader = new Reader(bytes);
  if (reader.u8() !== VERSION) throw new DecodeError('unknown key state version');
  const history = readHistory(reader);
  const closed = readIds(reader);
  const bodyLengths: number[] = [];
  const siblings = readHeads(reader, history, closed, bodyLengths);
  for (let i = 0; i < siblings.length; i++)
    (siblings[i] as Head).body = reader.bytes(bodyLengths[i] as number);
  reader.finish();
  return { siblings, history, closed };
}

/** Bytes of the encoding without the bodies. */
export function headSize(state: KeyState): number {
  writer.reset();
  writeHead(state);
  return writer.size;
}

function writeHead(state: KeyState): void {
  writer.u8(VERSION);
  writeHistory(writer, state.history);
  writer.varint(state.closed.length);
  for (const writeId of state.closed) writer.latin1(writeId);
  writer.varint(state.siblings.length);
  for (const sibling of state.siblings) writeSiblingHead(sibling, state.history);
}

function writeSiblingHead(sibling: Sibling, history: History): void {
  writer.latin1(sibling.writeId);
  writer.u8(sibling.deleted ? DELETED : 0);
  writer.varint(sibling.dots.length);
  for (const dot of sibling.dots) {
    writer.varint(history.actors.indexOf(dot.actor));
    writer.varint(dot.counter);
  }
  writer.varint(sibling.writtenAtMs);
  writer.u32(sibling.check);
  writer.varint(sibling.body.length);
}

function readIds(reader: Reader): readonly WriteId[] {
  const n = reader.count(WRITE_ID_BYTES);
  const ids: WriteId[] = [];
  for (let i = 0; i < n; i++) {
    const writeId = reader.latin1(WRITE_ID_BYTES);
    if (i > 0 && writeId <= (ids[i - 1] as WriteId)) throw new DecodeError('write-ids out of order');
    ids.push(writeId);
  }
  return ids;
}

/** A sibling whose body is still to come: all bodies follow all heads. */
type Head = Omit<Sibling, 'body'> & { body: Uint8Array };
const NO_BODY = new Uint8Array(0);

function readHeads(
  reader: Reader,
  history: History,
  closed: readonly WriteId[],
  bodyLengths: number[],
): readonly Head[] {
  const n = reader.count(WRITE_ID_BYTES + 8);
  const heads: Head[] = [];
  for (let i = 0; i < n; i++) {
    const writeId = reader.latin1(WRITE_ID_BYTES);
    if (i > 0 && writeId <= (heads[i - 1] as Head).writeId) throw new DecodeError('write-ids out of order');
    if (isAmong(closed, writeId)) throw new DecodeError('a closed write among the siblings');
    const flags = reader.u8();
    if (flags > DELETED) throw new DecodeError('unknown sibling flag');
    const dots = readDots(reader, history);
    const writtenAtMs = reader.varint();
    const check = reader.u32();
    bodyLengths.push(reader.count(1, BODY_BYTES_MAX));
    heads.push({ writeId, dots, deleted: flags === DELETED, writtenAtMs, check, body: NO_BODY });
  }
  return heads;
}

function readDots(reader: Reader, history: History): readonly Dot[] {
  const n = reader.count(2, DOTS_PER_WRITE_MAX);
  if (n === 0) throw new DecodeError('a sibling without a dot');
  const dots: Dot[] = [];
  for (let i = 0; i < n; i++) {
    const actor = history.actors[reader.varint()];
    if (actor === undefined) throw new DecodeError('a dot of an actor outside the history');
    const dot = { actor, counter: reader.varint() };
    if (!hasDot(history, dot)) throw new DecodeError('a sibling whose dot is not in the history');
    if (i > 0 && compareDots(dots[i - 1] as Dot, dot) >= 0) throw new DecodeError('dots out of order');
    dots.push(dot);
  }
  return dots;
}
