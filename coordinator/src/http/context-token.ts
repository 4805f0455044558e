import { timingSafeEqual } from 'node:crypto';
import { type Context, contextSchema } from '@circlet/shared/causality/context.ts';
import { DecodeError, Reader, Writer } from '@circlet/shared/codec/bytes.ts';
import { type SipKey, siphash } from '@circlet/shared/hash/siphash.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import { Refused } from './problems.ts';

/**
 * A causal context in the hands of a client: opaque, and good for one key of one cluster.
 *
 *     version  key id  context  MAC          as base64url
 *
 * The MAC is SipHash-2-4-128 under the named context key over (cluster, full key, version, key id, context), and it is
 * checked before a byte of the context is decoded: a context that nobody was given could order replicas to drop values
 * that nobody has seen. An unknown key id is an error too, never an empty context (protocol.md, rule 18).
 */
export interface ContextTokenOptions {
  readonly clusterId: string;
  readonly contextKeys: ReadonlyMap<string, SipKey>;
  /** The id of the key that signs; the others still verify. */
  readonly signWith: string;
}

export type ContextFlaw = 'malformed' | 'unknown_key' | 'forged';

const VERSION = 1;
const MAC_BYTES = 16;
/** As base64url 12 KiB: with a request's other headers it stays below the 16 KiB that servers take. */
export const TOKEN_BYTES_MAX = 9 * 1024;
const TOKEN_CHARS_MAX = Math.ceil((TOKEN_BYTES_MAX * 4) / 3);
/** A write-id and a flag: what one sibling adds to a context at least. */
const SEEN_WRITE_BYTES = 17;

export class ContextTokens {
  private readonly options: ContextTokenOptions;
  private readonly signKey: SipKey;
  private readonly writer = new Writer(2048);

  constructor(options: ContextTokenOptions) {
    const signKey = options.contextKeys.get(options.signWith);
    if (signKey === undefined) throw new RangeError('the signing key is not among the context keys');
    this.options = options;
    this.signKey = signKey;
  }

  /** Undefined when the context is too large to travel in a header: no context is better than one that says less. */
  issue(key: FullKey, context: Context): string | undefined {
    if (context.writes.length * SEEN_WRITE_BYTES > TOKEN_BYTES_MAX) return undefined;
    const { writer } = this;
    const start = this.bind(key);
    writer.u8(VERSION);
    writer.u8(this.options.signWith.length);
    writer.latin1(this.options.signWith);
    contextSchema.write(writer, context);
    if (writer.size - start + MAC_BYTES > TOKEN_BYTES_MAX) return undefined;
    writer.bytes(siphash(this.signKey, writer.view()));
    const token = writer.view().subarray(start);
    return Buffer.from(token.buffer, token.byteOffset, token.length).toString('base64url');
  }

  /** Throws {@link Refused} unless this cluster issued the token for this key. */
  accept(key: FullKey, text: string): Context {
    if (text.length > TOKEN_CHARS_MAX) throw invalidContext('malformed');
    const token = Buffer.from(text, 'base64url');
    // The decoder skips what it does not know and ignores spare bits: only the one canonical spelling is a token.
    if (token.toString('base64url') !== text) throw invalidContext('malformed');
    const signedBytes = token.length - MAC_BYTES;
    if (signedBytes < 2 || token[0] !== VERSION) throw invalidContext('malformed');
    const contextAt = 2 + token.readUInt8(1);
    if (contextAt > signedBytes) throw invalidContext('malformed');
    const macKey = this.options.contextKeys.get(token.toString('latin1', 2, contextAt));
    if (macKey === undefined) throw invalidContext('unknown_key');
    this.bind(key);
    this.writer.bytes(token.subarray(0, signedBytes));
    const mac = siphash(macKey, this.writer.view());
    if (!timingSafeEqual(mac, token.subarray(signedBytes))) throw invalidContext('forged');
    return decodeContext(token, contextAt, signedBytes);
  }

  /** Begins the signed bytes with what the token is good for, and returns where the token itself starts. */
  private bind(key: FullKey): number {
    const { writer } = this;
    writer.reset();
    writer.u8(this.options.clusterId.length);
    writer.latin1(this.options.clusterId);
    writer.varint(key.length);
    writer.bytes(key);
    return writer.size;
  }
}

function decodeContext(token: Uint8Array, start: number, end: number): Context {
  const reader = new Reader(token, start, end);
  try {
    const context = contextSchema.read(reader);
    reader.finish();
    return context;
  } catch (error) {
    // Signed by us, so by a version with another layout: nothing that the client can be blamed for.
    if (error instanceof DecodeError) throw invalidContext('malformed');
    throw error;
  }
}

const DETAILS: Record<ContextFlaw, string> = {
  malformed:
    'Circlet-Context is not a context that Circlet issued, or it was cut. Send exactly what a get or put of this key returned.',
  unknown_key:
    'Circlet-Context was signed with a key that this cluster does not have any more. Get the key again.',
  forged:
    'Circlet-Context was changed, or was issued for another key or by another cluster. Send exactly what a get or put of this key returned.',
};

function invalidContext(reason: ContextFlaw): Refused {
  return new Refused({ code: 'invalid_context', reason, detail: DETAILS[reason] });
}
