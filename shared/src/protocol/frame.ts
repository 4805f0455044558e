import { DecodeError, Reader, Writer } from '../codec/bytes.ts';
import { bootId, nodeName } from '../causality/dot.ts';
import { id, optional, struct, u8, varint, word } from '../codec/schema.ts';
import type { Address, Role } from '../machine.ts';
import { topologyDigest } from '../ring/topology.ts';
import { FRAME_BYTES_MAX, FRAME_MESSAGES_MAX } from './limits.ts';
import { type Message, schemaByTag, schemaOf } from './message.ts';
import { PROTOCOL_VERSION } from './version.ts';

/**
 * A frame is what one NATS message carries: a header that is checked first, then all messages that one pod had for
 * another in one turn.
 *
 *     version  cluster  sender (role, name, boot)  receiver's boot?  number  epoch  topology digest   (tag length message)*
 */
export interface FrameHeader {
  /** First 8 bytes of the keyed digest of the cluster id: another cluster, or another secret, does not match. */
  readonly cluster: string;
  readonly role: Role;
  readonly name: string;
  readonly boot: string;
  /** Set when only one life of the receiver is meant: a frame that was under way across a restart is refused. */
  readonly toBoot: string | undefined;
  /** 0, 1, 2, ... over all frames of this life of the sender: by it a copy is known (`host/received.ts`). */
  readonly number: number;
  readonly epoch: number;
  readonly topology: string;
}

export interface Frame {
  readonly header: FrameHeader;
  readonly messages: readonly Message[];
}

const header = struct({
  cluster: id(8),
  role: word('storage', 'coordinator'),
  name: nodeName,
  boot: bootId,
  toBoot: optional(bootId),
  number: varint,
  epoch: varint,
  topology: topologyDigest,
});
export const frameLayout = `frame v${u8.layout} ${header.layout} (u8 u32 message)*`;

/** Collects messages for one receiver until the frame is full. */
export class FrameBuilder {
  private readonly writer = new Writer(1024);
  private headerBytes = 0;
  private count = 0;

  get isEmpty(): boolean {
    return this.count === 0;
  }

  begin(of: FrameHeader): void {
    this.writer.reset();
    this.writer.u8(PROTOCOL_VERSION);
    header.write(this.writer, of);
    this.headerBytes = this.writer.size;
    this.count = 0;
  }

  /** False, and nothing added, when the message does not fit any more. Throws if it could never fit. */
  add(message: Message, frameBytesMax = FRAME_BYTES_MAX): boolean {
    if (this.count === FRAME_MESSAGES_MAX) return false;
    const start = this.writer.size;
    const { tag, schema } = schemaOf(message.kind);
    this.writer.u8(tag);
    this.writer.u32(0);
    try {
      schema.write(this.writer, message);
    } catch (error) {
      // What others put into this frame must not travel behind half a message.
      this.writer.truncate(start);
      throw error;
    }
    if (this.writer.size > frameBytesMax) {
      this.writer.truncate(start);
      if (start === this.headerBytes) throw new RangeError(`a ${message.kind} message larger than a frame`);
      return false;
    }
    this.writer.setU32(start + 1, this.writer.size - start - 5);
    this.count++;
    return true;
  }

  finish(): Uint8Array {
    return this.writer.finish();
  }
}

/** The header alone, checked before anything behind it is looked at. Throws {@link DecodeError}. */
export function readHeader(reader: Reader): FrameHeader {
  if (reader.left > FRAME_BYTES_MAX) throw new DecodeError('frame too large');
  if (reader.u8() !== PROTOCOL_VERSION) throw new DecodeError('unknown protocol version');
  return header.read(reader);
}

/** The messages behind a header. Throws {@link DecodeError} if any of them is malformed: then none is used. */
export function readMessages(reader: Reader): readonly Message[] {
  const messages: Message[] = [];
  while (reader.left > 0) {
    if (messages.length === FRAME_MESSAGES_MAX) throw new DecodeError('too many messages');
    const known = schemaByTag(reader.u8());
    const length = reader.u32();
    if (length > reader.left) throw new DecodeError('truncated');
    const inner = reader.slice(length);
    if (known === undefined) continue;
    const value = known.schema.read(inner) as object;
    inner.finish();
    messages.push({ ...value, kind: known.kind } as Message);
  }
  return messages;
}

export function decodeFrame(bytes: Uint8Array): Frame {
  const reader = new Reader(bytes);
  return { header: readHeader(reader), messages: readMessages(reader) };
}

export function addressOf(of: FrameHeader): Address {
  return { role: of.role, name: of.name, boot: of.boot };
}
