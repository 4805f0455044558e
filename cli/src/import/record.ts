import { nameFault } from '../client/names.ts';

/** What the readers make of the input: records to store, and those that cannot be. */
export interface ImportRecord {
  readonly kind: 'record';
  /** Its place in the input, from 1, malformed ones counted too. */
  readonly number: number;
  readonly line: number;
  readonly key: string;
  readonly value: Buffer;
  readonly contentType: string;
  /** The record as JSON, which the errors file repeats so that it can be imported again. */
  readonly source: Buffer;
}

export interface MalformedRecord {
  readonly kind: 'malformed';
  readonly number: number;
  readonly line: number;
  readonly reason: string;
  /** Its beginning, for the errors file. */
  readonly source: Buffer;
}

export type AnyRecord = ImportRecord | MalformedRecord;

/** Cuts the input into records, in order. */
export interface RecordReader {
  push(chunk: Buffer): AnyRecord[];
  end(): AnyRecord[];
}

/** The input as a whole cannot be imported: a header without the key column, say. */
export class InputError extends Error {
  override name = 'InputError';
}

/** Eight times the default limit of a value: with `--value`, a record may be larger than what is stored of it. */
export const RECORD_BYTES_MAX = 4 * 1024 * 1024;

export const JSON_TYPE = 'application/json';
export const TEXT_TYPE = 'text/plain; charset=utf-8';

/** Why a value cannot be a key, or undefined. */
export function keyFault(key: string): string | undefined {
  return nameFault('key', key);
}
