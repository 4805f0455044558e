import * as z from 'zod';
import {
  batchAnswerSchema,
  batchSchema,
  operationSchema,
  resultSchema,
  siblingSchema,
} from './batch-schema.ts';
import { clusterSchema, locationSchema, nodesSchema, ringSchema } from './cluster-schema.ts';
import { healthSchema } from './health.ts';
import { type ProblemCode, problemSchema } from './problems.ts';
import type { RouteId } from './routes.ts';

/** What `/openapi.json` says of each route beside its path: the words here, the shapes from the schemas that validate. */
export interface OperationDoc {
  readonly tag: 'objects' | 'cluster' | 'health';
  readonly summary: string;
  readonly description?: string;
  /** Which of the query schemas checks it. */
  readonly query?: 'object' | 'batch';
  readonly requestHeaders?: readonly HeaderName[];
  readonly requestBody?: Content;
  readonly answers: Readonly<Record<number, AnswerDoc>>;
  readonly problems: readonly ProblemCode[];
}

export interface AnswerDoc {
  readonly description: string;
  readonly headers?: readonly HeaderName[];
  readonly content?: Content;
}

/** `bytes`: any. Otherwise JSON by this schema. */
export type Content = 'bytes' | 'siblings' | z.ZodType;

export const HEADERS = {
  'Circlet-Context':
    'The causal context: opaque, and good for this key only. Send back what you were given with what you write.',
  'Circlet-Meta-*': 'Metadata kept with the value: any names with this prefix, 4 KiB in all.',
  'Circlet-Siblings-Omitted':
    'How many concurrent values did not fit. The context does not cover them, so they survive a write that names it.',
  'Idempotency-Key': '1 to 128 visible ASCII characters that make retries one write.',
  'If-Match':
    'Write only if what is stored has one of these tags. A check of what the coordinator reads, not compare-and-set.',
  'If-None-Match':
    'On a get, `304` if nothing changed. On a write only `*`: write if no live value is there.',
  'Content-Type': 'Kept with the value. Default `application/octet-stream`.',
  ETag: 'Names the set of siblings, deletions included.',
  'Last-Modified': 'By the clock of the coordinator that took the write. Decides nothing.',
  Allow: 'The methods that this path takes.',
  'Retry-After': 'Seconds.',
  Accept: '`application/json` for several values as JSON.',
  traceparent: 'W3C trace context: problems name its trace id.',
} as const;

export type HeaderName = keyof typeof HEADERS;

const siblingsSchema = z
  .object({ context: z.string().optional(), siblings: z.array(siblingSchema) })
  .meta({ id: 'Siblings' });

/** The schemas that have names in the document. */
export const NAMED_SCHEMAS = [
  problemSchema,
  siblingSchema,
  siblingsSchema,
  operationSchema,
  batchSchema,
  resultSchema,
  batchAnswerSchema,
  clusterSchema,
  nodesSchema,
  ringSchema,
  locationSchema,
  healthSchema,
] as const;

const KEY_PROBLEMS = ['invalid_key', 'invalid_parameter', 'invalid_context'] as const;
const READ_PROBLEMS = ['quorum_unavailable', 'stale_replicas', 'overloaded', 'timeout', 'internal'] as const;
const WRITE_PROBLEMS = [
  'precondition_failed',
  'too_many_siblings',
  'history_full',
  'idempotency_mismatch',
  'quorum_unavailable',
  'overloaded',
  'timeout',
  'internal',
] as const;

const getDoc: OperationDoc = {
  tag: 'objects',
  summary: 'Get a value, or all concurrent ones',
  description: 'With `Circlet-Context`: an answer at least as new as it, or `503 stale_replicas`.',
  query: 'object',
  requestHeaders: ['Circlet-Context', 'If-None-Match', 'If-Match', 'Accept', 'traceparent'],
  answers: {
    200: {
      description: 'The one live value, under the type it was stored with.',
      headers: ['Circlet-Context', 'Circlet-Meta-*', 'ETag', 'Last-Modified'],
      content: 'bytes',
    },
    300: {
      description:
        'Several concurrent values, one part each; `Circlet-Deleted: true` marks a concurrent delete.',
      headers: ['Circlet-Context', 'Circlet-Siblings-Omitted', 'ETag'],
      content: 'siblings',
    },
    304: { description: 'Unchanged since the tag in If-None-Match.', headers: ['Circlet-Context', 'ETag'] },
  },
  problems: [...KEY_PROBLEMS, 'not_found', 'precondition_failed', ...READ_PROBLEMS],
};

