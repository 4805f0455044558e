import { Coordinators } from './coordinators.ts';
import {
  type CircletError,
  LostAnswerError,
  type Outcome,
  ProblemError,
  UnexpectedAnswerError,
  UnreachableError,
} from './errors.ts';
import { encodePath } from './names.ts';
import { problemFrom, problemOf, retryAfterMs } from './problem.ts';
import {
  type ClusterInfo,
  type GetResult,
  type Location,
  type NodeInfo,
  type WriteResult,
  readBatch,
  readCluster,
  readLocation,
  readNodes,
  readSiblings,
} from './results.ts';
import { ShapeError, isFields, optionalText } from './shape.ts';
import {
  type HttpAnswer,
  type HttpRequest,
  type Transport,
  TransportError,
  nodeTransport,
} from './transport.ts';

/**
 * The HTTP contract as typed calls, several coordinators behind one face. A call answers with what was found or done;
 * everything else is one of the classes of errors.ts. It never waits and tries again: that is retry.ts, whose user
 * knows whether repeating is right.
 */
export interface Quorum {
  readonly r?: string;
  readonly w?: string;
  readonly pr?: string;
  readonly pw?: string;
  readonly sloppy?: boolean;
}

export interface ClientOptions {
  readonly urls: readonly string[];
  /** The coordinator's deadline for a call; without it, the coordinator's own default. */
  readonly timeoutMs?: number | undefined;
  readonly quorum?: Quorum;
  readonly transport?: Transport;
  readonly now?: () => number;
}

export interface PutOptions {
  readonly contentType?: string | undefined;
  readonly meta?: Readonly<Record<string, string>>;
  readonly context?: string | undefined;
  /** Makes repeating the call safe: the cluster takes all its attempts for one write. */
  readonly idempotencyKey?: string | undefined;
  /** Write only where the coordinator's read finds no live value. A check, no compare-and-set. */
  readonly ifAbsent?: boolean;
  readonly ifMatch?: string | undefined;
}

export interface DeleteOptions {
  readonly context?: string | undefined;
  readonly idempotencyKey?: string | undefined;
}

export interface BatchPut {
  readonly bucket: string;
  readonly key: string;
  readonly value: Uint8Array;
  readonly contentType?: string;
  readonly context?: string;
  readonly idempotencyKey?: string;
}

interface Call {
  readonly method: HttpRequest['method'];
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array;
  readonly isWrite: boolean;
  /** May go to a second coordinator although the first may have carried it out. */
  readonly repeatable: boolean;
  /** Carries the quorum and the deadline. */
  readonly parameters: boolean;
}

const TIMEOUT_MS_DEFAULT = 5_000;

/** The coordinator answers at its deadline; the way back and a busy machine take a little longer. */
const ANSWER_GRACE_MS = 2_000;

export class CircletClient {
  readonly #coordinators: Coordinators;
  readonly #transport: Transport;
  readonly #now: () => number;
  readonly #silenceMsMax: number;
  readonly #query: string;

  constructor(options: ClientOptions) {
    this.#coordinators = new Coordinators(options.urls);
    this.#transport = options.transport ?? nodeTransport();
    this.#now = options.now ?? Date.now;
    this.#silenceMsMax = (options.timeoutMs ?? TIMEOUT_MS_DEFAULT) + ANSWER_GRACE_MS;
    this.#query = queryOf(options.quorum ?? {}, options.timeoutMs);
  }

