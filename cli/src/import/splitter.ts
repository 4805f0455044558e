/**
 * Cuts a stream of bytes into records, wherever the chunks of the stream happen to end. A record ends at a line feed
 * (one before it, CR, belongs to the end); with `quotes`, at one that stands outside quotes as RFC 4180 has them:
 *
 *               "                  "                  "
 *     fieldStart --> quoted <=========> quoteInQuoted      , -> fieldStart
 *         |   else                         | else          LF -> next record
 *         +--------> plain <---------------+
 *
 * Only the unfinished record is kept, and at most `bytesMax` of it, so that memory does not depend on the input.
 */
export interface Piece {
  /** Of the record's first line, from 1. */
  readonly line: number;
  readonly bytes: Buffer;
  /** The record is longer than `bytesMax`; `bytes` is its beginning. */
  readonly tooLong: boolean;
  /** The input ended inside quotes. */
  readonly open: boolean;
}

export interface SplitterOptions {
  readonly quotes: boolean;
  readonly bytesMax: number;
}

type State = 'fieldStart' | 'plain' | 'quoted' | 'quoteInQuoted';

const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

export class Splitter {
  readonly #quotes: boolean;
  readonly #bytesMax: number;
  #state: State = 'fieldStart';
  /** Where the record being read began, and the line that is being read. */
  #firstLine = 1;
  #line = 1;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #tooLong = false;
  #bomSeen = 0;
  #atStart = true;

  constructor({ quotes, bytesMax }: SplitterOptions) {
    this.#quotes = quotes;
    this.#bytesMax = bytesMax;
  }

  push(chunk: Buffer): Piece[] {
    const bytes = this.#atStart ? this.#withoutBom(chunk) : chunk;
    return this.#quotes ? this.#splitQuoted(bytes) : this.#splitLines(bytes);
  }

  /** What is left when the input ends without a line feed. */
  end(): Piece[] {
    const rest = this.#atStart ? BOM.subarray(0, this.#bomSeen) : EMPTY;
    this.#atStart = false;
    this.#keep(rest);
    if (this.#keptBytes === 0 && !this.#tooLong) return [];
    return [this.#finish()];
  }

  #splitLines(bytes: Buffer): Piece[] {
    const pieces: Piece[] = [];
    let start = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
      this.#keep(bytes.subarray(start, end));
      this.#line++;
      pieces.push(this.#finish());
      start = end + 1;
    }
    this.#keep(bytes.subarray(start));
    return pieces;
  }

  #splitQuoted(bytes: Buffer): Piece[] {
    const pieces: Piece[] = [];
    let start = 0;
    let state = this.#state;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i];
      if (byte === LF) {
        this.#line++;
        if (state === 'quoted') continue;
        this.#state = state;
        this.#keep(bytes.subarray(start, i));
        pieces.push(this.#finish());
        start = i + 1;
        state = 'fieldStart';
      } else if (state === 'quoted') {
        if (byte === QUOTE) state = 'quoteInQuoted';
      } else if (byte === COMMA) {
        state = 'fieldStart';
      } else if (byte === QUOTE && state !== 'plain') {
        state = 'quoted';
      } else {
        state = 'plain';
      }
    }
    this.#state = state;
    this.#keep(bytes.subarray(start));
    return pieces;
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0 || this.#tooLong) return;
    const room = this.#bytesMax - this.#keptBytes;
    if (bytes.length > room) this.#tooLong = true;
    this.#kept.push(bytes.length > room ? bytes.subarray(0, room) : bytes);
    this.#keptBytes += Math.min(bytes.length, room);
  }

  #finish(): Piece {
    const [only] = this.#kept;
    const all =
      this.#kept.length === 1 && only !== undefined ? only : Buffer.concat(this.#kept, this.#keptBytes);
    const open = this.#quotes && this.#state === 'quoted';
    const withCr = !open && !this.#tooLong && all[all.length - 1] === CR;
    const piece = {
      line: this.#firstLine,
      bytes: withCr ? all.subarray(0, -1) : all,
      tooLong: this.#tooLong,
      open,
    };
    this.#kept = [];
    this.#keptBytes = 0;
    this.#tooLong = false;
    this.#firstLine = this.#line;
    this.#state = 'fieldStart';
    return piece;
  }

  /** Spreadsheets put a byte order mark first; it may come cut in two like anything else. */
  #withoutBom(chunk: Buffer): Buffer {
    let i = 0;
    while (i < chunk.length && this.#bomSeen < BOM.length && chunk[i] === BOM[this.#bomSeen]) {
      i++;
      this.#bomSeen++;
    }
    if (this.#bomSeen === BOM.length) {
      this.#atStart = false;
      return chunk.subarray(i);
    }
    if (i === chunk.length) return EMPTY;
    this.#atStart = false;
    // The beginning of a mark that turned out to be something else.
    return Buffer.concat([BOM.subarray(0, this.#bomSeen), chunk.subarray(i)]);
  }
}

const EMPTY = Buffer.alloc(0);
