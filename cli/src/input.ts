import { open } from 'node:fs/promises';
import { fileFailure, usageFailure } from './failure.ts';
import { formatBytes } from './human.ts';

/** Above every limit a cluster can have: a pipe that never ends must not fill memory. */
const VALUE_BYTES_MAX = 64 * 1024 * 1024;

/** A whole value from a file, or from stdin for `-`. */
export async function readValue(source: string): Promise<Buffer> {
  const what = source === '-' ? 'read standard input' : `read ${source}`;
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    const stream = source === '-' ? process.stdin : (await open(source)).createReadStream();
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > VALUE_BYTES_MAX) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw fileFailure(what, error);
  }
  if (bytes > VALUE_BYTES_MAX) {
    throw usageFailure(
      `the value is larger than ${formatBytes(VALUE_BYTES_MAX)}; Circlet is made for small values.`,
    );
  }
  return Buffer.concat(chunks, bytes);
}