  async get(
    bucket: string,
    key: string,
    { context }: { context?: string | undefined } = {},
  ): Promise<GetResult> {
    const answer = await this.#call({
      method: 'GET',
      path: `/v1/kv/${encodePath(bucket, key)}`,
      // Siblings as JSON rather than as multipart: one parser less, and a value is never searched for a boundary.
      headers: { accept: 'application/json', ...given('circlet-context', context) },
      isWrite: false,
      repeatable: true,
      parameters: true,
    });
    const found = answer.headers['circlet-context'];
    if (answer.status === 200) return { kind: 'value', context: found, sibling: onlySibling(answer) };
    if (answer.status === 300) {
      return this.#read(answer, undefined, (json) => ({
        kind: 'siblings',
        context: found ?? (isFields(json) ? optionalText(json, 'context') : undefined),
        siblings: readSiblings(json),
      }));
    }
    if (answer.status === 404) {
      const problem = problemOf(answer, false, this.#now());
      // Any web server says 404; only a coordinator says not_found.
      if (problem.code === 'not_found') return { kind: 'missing', context: found };
    }
    throw this.#failure(answer, false);
  }

  async put(bucket: string, key: string, value: Uint8Array, options: PutOptions = {}): Promise<WriteResult> {
    const meta = Object.entries(options.meta ?? {}).map(([name, text]) => [`circlet-meta-${name}`, text]);
    const answer = await this.#call({
      method: 'PUT',
      path: `/v1/kv/${encodePath(bucket, key)}`,
      headers: {
        'content-type': options.contentType ?? 'application/octet-stream',
        ...Object.fromEntries(meta),
        ...given('circlet-context', options.context),
        ...given('idempotency-key', options.idempotencyKey),
        ...given('if-match', options.ifMatch),
        ...(options.ifAbsent === true ? { 'if-none-match': '*' } : {}),
      },
      body: value,
      isWrite: true,
      // A condition is checked each time, and a second try might be refused because of the first.
      repeatable:
        options.idempotencyKey !== undefined && options.ifMatch === undefined && options.ifAbsent !== true,
      parameters: true,
    });
    const written = this.#written(answer);
    // Many a web server says 204 to anything. Only a cluster that stored the value knows its context.
    if (written.context === undefined)
      throw new UnexpectedAnswerError('204 without a Circlet-Context', 'unknown');
    return written;
  }

  async delete(bucket: string, key: string, options: DeleteOptions = {}): Promise<WriteResult> {
    const answer = await this.#call({
      method: 'DELETE',
      path: `/v1/kv/${encodePath(bucket, key)}`,
      headers: {
        ...given('circlet-context', options.context),
        ...given('idempotency-key', options.idempotencyKey),
      },
      isWrite: true,
      // Without either it deletes what is there each time.
      repeatable: options.context !== undefined || options.idempotencyKey !== undefined,
      parameters: true,
    });
    return this.#written(answer);
  }

  /** Each put's result or its own error, in order. Throws when the batch as a whole failed. */
  async putBatch(puts: readonly BatchPut[]): Promise<(WriteResult | CircletError)[]> {
    const answer = await this.#call({
      method: 'POST',
      path: '/v1/batch',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify({ operations: puts.map(operationOf) })),
      isWrite: true,
      repeatable: puts.every((put) => put.idempotencyKey !== undefined),
      parameters: true,
    });
    if (answer.status !== 200) throw this.#failure(answer, true);
    const retryAfter = retryAfterMs(answer.headers['retry-after'], this.#now());
    return this.#read(answer, 'unknown', (json) =>
      readBatch(json, puts.length).map((result) =>
        result.status >= 200 && result.status < 300
          ? { context: result.context, etag: result.etag }
          : new ProblemError(problemFrom(result.problem, result.status, true, retryAfter)),
      ),
    );
  }

  async cluster(): Promise<ClusterInfo> {
    return await this.#ask('/v1/cluster', readCluster);
  }

  async nodes(): Promise<NodeInfo[]> {
    return await this.#ask('/v1/cluster/nodes', readNodes);
  }

  async locate(bucket: string, key: string): Promise<Location> {
    return await this.#ask(`/v1/cluster/locate/${encodePath(bucket, key)}`, readLocation);
  }

  /** Ends idle connections, without which a process stays alive. */
  close(): void {
    this.#transport.close();
  }

  async #ask<T>(path: string, read: (json: unknown) => T): Promise<T> {
    const answer = await this.#call({
      method: 'GET',
      path,
      isWrite: false,
      repeatable: true,
      parameters: false,
    });
    if (answer.status !== 200) throw this.#failure(answer, false);
    return this.#read(answer, undefined, read);
  }

  /** Asks one coordinator after the other until one answers, as long as repeating is safe. */
  async #call(call: Call): Promise<HttpAnswer> {
    const path = call.parameters ? call.path + this.#query : call.path;
    const attempts: string[] = [];
    let maybeSent = false;
    for (const base of this.#coordinators.order(this.#now())) {
      try {
        const answer = await this.#transport.send({
          method: call.method,
          base,
          path,
          headers: call.headers ?? {},
          body: call.body,
          silenceMsMax: this.#silenceMsMax,
        });
        this.#coordinators.answered(base);
        return answer;
      } catch (error) {
        if (!(error instanceof TransportError)) throw error;
        this.#coordinators.failed(base, this.#now());
        attempts.push(`${base}: ${error.message}`);
        maybeSent ||= error.sent;
        if (error.sent && !call.repeatable) break;
      }
    }
    const what = attempts.join('; ');
    if (!call.isWrite) throw new UnreachableError(what, undefined);
    throw maybeSent ? new LostAnswerError(what, 'unknown') : new UnreachableError(what, 'none');
  }

  #written(answer: HttpAnswer): WriteResult {
    if (answer.status !== 204) throw this.#failure(answer, true);
    return { context: answer.headers['circlet-context'], etag: answer.headers['etag'] };
  }

  #failure(answer: HttpAnswer, isWrite: boolean): CircletError {
    if (answer.status >= 400) return new ProblemError(problemOf(answer, isWrite, this.#now()));
    return new UnexpectedAnswerError(`${answer.status} ${kindOf(answer)}`, isWrite ? 'unknown' : undefined);
  }

  #read<T>(answer: HttpAnswer, outcome: Outcome | undefined, read: (json: unknown) => T): T {
    try {
      return read(JSON.parse(answer.body.toString()));
    } catch (error) {
      if (!(error instanceof ShapeError || error instanceof SyntaxError)) throw error;
      const why = error instanceof ShapeError ? error.message : `not JSON but ${kindOf(answer)}`;
      throw new UnexpectedAnswerError(`${answer.status}, ${why}`, outcome);
    }
  }
}

