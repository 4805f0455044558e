import { prefersJson } from './accept.ts';
import type { Call } from './call.ts';
import { httpDate } from './http-date.ts';
import { keyInPath } from './key-path.ts';
import { type HttpLimits, SIBLINGS_ANSWER_BYTES_MAX } from './limits.ts';
import { multipart } from './multipart.ts';
import { checkedContentType, META_HEADER, metaOf } from './object-headers.ts';
import type { ObjectRequests, Result, Write } from './object-requests.ts';
import {
  checkCoding,
  isMatch,
  isUnmodified,
  type ReadConditions,
  readConditions,
  writeCondition,
} from './preconditions.ts';
import { type Handled, NOTHING_STORED, type Problem } from './problems.ts';
import { type ObjectParams, objectParams } from './quorum-params.ts';
import type { HeaderFields, Reply } from './reply.ts';
import type { Part, Representation } from './representation.ts';
import { siblingJson } from './sibling-json.ts';
import { checkedIdempotencyKey } from './write-id.ts';

/** `/v1/kv/{bucket}/{key}`: the checks in the order in which they cost, then one request, then its answer as HTTP. */
export interface ObjectsOptions {
  readonly requests: ObjectRequests;
  readonly limits: HttpLimits;
  /** N, as it is now. */
  readonly replicas: () => number;
  readonly randomBytes: (n: number) => Uint8Array;
}

const OBJECTS_PREFIX = '/v1/kv/';

export class Objects {
  private readonly options: ObjectsOptions;

  constructor(options: ObjectsOptions) {
    this.options = options;
  }

  async get(call: Call): Promise<Handled> {
    const key = keyInPath(call.path, OBJECTS_PREFIX);
    const { quorum } = this.params(call);
    const conditions = readConditions(call);
    const sent = this.options.requests.accept(key, call.header('circlet-context'));
    const bytesMax = SIBLINGS_ANSWER_BYTES_MAX;
    const result = await this.options.requests.get({ key, quorum, sent, bytesMax });
    return this.shortcut(conditions, result) ?? this.answer(call, result);
  }

  async put(call: Call): Promise<Handled> {
    const head = this.writeHead(call);
    checkCoding(call);
    const contentType = checkedContentType(call.header('content-type'));
    const meta = metaOf(call);
    const value = await call.body(this.options.limits.valueBytes);
    const body = { contentType, meta, value };
    const result = await this.options.requests.write({ ...head, method: 'PUT', body });
    return this.answer(call, result);
  }

  async delete(call: Call): Promise<Handled> {
    // A value that was deleted is not there to be returned, and a 404 would say that nothing was done.
    const head = { ...this.writeHead(call), returnValue: false };
    const result = await this.options.requests.write({ ...head, method: 'DELETE', body: undefined });
    return this.answer(call, result);
  }

  /** What the head of a write says, checked before a byte of its body is taken. */
  private writeHead(call: Call): Omit<Write, 'method' | 'body'> {
    const key = keyInPath(call.path, OBJECTS_PREFIX);
    const { quorum, returnValue } = this.params(call);
    const condition = writeCondition(call);
    const sent = this.options.requests.accept(key, call.header('circlet-context'));
    const idempotencyKey = checkedIdempotencyKey(call.header('idempotency-key'));
    return { key, quorum, sent, condition, idempotencyKey, returnValue, bytesMax: SIBLINGS_ANSWER_BYTES_MAX };
  }

  private params(call: Call): ObjectParams {
    return objectParams(call.query, this.options.replicas());
  }

  /** What a get is answered instead of what was found, if anything. */
  private shortcut(conditions: ReadConditions | undefined, result: Result): Handled | undefined {
    if (conditions === undefined || result.kind !== 'shown') return undefined;
    const { status, etag, token } = result.representation;
    if (status === 404) return undefined;
    const headers = withToken({ ...tagged(etag), 'Cache-Control': 'no-cache' }, token);
    if (!isMatch(conditions, etag)) return { problem: NOT_MATCHED, headers };
    return isUnmodified(conditions, etag) ? { status: 304, headers, body: null } : undefined;
  }

  private answer(call: Call, result: Result): Handled {
    if (result.kind === 'failed') return { problem: result.problem, headers: {} };
    if (result.kind === 'shown') return this.show(call, result.representation);
    return { status: 204, headers: withToken(tagged(result.etag), result.token), body: null };
  }

  private show(call: Call, representation: Representation): Handled {
    const { status, token, parts } = representation;
    if (status === 404) return { problem: NOTHING_STORED, headers: withToken({}, token) };
    const [part] = parts;
    if (status === 200 && part !== undefined) {
      return { status, headers: valueHeaders(part, token), body: part.value };
    }
    return prefersJson(call.header('accept'))
      ? siblingsAsJson(representation)
      : this.siblingsAsParts(representation);
  }

  private siblingsAsParts(representation: Representation): Reply {
    const { contentType, body } = multipart(representation.parts, this.options.randomBytes);
    return { status: 300, headers: siblingsHeaders(contentType, representation), body };
  }
}

const NOT_MATCHED: Problem = {
  code: 'precondition_failed',
  detail: 'What is stored is not what If-Match names.',
};

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
  for (const [name, value] of part.meta) headers[META_HEADER + name] = value;
  return withToken(headers, token);
}

function siblingsHeaders(contentType: string, { etag, token, omitted }: Representation): HeaderFields {
  const headers: HeaderFields = {
    'Content-Type': contentType,
    ...tagged(etag),
    Vary: 'Accept',
    ...VALUE_GUARDS,
  };
  if (omitted > 0) headers['Circlet-Siblings-Omitted'] = `${omitted}`;
  return withToken(headers, token);
}

function siblingsAsJson(representation: Representation): Reply {
  const { token, parts } = representation;
  const body = JSON.stringify({ context: token, siblings: parts.map(siblingJson) });
  return { status: 300, headers: siblingsHeaders('application/json', representation), body };
}

function tagged(etag: string | undefined): HeaderFields {
  return etag === undefined ? {} : { ETag: etag };
}

function withToken(headers: HeaderFields, token: string | undefined): HeaderFields {
  if (token !== undefined) headers['Circlet-Context'] = token;
  return headers;
}
