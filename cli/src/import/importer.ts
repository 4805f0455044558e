import { CircletError, ProblemError, UnexpectedAnswerError } from '../client/errors.ts';
import { Interrupted, type RetryClock, retry } from '../retry.ts';
import { BATCH_BYTES_MAX, Batches, operationBytes } from './batches.ts';
import { Repeats, idempotencyKey, identityOf, keyDigest } from './idempotency.ts';
import type { AnyRecord, ImportRecord } from './record.ts';
import type { Item, Send, Sent } from './sender.ts';
import { Slots } from './slots.ts';
import type { Tally } from './tally.ts';

/**
 * Reads records and keeps a bounded number of them under way until each is settled: acknowledged, or failed and told
 * to `onFailed`. It holds nothing of the records that are settled, so it does not grow with the input.
 */
export interface ImportOptions {
  readonly bucket: string;
  /** Records of this number and below were settled by an earlier run. */
  readonly skip: number;
  readonly concurrency: number;
  /** Records in one request. */
  readonly batch: number;
  readonly retryForMs: number;
  readonly clock: RetryClock;
  readonly send: Send;
  readonly tally: Tally;
  readonly onFailed: (record: AnyRecord, error: CircletError | undefined) => void;
  /** The user wants to stop: requests under way are still waited for, nothing new begins. */
  readonly stop: AbortSignal;
}

/** What one chunk of the input held. */
export interface Chunk {
  readonly records: readonly AnyRecord[];
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export type Ending =
  | { readonly kind: 'finished' }
  | { readonly kind: 'stopped' }
  /** The cluster has taken nothing for as long as a record may wait. */
  | { readonly kind: 'unavailable'; readonly error: CircletError }
  /** Refused for a reason that all records share. */
  | { readonly kind: 'refused'; readonly error: CircletError };

/** With a short `--retry-for`, the least time without any success after which the cluster counts as gone. */
const GIVE_UP_MS_MIN = 5_000;

export class Importer {
  readonly #options: ImportOptions;
  readonly #slots: Slots;
  readonly #batches: Batches<Item>;
  readonly #sameRecords = new Repeats();
  readonly #sameKeys = new Repeats();
  /** Fires when no new attempt should begin, for whatever reason. */
  readonly #halt = new AbortController();
  /** Numbers of the records that are read and not settled. In order: the first is the lowest. */
  readonly #open = new Set<number>();
  readonly #running = new Set<Promise<void>>();
  #ending: Ending = { kind: 'finished' };
  #successes = 0;
  #lastSuccessMs: number;

  constructor(options: ImportOptions) {
    this.#options = options;
    this.#slots = new Slots(options.concurrency);
    this.#lastSuccessMs = options.clock.now();
    this.#batches = new Batches({ operations: options.batch, bytes: BATCH_BYTES_MAX }, ({ record }) =>
      operationBytes(options.bucket, record.key, record.value.length),
    );
    if (options.stop.aborted) this.#end({ kind: 'stopped' });
    else options.stop.addEventListener('abort', () => this.#end({ kind: 'stopped' }), { once: true });
  }

  /** Fires when the input need not be read any further. */
  get halted(): AbortSignal {
    return this.#halt.signal;
  }

  /** All records up to this number are settled. */
  get settledUpTo(): number {
    const [first] = this.#open;
    return first === undefined ? this.#options.tally.read : first - 1;
  }

  /** How many are read and not settled. */
  get unsettled(): number {
    return this.#open.size;
  }

