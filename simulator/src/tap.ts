import { decodeFrame, type Frame as Decoded, type FrameHeader } from '@circlet/shared/protocol/frame.ts';
import type { Message, MessageKind } from '@circlet/shared/protocol/message.ts';

/** Bytes on their way from one pod to another. */
export interface Frame {
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
  readonly header: FrameHeader;
  readonly messages: readonly Message[];
}

/** Decodes only what somebody looks at. */
export function frameOf(from: string, to: string, bytes: Uint8Array): Frame {
  let decoded: Decoded | undefined;
  const whole = () => (decoded ??= decodeFrame(bytes));
  return {
    from,
    to,
    bytes,
    get header() {
      return whole().header;
    },
    get messages() {
      return whole().messages;
    },
  };
}

/** Which frames a tap is about: all of these that are given, and the last two of one and the same message. */
export interface Match {
  readonly from?: string | readonly string[];
  readonly to?: string | readonly string[];
  readonly kind?: MessageKind;
  readonly where?: (message: Message, frame: Frame) => boolean;
  /** Only the first so many. */
  readonly times?: number;
  /** Nothing can match now, so no frame need be decoded. */
  readonly isIdle?: () => boolean;
}

export type TapAction =
  | 'watch'
  | 'drop'
  /** Kept until `release`. */
  | 'hold'
  /** One more copy, after so long. */
  | { readonly copyAfterMs: number }
  /** Late, and so out of order. */
  | { readonly delayMs: number };

interface TapBus {
  forward(frame: Frame, afterMs: number): void;
  stop(): void;
}

/** What a story does to chosen frames between chosen pods. */
export class Tap {
  /** Every frame that matched, in order. */
  readonly frames: Frame[] = [];
  private readonly match: Match;
  private readonly action: TapAction;
  private readonly bus: TapBus;
  private held: Frame[] = [];

  constructor(match: Match, action: TapAction, bus: TapBus) {
    this.match = match;
    this.action = action;
    this.bus = bus;
  }

  get seen(): number {
    return this.frames.length;
  }

  /** False when the tap takes care of the frame itself. */
  lets(frame: Frame): boolean {
    if (this.seen === (this.match.times ?? Number.POSITIVE_INFINITY) || !matches(this.match, frame))
      return true;
    this.frames.push(frame);
    const { action } = this;
    if (action === 'watch') return true;
    if (action === 'drop') return false;
    if (action === 'hold') {
      this.held.push(frame);
      return false;
    }
    if ('copyAfterMs' in action) {
      this.bus.forward(frame, action.copyAfterMs);
      return true;
    }
    this.bus.forward(frame, action.delayMs);
    return false;
  }

  /** Later frames pass. What is held stays held. */
  stop(): void {
    this.bus.stop();
  }

  /** What was held goes on its way, and later frames pass. */
  release(): void {
    this.stop();
    const { held } = this;
    this.held = [];
    for (const frame of held) this.bus.forward(frame, 0);
  }

  /** Everything seen is delivered once more, to whoever now has the receiver's place. */
  replay(): void {
    for (const frame of this.frames) this.bus.forward(frame, 0);
  }
}

export function matches({ from, to, kind, where, isIdle }: Match, frame: Frame): boolean {
  if (isIdle?.() === true) return false;
  if (!isAmong(from, frame.from) || !isAmong(to, frame.to)) return false;
  if (kind === undefined && where === undefined) return true;
  return frame.messages.some(
    (message) =>
      (kind === undefined || message.kind === kind) && (where === undefined || where(message, frame)),
  );
}

function isAmong(wanted: string | readonly string[] | undefined, id: string): boolean {
  if (wanted === undefined) return true;
  return typeof wanted === 'string' ? wanted === id : wanted.includes(id);
}
