import type { CircletClient } from '../client/client.ts';
import { CircletError } from '../client/errors.ts';
import type { ImportRecord } from './record.ts';

/** A record with the name of its write. */
export interface Item {
  readonly record: ImportRecord;
  readonly idempotencyKey: string;
}

export type Sent = 'stored' | 'present' | CircletError;

/** Stores a unit of work: a result for each item in order, or throws for all of them. */
export type Send = (items: readonly Item[]) => Promise<Sent[]>;

export function senderFor(
  client: CircletClient,
  { bucket, ifAbsent }: { readonly bucket: string; readonly ifAbsent: boolean },
): Send {
  const putOne = async ({ record, idempotencyKey }: Item): Promise<Sent> => {
    try {
      await client.put(bucket, record.key, record.value, {
        contentType: record.contentType,
        idempotencyKey,
        ...(ifAbsent ? { ifAbsent } : {}),
      });
      return 'stored';
    } catch (error) {
      if (!(error instanceof CircletError)) throw error;
      // Somebody else's value is there. An attempt of our own, in this run or an earlier one, does not stand in its own
      // way: the cluster knows it by its idempotency key, and acknowledges it again.
      return ifAbsent && error.code === 'precondition_failed' ? 'present' : error;
    }
  };

  const putBatch: Send = async (items) => {
    const results = await client.putBatch(
      items.map(({ record, idempotencyKey }) => ({
        bucket,
        key: record.key,
        value: record.value,
        contentType: record.contentType,
        idempotencyKey,
      })),
    );
    return results.map((result) => (result instanceof CircletError ? result : 'stored'));
  };

  // One alone needs no batch, and one that is too large for a batch must not go in one.
  return async (items) => {
    const [only] = items;
    return items.length === 1 && only !== undefined ? [await putOne(only)] : await putBatch(items);
  };
}
