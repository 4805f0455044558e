import { TimerQueue } from '@circlet/shared/host/timer-queue.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';

/**
 * The answers a lead gave, by request, for as long as a second copy of the request could still be under way
 * (protocol.md, rule 14): the copy gets the first one's answer and mints nothing. Together with the receiver's boot in
 * the frame this is what lets a coordinator call a write "sole", and call one that was refused "none".
 *
 * In memory only: a lead that restarted has a new boot and refuses copies addressed to the old one.
 */
export class Answered {
  private readonly answers = new Map<string, readonly Message[]>();
  private readonly expiry = new TimerQueue<string>();

  /** True when no more can be remembered: then no more may be led. */
  isFull(nowMs: number): boolean {
    this.forgetUntil(nowMs);
    return this.answers.size >= ANSWERS_MAX;
  }

  /** Refusals take at most half of the room: a pod that must refuse much can still lead. */
  hasRoomForRefusals(nowMs: number): boolean {
    this.forgetUntil(nowMs);
    return this.answers.size < ANSWERS_MAX / 2;
  }

  find(senderBoot: string, id: number): readonly Message[] | undefined {
    return this.answers.get(`${senderBoot}/${id}`);
  }

  remember(
    senderBoot: string,
    id: number,
    answer: readonly Message[],
    deadlineMs: number,
    nowMs: number,
  ): void {
    this.forgetUntil(nowMs);
    const request = `${senderBoot}/${id}`;
    this.answers.set(request, answer);
    this.expiry.push(deadlineMs + GRACE_MS, request);
  }

  private forgetUntil(nowMs: number): void {
    for (let old = this.expiry.pop(nowMs); old !== undefined; old = this.expiry.pop(nowMs)) {
      this.answers.delete(old);
    }
  }
}

/** A late copy is answered like the first for this long past its deadline, so that "expired" never contradicts "led". */
const GRACE_MS = 10_000;
/** At about 300 bytes each, 60 MB; 10,000 writes a second with the default timeout need 150,000. */
const ANSWERS_MAX = 200_000;