const healthDoc = (summary: string): OperationDoc => ({
  tag: 'health',
  summary,
  answers: {
    200: { description: 'Yes.', content: healthSchema },
    503: { description: 'No; the checks say why.', content: healthSchema },
  },
  problems: [],
});

const clusterDoc = (
  summary: string,
  schema: z.ZodType,
  problems: readonly ProblemCode[] = [],
): OperationDoc => ({
  tag: 'cluster',
  summary,
  answers: { 200: { description: 'As this coordinator sees it.', content: schema } },
  problems: [...problems, 'not_ready', 'internal'],
});

export const OPERATION_DOCS: Record<RouteId, OperationDoc> = {
  getObject: getDoc,
  headObject: { ...getDoc, summary: 'The same without the body' },
  putObject: {
    tag: 'objects',
    summary: 'Put a value',
    description:
      'Without a context it adds a value beside those that are there; with one it replaces what that context covers.',
    query: 'object',
    requestHeaders: [
      'Content-Type',
      'Circlet-Meta-*',
      'Circlet-Context',
      'Idempotency-Key',
      'If-Match',
      'If-None-Match',
      'traceparent',
    ],
    requestBody: 'bytes',
    answers: {
      204: {
        description: 'Written. The context is the one sent and this write.',
        headers: ['Circlet-Context', 'ETag'],
      },
      200: {
        description: 'With `returnvalue=1`: as a get.',
        headers: ['Circlet-Context', 'ETag'],
        content: 'bytes',
      },
      300: {
        description: 'With `returnvalue=1`: as a get.',
        headers: ['Circlet-Context', 'ETag'],
        content: 'siblings',
      },
    },
    problems: [
      ...KEY_PROBLEMS,
      'request_timeout',
      'value_too_large',
      'unsupported_media_type',
      ...WRITE_PROBLEMS,
    ],
  },
  deleteObject: {
    tag: 'objects',
    summary: 'Delete what was seen',
    description: 'Without a context it deletes what the coordinator reads. Concurrent writes survive.',
    query: 'object',
    requestHeaders: ['Circlet-Context', 'Idempotency-Key', 'If-Match', 'If-None-Match', 'traceparent'],
    answers: { 204: { description: 'Deleted, or nothing was there.', headers: ['Circlet-Context'] } },
    problems: [...KEY_PROBLEMS, ...WRITE_PROBLEMS],
  },
  batch: {
    tag: 'objects',
    summary: 'Many operations in one request',
    description: 'Operations on one key run in order, others at once. Not atomic: each has its own result.',
    query: 'batch',
    requestHeaders: ['traceparent'],
    requestBody: batchSchema,
    answers: { 200: { description: 'One result for each operation, in order.', content: batchAnswerSchema } },
    problems: [
      'invalid_parameter',
      'request_timeout',
      'value_too_large',
      'unsupported_media_type',
      'overloaded',
      'internal',
    ],
  },
  cluster: clusterDoc('The cluster at a glance', clusterSchema),
  nodes: clusterDoc('Every storage node', nodesSchema),
  ring: clusterDoc('Who owns which vnode', ringSchema),
  locate: clusterDoc('Where a key lives', locationSchema, ['invalid_key']),
  startup: healthDoc('Has it started?'),
  live: healthDoc('Is it alive?'),
  ready: healthDoc('May it have traffic?'),
  openapi: {
    tag: 'cluster',
    summary: 'This document',
    answers: { 200: { description: 'OpenAPI 3.1.', content: z.looseObject({ openapi: z.string() }) } },
    problems: [],
  },
};