function kindOf(answer: HttpAnswer): string {
  return answer.headers['content-type'] ?? 'without a content type';
}

function onlySibling(answer: HttpAnswer) {
  const prefix = 'circlet-meta-';
  const meta: Record<string, string> = {};
  for (const [name, value] of Object.entries(answer.headers)) {
    if (name.startsWith(prefix)) meta[name.slice(prefix.length)] = value;
  }
  return {
    etag: answer.headers['etag'],
    contentType: answer.headers['content-type'] ?? 'application/octet-stream',
    lastModified: answer.headers['last-modified'],
    meta,
    deleted: false,
    value: answer.body,
  };
}

function operationOf(put: BatchPut): Record<string, string> {
  const value = Buffer.from(put.value.buffer, put.value.byteOffset, put.value.byteLength);
  return {
    op: 'put',
    bucket: put.bucket,
    key: put.key,
    ...given('contentType', put.contentType),
    ...given('context', put.context),
    ...given('idempotencyKey', put.idempotencyKey),
    valueBase64: value.toString('base64'),
  };
}

function given(name: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [name]: value };
}

function queryOf(quorum: Quorum, timeoutMs: number | undefined): string {
  const query = new URLSearchParams();
  for (const name of ['r', 'w', 'pr', 'pw'] as const) {
    const value = quorum[name];
    if (value !== undefined) query.set(name, value);
  }
  if (quorum.sloppy !== undefined) query.set('sloppy', String(quorum.sloppy));
  if (timeoutMs !== undefined) query.set('timeout', String(timeoutMs));
  return query.size === 0 ? '' : `?${query.toString()}`;
}
