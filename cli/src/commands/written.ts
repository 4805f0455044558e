import type { WriteResult } from '../client/results.ts';
import { writeJson } from '../terminal.ts';

/** What `put` and `delete` print with `-o json`. */
export async function writeWritten(
  bucket: string,
  key: string,
  { context, etag }: WriteResult,
  idempotencyKey: string,
): Promise<void> {
  await writeJson({ bucket, key, context: context ?? null, etag: etag ?? null, idempotencyKey });
}
