import { isUtf8 } from 'node:buffer';
import { type FieldPath, fieldAt, parseExact, parseFieldPath, spelling } from './fields.ts';
import {
  type AnyRecord,
  JSON_TYPE,
  RECORD_BYTES_MAX,
  type RecordReader,
  TEXT_TYPE,
  keyFault,
} from './record.ts';
import { type Piece, Splitter } from './splitter.ts';

export interface NdjsonOptions {
  /** Field or JSON pointer whose value is the key. */
  readonly key: string;
  /** Field or JSON pointer to store instead of the whole record. */
  readonly value: string | undefined;
  readonly recordBytesMax?: number;
}

/** One JSON value on each line. Blank lines are skipped. What is stored is the line itself, byte for byte. */
export class NdjsonReader implements RecordReader {
  readonly #splitter: Splitter;
  readonly #key: FieldPath;
  readonly #value: FieldPath | undefined;
  readonly #options: NdjsonOptions;
  readonly #bytesMax: number;
  #number = 0;

  constructor(options: NdjsonOptions) {
    this.#options = options;
    this.#bytesMax = options.recordBytesMax ?? RECORD_BYTES_MAX;
    this.#splitter = new Splitter({ quotes: false, bytesMax: this.#bytesMax });
    this.#key = parseFieldPath(options.key);
    this.#value = options.value === undefined ? undefined : parseFieldPath(options.value);
  }

  push(chunk: Buffer): AnyRecord[] {
    return this.#splitter.push(chunk).flatMap((piece) => this.#read(piece));
  }

  end(): AnyRecord[] {
    return this.#splitter.end().flatMap((piece) => this.#read(piece));
  }

  #read(piece: Piece): AnyRecord[] {
    if (!piece.tooLong && isBlank(piece.bytes)) return [];
    const number = ++this.#number;
    const { line, bytes: source } = piece;
    const made = piece.tooLong ? `longer than ${this.#bytesMax} bytes` : this.#make(source);
    if (typeof made === 'string') return [{ kind: 'malformed', number, line, reason: made, source }];
    return [{ kind: 'record', number, line, source, ...made }];
  }

  /** What is to be stored, or why it cannot be. */
  #make(bytes: Buffer): Made | string {
    if (!isUtf8(bytes)) return 'not valid UTF-8';
    const text = bytes.toString();
    let record: unknown;
    try {
      record = JSON.parse(text);
    } catch (error) {
      // "... (line 1 column 8)" is of this text alone, which is one line of the file.
      const message = error instanceof Error ? error.message : String(error);
      return `not valid JSON: ${message.replace(/ \(line \d+ column \d+\)$/, '')}`;
    }
    const key = keyOf(text, fieldAt(record, this.#key), this.#key);
    if (key === undefined)
      return `field "${this.#options.key}" is missing, or is neither a string nor a number`;
    const fault = keyFault(key);
    if (fault !== undefined) return fault;
    if (this.#value === undefined) return { key, value: bytes, contentType: JSON_TYPE };
    return this.#valueOf(text, key, fieldAt(record, this.#value), this.#value);
  }

  #valueOf(text: string, key: string, value: unknown, path: FieldPath): Made | string {
    if (value === undefined) return `field "${this.#options.value}" is missing`;
    if (typeof value !== 'string') {
      return {
        key,
        value: Buffer.from(JSON.stringify(fieldAt(parseExact(text), path))),
        contentType: JSON_TYPE,
      };
    }
    if (!value.isWellFormed()) return `field "${this.#options.value}" is not valid Unicode`;
    return { key, value: Buffer.from(value), contentType: TEXT_TYPE };
  }
}

interface Made {
  readonly key: string;
  readonly value: Buffer;
  readonly contentType: string;
}

/** A number that a double does not hold exactly, or not in one spelling, is taken as the file spells it. */
function keyOf(text: string, value: unknown, path: FieldPath): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'number') return undefined;
  return Number.isSafeInteger(value) ? String(value) : spelling(fieldAt(parseExact(text), path));
}

function isBlank(bytes: Buffer): boolean {
  return !bytes.some((byte) => byte !== 0x20 && byte !== 0x09 && byte !== 0x0d);
}
