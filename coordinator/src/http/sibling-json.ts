import type * as z from 'zod';
import type { siblingSchema } from './batch-schema.ts';
import { dateOf } from './http-date.ts';
import type { Part } from './representation.ts';

/** One of several values as JSON, in a 300 and in the result of a batch. */
export function siblingJson(part: Part): z.infer<typeof siblingSchema> {
  const { etag, contentType, meta, deleted, value, writtenAtMs } = part;
  return {
    etag,
    contentType,
    lastModified: dateOf(writtenAtMs).toISOString(),
    // `fromEntries` defines where an assignment would set: metadata may be called __proto__.
    meta: Object.fromEntries(meta),
    deleted,
    valueBase64: base64(value),
  };
}

export function base64(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64');
}
