import { httpDate } from './http-date.ts';
import { META_HEADER } from './object-headers.ts';
import type { Part } from './representation.ts';

/**
 * Several siblings as `multipart/mixed` (RFC 2046, section 5.1), each part with the headers that a get of it alone would
 * have. Values are any bytes, so the boundary is drawn at random and then looked for in every part: it occurs in none.
 */
export interface Multipart {
  readonly contentType: string;
  readonly body: Uint8Array;
}

export function multipart(parts: readonly Part[], randomBytes: (n: number) => Uint8Array): Multipart {
  const boundary = boundaryFor(parts, randomBytes);
  const chunks = parts.flatMap((part) => [
    Buffer.from(`--${boundary}\r\n${headOf(part)}\r\n`, 'latin1'),
    part.value,
    CRLF,
  ]);
  chunks.push(Buffer.from(`--${boundary}--\r\n`, 'latin1'));
  return { contentType: `multipart/mixed; boundary=${boundary}`, body: Buffer.concat(chunks) };
}

const CRLF = Buffer.from('\r\n');

function headOf({ contentType, meta, etag, writtenAtMs, deleted }: Part): string {
  let head = deleted ? 'Circlet-Deleted: true\r\n' : `Content-Type: ${contentType}\r\n`;
  for (const [name, value] of meta) head += `${META_HEADER}${name}: ${value}\r\n`;
  return `${head}ETag: ${etag}\r\nLast-Modified: ${httpDate(writtenAtMs)}\r\n`;
}

function boundaryFor(parts: readonly Part[], randomBytes: (n: number) => Uint8Array): string {
  for (;;) {
    const boundary = `circlet-${Buffer.from(randomBytes(16)).toString('hex')}`;
    // Each part is sent as it is, so a boundary that is in none of them cannot be mistaken.
    const occurs = parts.some(({ value }) =>
      Buffer.from(value.buffer, value.byteOffset, value.length).includes(boundary),
    );
    if (!occurs) return boundary;
  }
}
