import { open } from 'node:fs/promises';
import { fileFailure } from '../failure.ts';
import type { Chunk } from './importer.ts';
import type { RecordReader } from './record.ts';

/** The input of an import: a file, or stdin for `-`. */
export interface Source {
  /** Undefined when it cannot be known: a pipe. */
  readonly totalBytes: number | undefined;
  chunks(reader: RecordReader, halted: AbortSignal): AsyncGenerator<Chunk>;
}

/** Large enough to be rare among the costs of a record, small next to what is in flight. */
const CHUNK_BYTES = 256 * 1024;

export async function openSource(path: string): Promise<Source> {
  if (path === '-')
    return { totalBytes: undefined, chunks: (reader, halted) => cut(process.stdin, path, reader, halted) };
  try {
    const file = await open(path);
    const stat = await file.stat();
    if (stat.isDirectory()) {
      await file.close();
      throw Object.assign(new Error('it is a directory'), { code: 'EISDIR' });
    }
    const stream = file.createReadStream({ highWaterMark: CHUNK_BYTES });
    return {
      totalBytes: stat.isFile() ? stat.size : undefined,
      chunks: (reader, halted) => cut(stream, path, reader, halted),
    };
  } catch (error) {
    throw fileFailure(`read ${path}`, error);
  }
}

async function* cut(
  stream: NodeJS.ReadableStream & { destroy(): unknown },
  path: string,
  reader: RecordReader,
  halted: AbortSignal,
): AsyncGenerator<Chunk> {
  // A pipe on which nothing comes would otherwise hold up the end.
  const onHalt = (): unknown => stream.destroy();
  halted.addEventListener('abort', onHalt, { once: true });
  let bytes = 0;
  try {
    for await (const data of bytesOf(stream, path, halted)) {
      const bytesBefore = bytes;
      bytes += data.length;
      yield { records: reader.push(data), bytesBefore, bytesAfter: bytes };
    }
    if (!halted.aborted) yield { records: reader.end(), bytesBefore: bytes, bytesAfter: bytes };
  } finally {
    halted.removeEventListener('abort', onHalt);
  }
}

/** The stream, with its errors in words; being destroyed on purpose is an end like any other. */
async function* bytesOf(
  stream: NodeJS.ReadableStream,
  path: string,
  halted: AbortSignal,
): AsyncGenerator<Buffer> {
  if (halted.aborted) return;
  try {
    for await (const data of stream) yield typeof data === 'string' ? Buffer.from(data) : data;
  } catch (error) {
    if (!halted.aborted) throw fileFailure(path === '-' ? 'read standard input' : `read ${path}`, error);
  }
}
