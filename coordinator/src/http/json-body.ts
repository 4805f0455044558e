import type { Call } from './call.ts';
import { Refused } from './problems.ts';
import { invalidParameter } from './query.ts';

/** A JSON request body as untrusted data; its shape is for a schema to check. Throws Refused. */
export async function jsonBody(call: Call, bytesMax: number): Promise<unknown> {
  checkMediaType(call);
  const bytes = await call.body(bytesMax);
  if (isDeeperThan(bytes, DEPTH_MAX)) throw invalidParameter('body', `JSON may be nested ${DEPTH_MAX} deep.`);
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    // The error would repeat a piece of the body.
    throw invalidParameter('body', 'The body is not JSON in UTF-8.');
  }
}

/** Twice what any request of ours has. */
const DEPTH_MAX = 8;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * `application/json`, or what command line tools call a body when nobody tells them. From a browser only the former: a
 * page may send the others to any host without asking, one listening on the reader's own machine included.
 */
function checkMediaType(call: Call): void {
  const type = (call.header('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (type === 'application/json') return;
  if (UNSAID.has(type) && call.header('origin') === undefined) return;
  throw new Refused({
    code: 'unsupported_media_type',
    detail: 'The body has to be sent as Content-Type: application/json.',
  });
}

const UNSAID: ReadonlySet<string> = new Set(['', 'text/plain', 'application/x-www-form-urlencoded']);

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Looked at before parsing: what is built from 200,000 brackets costs far more than the brackets. */
export function isDeeperThan(bytes: Uint8Array, depthMax: number): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let depth = 0;
  for (let i = 0; i < buffer.length; i++) {
    const byte = buffer.readUInt8(i);
    if (byte === QUOTE) i = endOfString(buffer, i);
    else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) depth--;
    else if ((byte === OPEN_BRACKET || byte === OPEN_BRACE) && ++depth > depthMax) return true;
  }
  return false;
}

/** Where the string that begins at `start` ends. Strings are nearly all of a batch, so they are skipped and not read. */
function endOfString(buffer: Buffer, start: number): number {
  let end = start;
  do {
    end = buffer.indexOf(QUOTE, end + 1);
  } while (end > 0 && isEscaped(buffer, end));
  return end < 0 ? buffer.length : end;
}

function isEscaped(buffer: Buffer, at: number): boolean {
  let backslashes = 0;
  while (buffer[at - 1 - backslashes] === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}
