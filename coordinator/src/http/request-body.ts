import type { IncomingMessage } from 'node:http';
import { Gathered } from './gathered.ts';
import { Refused } from './problems.ts';

/**
 * Requests whose client waits to be told to send the body (`Expect: 100-continue`), with the way to tell it. It is told
 * once the head has passed every check, so a refused value is never sent at all.
 */
export const invitations = new WeakMap<IncomingMessage, () => void>();

/**
 * Receives request bodies: each up to its own limit, all together up to another. Past either, what has arrived is let go
 * and what still arrives is thrown away unread, so the connection stays usable and the memory free.
 */
export class BodyIntake {
  private readonly bytesMax: number;
  private bytesUnderWay = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Has to be called in the turn in which the request arrived: what nobody listens to is lost. */
  fromSocket(incoming: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
    if (Number(incoming.headers['content-length'] ?? 0) > bytesMax) return Promise.reject(tooLarge(bytesMax));
    invitations.get(incoming)?.();
    return new Promise((resolve, reject) => {
      const gathered = new Gathered();
      let isSettled = false;
      const settle = (refused: (() => Refused) | undefined) => {
        // Every message closes in the end, and an Error costs more than all the rest: made only where one is due.
        if (isSettled) return;
        isSettled = true;
        this.bytesUnderWay -= gathered.length;
        if (refused === undefined) resolve(gathered.whole());
        else reject(refused());
      };
      incoming.on('data', (piece: Buffer) => {
        if (isSettled) return;
        gathered.add(piece);
        this.bytesUnderWay += piece.length;
        if (gathered.length > bytesMax) settle(() => tooLarge(bytesMax));
        else if (this.bytesUnderWay > this.bytesMax) settle(overloaded);
      });
      incoming.on('end', () => settle(undefined));
      incoming.on('error', () => settle(gone));
      incoming.on('close', () => settle(gone));
    });
  }

  async fromStream(stream: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<Uint8Array> {
    const gathered = new Gathered();
    const reader = stream?.getReader();
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
      gathered.add(part.value);
      if (gathered.length > bytesMax) {
        await reader?.cancel();
        throw tooLarge(bytesMax);
      }
    }
    return gathered.whole();
  }
}

function tooLarge(bytesMax: number): Refused {
  return new Refused({
    code: 'value_too_large',
    detail: `The body is larger than ${bytesMax} bytes. GET /v1/cluster tells the limits.`,
  });
}

function overloaded(): Refused {
  return new Refused({
    code: 'overloaded',
    detail:
      'Too many bodies are being received; nothing was written. Ask again after the time in Retry-After.',
    outcome: 'none',
    retryAfterMs: 1_000,
  });
}

/** Nobody will read it; it ends the handler. */
function gone(): Refused {
  return new Refused({
    code: 'bad_request',
    reason: 'aborted',
    detail: 'The connection was closed before the body was whole.',
  });
}
