import { hash } from 'node:crypto';
import { WRITE_ID_BYTES, type WriteId } from '@circlet/shared/causality/key-state.ts';
import { Writer } from '@circlet/shared/codec/bytes.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import { invalidParameter } from './query.ts';

/**
 * The identity of a logical write (protocol.md, rule 2). Without an Idempotency-Key it is 16 random bytes. With one:
 *
 *     hash(principal, key, method, Idempotency-Key)     8 bytes: which retry this is
 *     hash(body with type and metadata, context)        8 bytes: what it asks for
 *
 * Were the client's key alone the id, two different bodies under one key would collapse into one write, and an
 * acknowledged one would be lost. So a lead that finds the first half under another second half refuses with 422.
 */
export class WriteIds {
  private readonly randomBytes: (n: number) => Uint8Array;
  private readonly principal: string;
  private pool = Buffer.alloc(0);
  private at = 0;

  constructor(randomBytes: (n: number) => Uint8Array, principal: string) {
    this.randomBytes = randomBytes;
    this.principal = principal;
  }

  random(): WriteId {
    if (this.at + WRITE_ID_BYTES > this.pool.length) {
      this.pool = Buffer.from(this.randomBytes(POOL_BYTES));
      this.at = 0;
    }
    const start = this.at;
    this.at += WRITE_ID_BYTES;
    return this.pool.toString('latin1', start, this.at);
  }

  keyed(write: KeyedWrite): WriteId {
    const { key, method, idempotencyKey, body, context } = write;
    const retry = digest8(Buffer.from(this.principal), key, Buffer.from(method), Buffer.from(idempotencyKey));
    return retry + digest8(body, Buffer.from(context ?? ''));
  }
}

export interface KeyedWrite {
  readonly key: FullKey;
  readonly method: 'PUT' | 'DELETE';
  readonly idempotencyKey: string;
  /** Content type, metadata and value in their stored form. */
  readonly body: Uint8Array;
  /** As the client sent it. */
  readonly context: string | undefined;
}

/** One call for random bytes serves 256 writes: drawing them one by one costs more than all else here. */
const POOL_BYTES = 256 * WRITE_ID_BYTES;

const VISIBLE_ASCII = /^[\x21-\x7e]{1,128}$/;

export function checkedIdempotencyKey(text: string | undefined): string | undefined {
  if (text !== undefined && !VISIBLE_ASCII.test(text)) {
    throw invalidParameter(
      'idempotency_key',
      'An Idempotency-Key is 1 to 128 visible ASCII characters, without spaces.',
    );
  }
  return text;
}

/** Each part behind its length, so that no two lists of parts are one string of bytes. */
function digest8(...parts: readonly Uint8Array[]): string {
  const writer = new Writer(parts.reduce((sum, part) => sum + part.length + 8, 0));
  for (const part of parts) {
    writer.varint(part.length);
    writer.bytes(part);
  }
  return hash('sha256', writer.view(), 'buffer').toString('latin1', 0, WRITE_ID_BYTES / 2);
}
