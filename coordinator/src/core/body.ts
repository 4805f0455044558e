import { DecodeError, Reader, Writer } from '@circlet/shared/codec/bytes.ts';

/**
 * What a client stored, as the bytes that replicas keep without looking inside:
 *
 *     version  content type  n (name value)*  value
 *
 * Text is Latin-1, the alphabet of HTTP headers; names are lower-case.
 */
export interface Body {
  readonly contentType: string;
  readonly meta: readonly (readonly [name: string, value: string])[];
  readonly value: Uint8Array;
}

const VERSION = 1;

export function encodeBody({ contentType, meta, value }: Body): Uint8Array {
  const writer = new Writer(value.length + contentType.length + 64);
  writer.u8(VERSION);
  writeText(writer, contentType);
  writer.varint(meta.length);
  for (const [name, text] of meta) {
    writeText(writer, name);
    writeText(writer, text);
  }
  writer.bytes(value);
  // The writer is this body's own: no copy is needed to keep what it holds.
  return writer.view();
}

/** The value is a view into `bytes`. Throws DecodeError: the body was damaged, or written by a newer version. */
export function decodeBody(bytes: Uint8Array): Body {
  const reader = new Reader(bytes);
  const version = reader.u8();
  if (version !== VERSION) throw new DecodeError(`unknown body version ${version}`);
  const contentType = readText(reader);
  const n = reader.count(2);
  const meta: [string, string][] = [];
  for (let i = 0; i < n; i++) meta.push([readText(reader), readText(reader)]);
  return { contentType, meta, value: reader.bytes(reader.left) };
}

function writeText(writer: Writer, text: string): void {
  writer.varint(text.length);
  writer.latin1(text);
}

function readText(reader: Reader): string {
  return reader.latin1(reader.count(1));
}
