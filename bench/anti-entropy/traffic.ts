import { Writer } from '@circlet/shared/codec/bytes.ts';
import { type Message, type MessageKind, schemaOf } from '@circlet/shared/protocol/message.ts';
import { isAntiEntropyMessage } from '@circlet/storage/core/anti-entropy/anti-entropy.ts';
import type { FrameSeen } from './pair.ts';

/** What went over the wire, both ways. */
export interface Counts {
  readonly messages: number;
  readonly frames: number;
  /** Of whole frames, headers and all. */
  readonly bytes: number;
  readonly states: number;
  /** Bytes of the messages themselves; what is left of the whole is headers. */
  readonly bytesOf: Readonly<Partial<Record<MessageKind, number>>>;
}

export class Traffic implements Counts {
  messages = 0;
  frames = 0;
  bytes = 0;
  states = 0;
  readonly bytesOf: Partial<Record<MessageKind, number>> = {};

  count({ bytes, messages }: FrameSeen): void {
    this.frames++;
    this.bytes += bytes;
    for (const message of messages.filter(isAntiEntropyMessage)) {
      this.messages++;
      this.bytesOf[message.kind] = (this.bytesOf[message.kind] ?? 0) + sizeOf(message);
      if (message.kind === 'rowsTold') this.states += message.entries.length;
    }
  }

  soFar(): Counts {
    const { messages, frames, bytes, states, bytesOf } = this;
    return { messages, frames, bytes, states, bytesOf: { ...bytesOf } };
  }
}

const writer = new Writer();
/** In front of every message of a frame: its tag and its length. */
const TAG_BYTES = 5;

function sizeOf(message: Message): number {
  writer.reset();
  schemaOf(message.kind).schema.write(writer, message);
  return TAG_BYTES + writer.size;
}