  async run(chunks: AsyncIterable<Chunk>): Promise<Ending> {
    let readAll = false;
    try {
      for await (const chunk of chunks) {
        await this.#take(chunk);
        if (this.#halt.signal.aborted) break;
      }
      readAll = !this.#halt.signal.aborted;
      for (const unit of this.#batches.rest()) await this.#launch(unit);
    } finally {
      // Also when the input breaks off: what is under way is still counted before anyone reports.
      await Promise.all(this.#running);
    }
    // Stopped with nothing left to do is finished, and one last record that failed for long is merely a failed record.
    return readAll && this.#open.size === 0 ? { kind: 'finished' } : this.#ending;
  }

  async #take({ records, bytesBefore, bytesAfter }: Chunk): Promise<void> {
    const { tally, skip } = this.#options;
    for (const [i, record] of records.entries()) {
      if (this.#halt.signal.aborted) return;
      tally.read = record.number;
      tally.position = bytesBefore + ((bytesAfter - bytesBefore) * (i + 1)) / records.length;
      // Skipped ones are named as well: the names of those after them depend on what came before.
      const item = record.kind === 'record' ? this.#name(record) : undefined;
      if (record.number <= skip) {
        tally.skipped++;
      } else if (item === undefined) {
        tally.failure('malformed');
        this.#options.onFailed(record, undefined);
      } else {
        this.#open.add(record.number);
        for (const unit of this.#batches.add(item)) await this.#launch(unit);
      }
    }
  }

  #name(record: ImportRecord): Item {
    const identity = identityOf({ bucket: this.#options.bucket, ...record });
    if (this.#sameKeys.count(keyDigest(record.key)) > 0) this.#options.tally.repeatedKeys++;
    return { record, idempotencyKey: idempotencyKey(identity, this.#sameRecords.count(identity)) };
  }

  /** Waits for room, then lets the unit run beside the others. */
  async #launch(unit: readonly Item[]): Promise<void> {
    await this.#slots.take();
    const running = this.#settle(unit).finally(() => {
      this.#running.delete(running);
      this.#slots.give();
    });
    this.#running.add(running);
  }

  async #settle(unit: readonly Item[]): Promise<void> {
    const { clock, tally, retryForMs } = this.#options;
    const successesBefore = this.#successes;
    let pending: readonly Pending[] = [];
    const attempt = async (): Promise<void> => {
      if (this.#halt.signal.aborted) throw new Interrupted();
      pending = await this.#attempt(pending.length === 0 ? unit : pending.map(({ item }) => item));
      const [first] = pending;
      if (first !== undefined) throw first.error;
    };
    const onRetry = (error: CircletError): void => {
      tally.retries += pending.length;
      tally.trouble = error.code;
    };
    try {
      await retry(attempt, { forMs: retryForMs, clock, signal: this.#halt.signal, onRetry });
    } catch (error) {
      if (error instanceof Interrupted) return;
      if (!(error instanceof CircletError)) throw error;
      for (const each of pending) this.#fail(each.item.record, each.error);
      if (this.#successes === successesBefore) this.#considerGivingUp(error);
    }
  }

  /** Sends the items once and settles what can be; the others come back with why they are worth another attempt. */
  async #attempt(items: readonly Item[]): Promise<Pending[]> {
    const { clock, tally, send } = this.#options;
    const startedMs = clock.now();
    const results = await resultsOf(send, items);
    const again: Pending[] = [];
    let succeeded = false;
    for (const [i, item] of items.entries()) {
      const result = results[i];
      if (result === 'stored' || result === 'present') {
        succeeded = true;
        tally[result]++;
        if (result === 'stored') tally.bytes += item.record.value.length;
        this.#open.delete(item.record.number);
      } else if (result !== undefined) {
        tally.error(result.code);
        if (concernsAll(result)) {
          this.#end({ kind: 'refused', error: result });
          throw new Interrupted();
        }
        if (result.retryable) again.push({ item, error: result });
        else this.#fail(item.record, result);
      }
    }
    if (succeeded) {
      this.#successes++;
      this.#lastSuccessMs = clock.now();
      tally.acknowledged(this.#lastSuccessMs - startedMs);
    }
    return again;
  }

  #fail(record: ImportRecord, error: CircletError): void {
    this.#options.tally.failure(error.code);
    this.#options.onFailed(record, error);
    this.#open.delete(record.number);
  }

  /** A unit ran out of time, and nothing else got through meanwhile either: the next ones would only wait as long. */
  #considerGivingUp(error: CircletError): void {
    if (!error.retryable) return;
    if (this.#options.clock.now() - this.#lastSuccessMs < GIVE_UP_MS_MIN) return;
    this.#end({ kind: 'unavailable', error });
  }

  #end(ending: Ending): void {
    if (this.#halt.signal.aborted) return;
    this.#ending = ending;
    this.#halt.abort();
  }
}

interface Pending {
  readonly item: Item;
  readonly error: CircletError;
}

async function resultsOf(send: Send, items: readonly Item[]): Promise<Sent[]> {
  try {
    return await send(items);
  } catch (error) {
    if (!(error instanceof CircletError)) throw error;
    return items.map(() => error);
  }
}

/** The answer to one record that every other record would get too: a wrong option, a wrong address, no permission. */
function concernsAll(error: CircletError): boolean {
  if (error instanceof UnexpectedAnswerError) return true;
  if (!(error instanceof ProblemError)) return false;
  return error.code === 'invalid_parameter' || [401, 403, 404, 405].includes(error.status);
}
