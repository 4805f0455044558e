import { BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX, VALUE_BYTES_MAX } from '@circlet/shared/protocol/limits.ts';

/** What a pod may configure of the HTTP surface; the wire's own bounds are in `shared/protocol/limits.ts`. */
export interface HttpLimits {
  readonly valueBytes: number;
  readonly batchBytes: number;
  readonly batchOperations: number;
  /** Bodies being received, of all connections together: what slow uploads may cost in memory. */
  readonly bodyBytesUnderWay: number;
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  valueBytes: VALUE_BYTES_MAX,
  batchBytes: BATCH_BYTES_MAX,
  batchOperations: BATCH_OPERATIONS_MAX,
  // 128 values of the largest size; at the default request timeout a starved upload can hold its share for 15 s.
  bodyBytesUnderWay: 64 * 1024 * 1024,
};

/** Bytes of values in one answer with several siblings: as many are shown as fit, but always one. */
export const SIBLINGS_ANSWER_BYTES_MAX = 8 * 1024 * 1024;
/** The same within a batch, where many such answers are held at once. */
export const BATCH_SIBLINGS_BYTES_MAX = 1024 * 1024;
/** Bytes of values in all answers of a batch: 256 of 64 KiB. A get past it is refused with its own problem. */
export const BATCH_ANSWER_BYTES_MAX = 16 * 1024 * 1024;
/** Keys of one batch asked about at once: enough to fill frames, and what bounds the overshoot of the line above. */
export const BATCH_LANES = 64;
