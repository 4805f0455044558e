import { BATCH_OPERATIONS_MAX } from '@circlet/shared/protocol/limits.ts';
import * as z from 'zod';
import { problemSchema } from './problems.ts';

/** The JSON of `POST /v1/batch`: what validates it, and what `/openapi.json` shows. */
const key = { bucket: z.string(), key: z.string() };
const context = z.string().optional().describe('As `Circlet-Context`.');
const idempotencyKey = z.string().optional().describe('As `Idempotency-Key`.');

export const operationSchema = z
  .discriminatedUnion('op', [
    z.strictObject({ op: z.literal('get'), ...key, context }),
    z.strictObject({
      op: z.literal('put'),
      ...key,
      context,
      contentType: z.string().optional(),
      valueBase64: z.string().meta({ contentEncoding: 'base64' }),
      idempotencyKey,
    }),
    z.strictObject({ op: z.literal('delete'), ...key, context, idempotencyKey }),
  ])
  .meta({ id: 'Operation' });

export type Operation = z.infer<typeof operationSchema>;

export const batchSchema = z
  .strictObject({ operations: z.array(operationSchema).max(BATCH_OPERATIONS_MAX) })
  .meta({ id: 'Batch' });
/** The operations are checked one by one, so that a bad one has its own answer and the others run. */
export const envelopeSchema = z.strictObject({ operations: z.array(z.unknown()) });

const dateTime = z.string().meta({ format: 'date-time' });

export const siblingSchema = z
  .object({
    etag: z.string(),
    contentType: z.string().describe('Empty for a concurrent delete.'),
    lastModified: dateTime,
    meta: z.record(z.string(), z.string()),
    deleted: z.boolean(),
    valueBase64: z.string(),
  })
  .meta({ id: 'Sibling' });

export const resultSchema = z
  .object({
    status: z.int().describe('What the single call would have answered.'),
    context: z.string().optional(),
    etag: z.string().optional(),
    contentType: z.string().optional(),
    lastModified: dateTime.optional(),
    meta: z.record(z.string(), z.string()).optional(),
    valueBase64: z.string().optional(),
    siblings: z.array(siblingSchema).optional(),
    siblingsOmitted: z.int().optional(),
    problem: problemSchema.optional(),
  })
  .meta({ id: 'Result' });

export const batchAnswerSchema = z.object({ results: z.array(resultSchema) }).meta({ id: 'BatchAnswer' });
