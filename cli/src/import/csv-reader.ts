import { headerFault, parseCsvRecord, rowToJson } from './csv.ts';
import {
  type AnyRecord,
  InputError,
  JSON_TYPE,
  RECORD_BYTES_MAX,
  type RecordReader,
  TEXT_TYPE,
  keyFault,
} from './record.ts';
import { type Piece, Splitter } from './splitter.ts';

export interface CsvOptions {
  /** Column that holds the key. */
  readonly key: string;
  /** Column to store instead of the whole row. */
  readonly value: string | undefined;
  readonly recordBytesMax?: number;
}

interface Header {
  readonly names: readonly string[];
  /** Which column. */
  readonly key: number;
  readonly value: number | undefined;
}

/** The first record names the columns; each further one is stored as a JSON object of strings. */
export class CsvReader implements RecordReader {
  readonly #splitter: Splitter;
  readonly #options: CsvOptions;
  readonly #bytesMax: number;
  #header: Header | undefined;
  #number = 0;

  constructor(options: CsvOptions) {
    this.#options = options;
    this.#bytesMax = options.recordBytesMax ?? RECORD_BYTES_MAX;
    this.#splitter = new Splitter({ quotes: true, bytesMax: this.#bytesMax });
  }

  push(chunk: Buffer): AnyRecord[] {
    return this.#splitter.push(chunk).flatMap((piece) => this.#read(piece));
  }

  end(): AnyRecord[] {
    const records = this.#splitter.end().flatMap((piece) => this.#read(piece));
    if (this.#header === undefined)
      throw new InputError('it is empty, and its first line should name the columns');
    return records;
  }

  #read(piece: Piece): AnyRecord[] {
    if (!piece.tooLong && piece.bytes.length === 0) return [];
    const fields = this.#fieldsOf(piece);
    if (this.#header === undefined) {
      if (typeof fields === 'string')
        throw new InputError(`its first line should name the columns, but it is ${fields}`);
      this.#header = this.#readHeader(fields);
      return [];
    }
    const number = ++this.#number;
    const made = typeof fields === 'string' ? fields : this.#make(fields, this.#header);
    const { line } = piece;
    if (typeof made === 'string')
      return [{ kind: 'malformed', number, line, reason: made, source: piece.bytes }];
    return [{ kind: 'record', number, line, ...made }];
  }

  #fieldsOf({ tooLong, open, bytes }: Piece): readonly string[] | string {
    if (tooLong)
      return `longer than ${this.#bytesMax} bytes${open ? ', perhaps for a quote that is never closed' : ''}`;
    const parsed = parseCsvRecord(bytes);
    return parsed.kind === 'fields' ? parsed.fields : parsed.reason;
  }

  #readHeader(names: readonly string[]): Header {
    const fault = headerFault(names);
    if (fault !== undefined) throw new InputError(fault);
    return {
      names,
      key: this.#column(names, this.#options.key),
      value: this.#options.value === undefined ? undefined : this.#column(names, this.#options.value),
    };
  }

  #column(names: readonly string[], name: string): number {
    const at = names.indexOf(name);
    if (at === -1)
      throw new InputError(`it has no column "${name}", only ${names.map((each) => `"${each}"`).join(', ')}`);
    return at;
  }

  /** What is to be stored, or why it cannot be. */
  #make(fields: readonly string[], { names, key: keyAt, value: valueAt }: Header) {
    if (fields.length !== names.length) return `${fields.length} fields under ${names.length} columns`;
    const key = fields[keyAt] ?? '';
    const fault = keyFault(key);
    if (fault !== undefined) return fault;
    const source = Buffer.from(rowToJson(names, fields));
    if (valueAt === undefined) return { key, value: source, contentType: JSON_TYPE, source };
    return { key, value: Buffer.from(fields[valueAt] ?? ''), contentType: TEXT_TYPE, source };
  }
}
