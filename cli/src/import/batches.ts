/**
 * Gathers records into units of work: one record each, or up to `operations` of them for POST /v1/batch, and never
 * more bytes than a batch may have. A record that fills a batch alone is a unit alone.
 */
export interface BatchLimits {
  readonly operations: number;
  readonly bytes: number;
}

/** The contract's limits, with room for what is around the operations. */
export const BATCH_OPERATIONS_MAX = 256;
export const BATCH_BYTES_MAX = 4 * 1024 * 1024 - 1024;

export class Batches<T> {
  readonly #limits: BatchLimits;
  readonly #sizeOf: (item: T) => number;
  #items: T[] = [];
  #bytes = 0;

  constructor(limits: BatchLimits, sizeOf: (item: T) => number) {
    this.#limits = limits;
    this.#sizeOf = sizeOf;
  }

  /** The unit that this item completes, or that had to end before it. */
  add(item: T): T[][] {
    const bytes = this.#sizeOf(item);
    const full: T[][] = this.#bytes + bytes > this.#limits.bytes ? this.rest() : [];
    this.#items.push(item);
    this.#bytes += bytes;
    return this.#items.length >= this.#limits.operations ? [...full, ...this.rest()] : full;
  }

  rest(): T[][] {
    const items = this.#items;
    this.#items = [];
    this.#bytes = 0;
    return items.length === 0 ? [] : [items];
  }
}

/** Upper bound of an operation's bytes in the JSON of a batch. */
export function operationBytes(bucket: string, key: string, valueBytes: number): number {
  // JSON may turn a byte of a name into six (\u0001); base64 turns three bytes into four.
  return 6 * (Buffer.byteLength(bucket) + Buffer.byteLength(key)) + Math.ceil(valueBytes / 3) * 4 + 256;
}
