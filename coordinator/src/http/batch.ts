import { latin1 } from '@circlet/shared/codec/bytes.ts';
import { TIMEOUT_MS_MIN } from '@circlet/shared/protocol/limits.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import type * as z from 'zod';
import type { Quorum } from '../core/client.ts';
import { envelopeSchema, type Operation, operationSchema, type resultSchema } from './batch-schema.ts';
import type { Call } from './call.ts';
import { dateOf } from './http-date.ts';
import { jsonBody } from './json-body.ts';
import { keyOfText } from './key-path.ts';
import { BATCH_ANSWER_BYTES_MAX, BATCH_LANES, BATCH_SIBLINGS_BYTES_MAX, type HttpLimits } from './limits.ts';
import { checkedContentType, NO_META } from './object-headers.ts';
import type { ObjectRequests, Result } from './object-requests.ts';
import { checkCoding } from './preconditions.ts';
import { NOTHING_STORED, type Problem, type ProblemBody, Refused } from './problems.ts';
import { invalidParameter } from './query.ts';
import { batchQuorum } from './quorum-params.ts';
import { jsonReply, type Reply } from './reply.ts';
import type { Representation } from './representation.ts';
import { base64, siblingJson } from './sibling-json.ts';
import { checkedIdempotencyKey } from './write-id.ts';

/**
 * POST /v1/batch: many operations, each as if it had been called alone (protocol.md, rule 19).
 *
 *     lane 1   put a -> get a -> delete a        operations on one key, in order
 *     lane 2   get b
 *     lane 3   put c -> put c                    different keys, at once
 *
 * Nothing is atomic: every operation has its own write-id and outcome. All of them share one deadline, so that the answer
 * comes within the timeout that was asked for.
 */
type OperationResult = Omit<z.infer<typeof resultSchema>, 'problem' | 'status'> & {
  readonly status?: number;
  readonly problem?: Problem;
};

export interface BatchOptions {
  readonly requests: ObjectRequests;
  readonly limits: HttpLimits;
  readonly replicas: () => number;
  readonly monotonicMs: () => number;
  /** The problems of one batch as JSON, reported together. */
  readonly problemBodies: (call: Call, problems: readonly Problem[]) => readonly ProblemBody[];
}

export class Batch {
  private readonly options: BatchOptions;

  constructor(options: BatchOptions) {
    this.options = options;
  }

  async post(call: Call): Promise<Reply> {
    const { limits, replicas, monotonicMs, problemBodies } = this.options;
    const quorum = batchQuorum(call.query, replicas());
    checkCoding(call);
    const parsed = envelopeSchema.safeParse(await jsonBody(call, limits.batchBytes));
    if (!parsed.success) throw invalidParameter('body', 'A batch is {"operations": [...]} and nothing else.');
    const { operations } = parsed.data;
    if (operations.length > limits.batchOperations) {
      throw invalidParameter('operations', `A batch may have ${limits.batchOperations} operations.`);
    }
    const run = new BatchRun(this.options, quorum, monotonicMs() + quorum.timeoutMs);
    const results = await run.all(operations);
    const problems = results.flatMap(({ problem }) => problem ?? []);
    const bodies = problemBodies(call, problems).values();
    const answers = results.map(({ problem, ...rest }) => {
      const body = problem === undefined ? undefined : bodies.next().value;
      return body === undefined ? rest : { status: body.status, ...rest, problem: body };
    });
    return jsonReply(200, { results: answers }, { 'Cache-Control': 'no-store' });
  }
}

interface Task {
  readonly index: number;
  readonly key: FullKey;
  readonly operation: Operation;
}

class BatchRun {
  private readonly options: BatchOptions;
  private readonly quorum: Quorum;
  private readonly deadlineMs: number;
  private answerBytes = 0;

  constructor(options: BatchOptions, quorum: Quorum, deadlineMs: number) {
    this.options = options;
    this.quorum = quorum;
    this.deadlineMs = deadlineMs;
  }

  async all(operations: readonly unknown[]): Promise<readonly OperationResult[]> {
    const results: OperationResult[] = [];
    const byKey = new Map<string, Task[]>();
    operations.forEach((each, index) => {
      try {
        const task = { index, ...checked(each) };
        const name = latin1(task.key);
        const queue = byKey.get(name);
        if (queue === undefined) byKey.set(name, [task]);
        else queue.push(task);
      } catch (error) {
        results[index] = { problem: problemIn(error) };
      }
    });
    const waiting = byKey.values();
    const lanes = Array.from({ length: Math.min(BATCH_LANES, byKey.size) }, async () => {
      for (const tasks of waiting) {
        for (const task of tasks) results[task.index] = await this.one(task);
      }
    });
    await Promise.all(lanes);
    return results;
  }

