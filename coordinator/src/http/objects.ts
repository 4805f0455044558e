import type { Condition } from '../core/client.ts';
import type { Call } from './call.ts';
import type { HttpLimits } from './limits.ts';
import { SIBLINGS_ANSWER_BYTES_MAX } from './limits.ts';
import { keyInPath } from './key-path.ts';
import { dateOf, httpDate, multipart } from './multipart.ts';
import { checkedContentType, META_PREFIX, metaOf } from './object-headers.ts';
import type { ObjectRequests, Result } from './object-requests.ts';
import { checkCoding, checkReadConditions, readShortcut, writeCondition } from './preconditions.ts';
import { NOTHING_STORED, type Problem } from './problems.ts';
import { type ObjectParams, objectParams } from './quorum-params.ts';
import type { HeaderFields, Reply } from './reply.ts';
import type { Part, Representation } from './representation.ts';

/** `/v1/kv/{bucket}/{key}`: the checks in the order in which they cost, then one request, then its answer as HTTP. */
export interface ObjectsOptions {
  readonly requests: ObjectRequests;
  readonly limits: HttpLimits;
  /** N, as it is now. */
  readonly replicas: () => number;
  readonly randomBytes: (n: number) => Uint8Array;
}

/** A Reply, or what the application turns into one. */
export type Handled = Reply | ProblemWithHeaders;

export interface ProblemWithHeaders {
  readonly problem: Problem;
  readonly headers: HeaderFields;
}

export const OBJECTS_PREFIX = '/v1/kv/';

export class Objects {
  private readonly options: ObjectsOptions;

  constructor(options: ObjectsOptions) {
    this.options = options;
  }

  async get(call: Call): Promise<Handled> {
    const key = keyInPath(call.path, OBJECTS_PREFIX);
    const { quorum } = this.params(call);
    checkReadConditions(call);
    const context = call.header('circlet-context');
    const result = await this.options.requests.get({ key, quorum, context, bytesMax: SIBLINGS_ANSWER_BYTES_MAX });
    if (result.kind !== 'shown' || result.representation.status === 404) return this.answer(call, result);
    const { etag, token } = result.representation;
    switch (readShortcut(call, etag)) {
      case 'not_modified':
        return { status: 304, headers: withToken({ ETag: etag, 'Cache-Control': 'no-cache' }, token), body: null };
      case 'precondition_failed':
        return { problem: NOT_MATCHED, headers: withToken({ ETag: etag }, token) };
      case undefined:
        return this.answer(call, result);
    }
  }

  async put(call: Call): Promise<Handled> {
    const key = keyInPath(call.path, OBJECTS_PREFIX);
    const params = this.params(call);
    const condition = writeCondition(call);
    checkCoding(call);
    const contentType = checkedContentType(call.header('content-type'));
    const meta = metaOf(call);
    const value = await call.body(this.options.limits.valueBytes);
    const result = await this.options.requests.write({
      ...sentWith(call, params, condition),
      key,
      method: 'PUT',
      body: { contentType, meta, value },
      returnValue: params.returnValue,
    });
    return this.answer(call, result);
  }

  async delete(call: Call): Promise<Handled> {
    const key = keyInPath(call.path, OBJECTS_PREFIX);
    const params = this.params(call);
    const condition = writeCondition(call);
    const result = await this.options.requests.write({
      ...sentWith(call, params, condition),
      key,
      method: 'DELETE',
      body: undefined,
      // A value that was deleted is not there to be returned, and a 404 would say that nothing was done.
      returnValue: false,
    });
    return this.answer(call, result);
  }

  private params(call: Call): ObjectParams {
    return objectParams(call.query, this.options.replicas());
  }

  private answer(call: Call, result: Result): Handled {
    switch (result.kind) {
      case 'failed':
        return { problem: result.problem, headers: {} };
      case 'done':
        return { status: 204, headers: withToken(result.etag === undefined ? {} : { ETag: result.etag }, result.token), body: null };
      case 'shown':
        return this.show(call, result.representation);
    }
  }

  private show(call: Call, representation: Representation): Handled {
    const { status, token, parts } = representation;
    if (status === 404) return { problem: NOTHING_STORED, headers: withToken({}, token) };
    const [part] = parts;
    if (status === 200 && part !== undefined) return { status, headers: valueHeaders(part, token), body: part.value };
    return prefersJson(call.header('accept')) ? siblingsAsJson(representation) : this.siblingsAsParts(representation);
  }

  private siblingsAsParts(representation: Representation): Reply {
    const { contentType, body } = multipart(representation.parts, this.options.randomBytes);
    return { status: 300, headers: siblingsHeaders(contentType, representation), body };
  }
}

function sentWith(call: Call, { quorum }: ObjectParams, condition: Condition | undefined) {
  return {
    quorum,
    condition,
    context: call.header('circlet-context'),
    idempotencyKey: call.header('idempotency-key'),
    bytesMax: SIBLINGS_ANSWER_BYTES_MAX,
  };
}

const NOT_MATCHED: Problem = { code: 'precondition_failed', detail: 'What is stored is not what If-Match names.' };

/**
 * Values are whatever clients stored, under whatever type they named. A browser must not guess another type, nor run one
 * as a page of this origin; a cache has to ask before it answers in our place, or a client would not read its own writes.
 */
const VALUE_GUARDS: HeaderFields = {
  'Cache-Control': 'no-cache',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': 'sandbox',
};

function valueHeaders(part: Part, token: string | undefined): HeaderFields {
  const headers: HeaderFields = {
    'Content-Type': part.contentType,
    ETag: part.etag,
    'Last-Modified': httpDate(part.writtenAtMs),
    ...VALUE_GUARDS,
  };
  for (const [name, value] of part.meta) headers[META_PREFIX + name] = value;
  return withToken(headers, token);
}

function siblingsHeaders(contentType: string, { etag, token, omitted }: Representation): HeaderFields {
  const headers: HeaderFields = { 'Content-Type': contentType, ETag: etag, Vary: 'Accept', ...VALUE_GUARDS };
  if (omitted > 0) headers['Circlet-Siblings-Omitted'] = `${omitted}`;
  return withToken(headers, token);
}

function siblingsAsJson(representation: Representation): Reply {
  const { token, parts } = representation;
  const body = JSON.stringify({ context: token, siblings: parts.map(siblingJson) });
  return { status: 300, headers: siblingsHeaders('application/json', representation), body };
}

export function siblingJson(part: Part) {
  const { etag, contentType, meta, deleted, value, writtenAtMs } = part;
  return {
    etag,
    contentType,
    lastModified: dateOf(writtenAtMs).toISOString(),
    meta: Object.fromEntries(meta),
    deleted,
    valueBase64: base64(value),
  };
}

export function base64(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64');
}

function withToken(headers: HeaderFields, token: string | undefined): HeaderFields {
  if (token !== undefined) headers['Circlet-Context'] = token;
  return headers;
}

/** JSON when it is named, unless `multipart/mixed` is named and weighs more. */
function prefersJson(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const json = weightOf(accept, 'application/json');
  return json > 0 && json >= weightOf(accept, 'multipart/mixed');
}

function weightOf(accept: string, type: string): number {
  for (const range of accept.split(',')) {
    const [name, ...parameters] = range.split(';').map((each) => each.trim().toLowerCase());
    if (name !== type) continue;
    const q = parameters.find((parameter) => parameter.startsWith('q='));
    return q === undefined ? 1 : Number(q.slice(2)) || 0;
  }
  return 0;
}