  private async one(task: Task): Promise<OperationResult> {
    const leftMs = Math.floor(this.deadlineMs - this.options.monotonicMs());
    if (leftMs < TIMEOUT_MS_MIN) return { problem: OUT_OF_TIME[task.operation.op] };
    try {
      const quorum = { ...this.quorum, timeoutMs: Math.min(leftMs, this.quorum.timeoutMs) };
      return this.resultOf(await this.run(task, quorum));
    } catch (error) {
      return { problem: problemIn(error) };
    }
  }

  private async run({ key, operation }: Task, quorum: Quorum): Promise<Result> {
    const { requests, limits } = this.options;
    const sent = requests.accept(key, operation.context);
    const head = { key, quorum, sent, bytesMax: BATCH_SIBLINGS_BYTES_MAX };
    if (operation.op === 'get') {
      if (this.answerBytes > BATCH_ANSWER_BYTES_MAX) return { kind: 'failed', problem: ANSWER_TOO_LARGE };
      return await requests.get(head);
    }
    const idempotencyKey = checkedIdempotencyKey(operation.idempotencyKey);
    const write = { ...head, idempotencyKey, condition: undefined, returnValue: false };
    if (operation.op === 'delete') {
      return await requests.write({ ...write, method: 'DELETE', body: undefined });
    }
    const contentType = checkedContentType(operation.contentType);
    const value = valueOf(operation.valueBase64, limits.valueBytes);
    return await requests.write({ ...write, method: 'PUT', body: { contentType, meta: NO_META, value } });
  }

  private resultOf(result: Result): OperationResult {
    if (result.kind === 'failed') return { problem: result.problem };
    if (result.kind === 'done') return { status: 204, ...naming(result.token, result.etag) };
    for (const { value } of result.representation.parts) this.answerBytes += value.length;
    return shown(result.representation);
  }
}

function shown({ status, token, etag, parts, omitted }: Representation): OperationResult {
  if (status === 404) return { ...naming(token, undefined), problem: NOTHING_STORED };
  const [part] = parts;
  if (status === 300 || part === undefined) {
    const siblings = parts.map(siblingJson);
    return { status, ...naming(token, etag), siblings, ...(omitted > 0 ? { siblingsOmitted: omitted } : {}) };
  }
  const { contentType, meta, value, writtenAtMs } = part;
  return {
    status,
    ...naming(token, etag),
    contentType,
    lastModified: dateOf(writtenAtMs).toISOString(),
    ...(meta.length > 0 ? { meta: Object.fromEntries(meta) } : {}),
    valueBase64: base64(value),
  };
}

function naming(token: string | undefined, etag: string | undefined): { context?: string; etag?: string } {
  return { ...(token === undefined ? {} : { context: token }), ...(etag === undefined ? {} : { etag }) };
}

function checked(input: unknown): { readonly key: FullKey; readonly operation: Operation } {
  const parsed = operationSchema.safeParse(input);
  if (!parsed.success) {
    throw invalidParameter(
      'operation',
      'An operation is {"op": "get" | "put" | "delete", "bucket", "key", "context"?}; a put has "valueBase64" and may have "contentType", a put or delete may have "idempotencyKey"; other fields are not known.',
    );
  }
  return { key: keyOfText(parsed.data.bucket, parsed.data.key), operation: parsed.data };
}

function valueOf(text: string, bytesMax: number): Uint8Array {
  const value = Buffer.from(text, 'base64');
  // The decoder skips what is not base64: only what encodes back to the same text is a value.
  if (value.toString('base64') !== text) {
    throw invalidParameter('value', 'valueBase64 has to be base64 with its padding.');
  }
  if (value.length <= bytesMax) return value;
  throw new Refused({ code: 'value_too_large', detail: `The value is larger than ${bytesMax} bytes.` });
}

function problemIn(error: unknown): Problem {
  if (error instanceof Refused) return error.problem;
  throw error;
}

const ANSWER_TOO_LARGE: Problem = {
  code: 'value_too_large',
  reason: 'answer',
  detail: `The values of one batch may have ${BATCH_ANSWER_BYTES_MAX} bytes in all, and those before this get had more. Get this key in another batch.`,
};

const NOT_ASKED = 'The timeout of the batch had passed before this operation was begun, so nothing was sent.';
const OUT_OF_TIME: Record<Operation['op'], Problem> = {
  get: { code: 'timeout', detail: NOT_ASKED },
  put: { code: 'timeout', outcome: 'none', detail: NOT_ASKED },
  delete: { code: 'timeout', outcome: 'none', detail: NOT_ASKED },
};
