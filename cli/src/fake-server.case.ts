import { createHash } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A coordinator that follows the HTTP contract with one process's memory behind it, and lets a test decide what goes
 * wrong. Contexts are lists of write-ids in the clear; no client may care.
 */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What to do instead of answering as the contract says. */
export type Trick =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly body: unknown;
      readonly headers?: Record<string, string>;
    }
  /** Carry the request out, then answer something else: the outcome was unknown, and was in truth a success. */
  | { readonly kind: 'doThenAnswer'; readonly status: number; readonly body: unknown }
  | { readonly kind: 'doThenDrop' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'wait'; readonly until: Promise<void> };

interface Version {
  readonly writeId: string;
  readonly deleted: boolean;
  readonly value: Buffer;
  readonly contentType: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly atMs: number;
}

interface KeyState {
  history: Set<string>;
  siblings: Version[];
  /** Client keys and the write they named. */
  named: Map<string, string>;
}

interface Reply {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: Buffer | string;
}

export const VALUE_BYTES_MAX = 512 * 1024;

export class FakeServer {
  readonly seen: Seen[] = [];
  /** Looked at before each request is carried out. */
  trick: (request: Seen) => Trick | undefined = () => undefined;
  nodes: Record<string, unknown>[] = [node('storage-0', 'a'), node('storage-1', 'b'), node('storage-2', 'c')];
  readonly #keys = new Map<string, KeyState>();
  readonly #server: http.Server;
  #writes = 0;

  private constructor() {
    this.#server = http.createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => void this.#serve(request, Buffer.concat(chunks), response));
    });
  }

  static async start(port = 0): Promise<FakeServer> {
    const fake = new FakeServer();
    await new Promise<void>((resolve, reject) => {
      fake.#server.once('error', reject);
      fake.#server.listen(port, '127.0.0.1', resolve);
    });
    return fake;
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return address.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Different writes that were stored; an attempt of one that is known counts nothing. */
  get writes(): number {
    return this.#writes;
  }

  get keys(): string[] {
    return [...this.#keys.keys()];
  }

  values(bucket: string, key: string): Buffer[] {
    const state = this.#keys.get(`${bucket}/${key}`);
    return (state?.siblings ?? []).filter((sibling) => !sibling.deleted).map((sibling) => sibling.value);
  }

  puts(): Seen[] {
    return this.seen.filter((request) => request.method === 'PUT');
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(request: http.IncomingMessage, body: Buffer, response: http.ServerResponse): Promise<void> {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const seen: Seen = {
      method: request.method ?? '',
      path,
      query: new URLSearchParams(query),
      headers: request.headers,
      body,
    };
    this.seen.push(seen);
    const trick = this.trick(seen);
    if (trick?.kind === 'wait') await trick.until;
    if (trick?.kind === 'drop') return void request.socket.destroy();
    const told = trick?.kind === 'answer' ? undefined : this.#route(seen);
    if (trick?.kind === 'doThenDrop') return void request.socket.destroy();
    if (trick?.kind === 'answer' || trick?.kind === 'doThenAnswer') {
      response.writeHead(trick.status, {
        'content-type': 'application/problem+json',
        ...(trick.kind === 'answer' ? trick.headers : {}),
      });
      response.end(typeof trick.body === 'string' ? trick.body : JSON.stringify(trick.body));
      return;
    }
    response.writeHead(told?.status ?? 500, told?.headers ?? {});
    response.end(told?.body);
  }

  #route(request: Seen): Reply {
    const bad = badParameter(request.query);
    const parts = request.path.split('/').slice(1).map(decodeURIComponent);
    const [version, area, a = '', b = ''] = parts;
    if (version !== 'v1') return problem(404, 'no_such_route');
    if (bad !== undefined) return problem(400, 'invalid_parameter', { detail: `${bad} is out of range` });
    if (area === 'batch') return this.#batch(request);
    if (area === 'cluster') return this.#cluster(a, parts);
    if (area !== 'kv') return problem(404, 'no_such_route');
    switch (request.method) {
      case 'GET':
        return this.#get(a, b, request);
      case 'PUT':
        return this.#put(a, b, request.headers, request.body);
      case 'DELETE':
        return this.#delete(a, b, request.headers);
      default:
        return problem(405, 'method_not_allowed');
    }
  }

  #get(bucket: string, key: string, { headers }: Seen): Reply {
    const state = this.#state(bucket, key);
    const live = state.siblings.filter((sibling) => !sibling.deleted);
    const context = contextOf(bucket, key, state.history);
    const known: Record<string, string> = state.history.size === 0 ? {} : { 'circlet-context': context };
    if (live.length === 0) return problem(404, 'not_found', {}, known);
    const [only] = state.siblings;
    if (state.siblings.length === 1 && only !== undefined) {
      const meta = Object.entries(only.meta).map(([name, value]) => [`circlet-meta-${name}`, value]);
      return {
        status: 200,
        headers: {
          ...known,
          ...Object.fromEntries(meta),
          'content-type': only.contentType,
          etag: etagOf([only]),
          'last-modified': new Date(only.atMs).toUTCString(),
        },
        body: only.value,
      };
    }
    if (headers.accept !== 'application/json')
      return { status: 300, headers: { 'content-type': 'multipart/mixed; boundary=x' }, body: '--x--' };
    return {
      status: 300,
      headers: { ...known, 'content-type': 'application/json' },
      body: JSON.stringify({
        context,
        siblings: state.siblings.map((sibling) => ({
          etag: etagOf([sibling]),
          contentType: sibling.contentType,
          lastModified: new Date(sibling.atMs).toISOString(),
          meta: sibling.meta,
          deleted: sibling.deleted,
          ...(sibling.deleted ? {} : { valueBase64: sibling.value.toString('base64') }),
        })),
      }),
    };
  }

  #put(bucket: string, key: string, headers: http.IncomingHttpHeaders, value: Buffer): Reply {
    const none = { outcome: 'none' };
    if (value.length > VALUE_BYTES_MAX) {
      return problem(413, 'value_too_large', {
        detail: `the value is ${value.length} bytes, and ${VALUE_BYTES_MAX} is the most`,
        ...none,
      });
    }
    const state = this.#state(bucket, key);
    const live = state.siblings.filter((sibling) => !sibling.deleted);
    const context = text(headers['circlet-context']);
    let seenIds = context === undefined ? [] : idsOf(bucket, key, context);
    if (seenIds === undefined)
      return problem(400, 'invalid_context', { detail: 'this context is not of this key', ...none });
    const clientKey = text(headers['idempotency-key']);
    const contentType = headers['content-type'] ?? 'application/octet-stream';
    const meta = metaOf(headers);
    const fingerprint = sha([contentType, JSON.stringify(meta), context ?? '', value]);
    const writeId =
      clientKey === undefined
        ? sha([String(Math.random())])
        : sha([bucket, key, 'PUT', clientKey, fingerprint]);
    if (clientKey !== undefined) {
      const before = state.named.get(clientKey);
      if (before !== undefined && before !== writeId) {
        return problem(422, 'idempotency_mismatch', {
          detail: 'this Idempotency-Key came with another body',
          ...none,
        });
      }
      state.named.set(clientKey, writeId);
    }
    // A write that is sent again passes its condition again: what it would find is its own doing.
    const isRepeat = state.history.has(writeId);
    if (!isRepeat && headers['if-none-match'] === '*' && live.length > 0)
      return problem(412, 'precondition_failed', none);
    if (!isRepeat && headers['if-match'] !== undefined && headers['if-match'] !== etagOf(state.siblings))
      return problem(412, 'precondition_failed', none);
    if (context === undefined && (headers['if-match'] ?? headers['if-none-match']) !== undefined)
      seenIds = [...state.history];
    this.#write(state, seenIds, { writeId, deleted: false, value, contentType, meta, atMs: Date.now() });
    return {
      status: 204,
      headers: {
        'circlet-context': contextOf(bucket, key, new Set([...seenIds, writeId])),
        etag: etagOf(state.siblings),
      },
    };
  }

  #delete(bucket: string, key: string, headers: http.IncomingHttpHeaders): Reply {
    const state = this.#state(bucket, key);
    const context = text(headers['circlet-context']);
    const seenIds = context === undefined ? [...state.history] : idsOf(bucket, key, context);
    if (seenIds === undefined) return problem(400, 'invalid_context', { outcome: 'none' });
    if (state.history.size === 0) return { status: 204 };
    const writeId = sha([String(Math.random())]);
    this.#write(state, seenIds, {
      writeId,
      deleted: true,
      value: Buffer.alloc(0),
      contentType: '',
      meta: {},
      atMs: Date.now(),
    });
    return {
      status: 204,
      headers: { 'circlet-context': contextOf(bucket, key, new Set([...seenIds, writeId])) },
    };
  }

  #write(state: KeyState, seenIds: readonly string[], version: Version): void {
    if (state.history.has(version.writeId)) return;
    this.#writes++;
    state.siblings = [...state.siblings.filter((sibling) => !seenIds.includes(sibling.writeId)), version];
    state.history = new Set([...state.history, ...seenIds, version.writeId]);
  }

  #batch(request: Seen): Reply {
    const { operations }: { operations: Record<string, string>[] } = JSON.parse(request.body.toString());
    if (operations.length > 256 || request.body.length > 4 * 1024 * 1024)
      return problem(413, 'value_too_large', { outcome: 'none' });
    const results = operations.map((operation) => {
      const { bucket = '', key = '', valueBase64 = '' } = operation;
      // The tricks of a test see each operation as the single call that it stands for.
      const single: Seen = {
        ...request,
        method: 'PUT',
        path: `/v1/kv/${encodeURIComponent(bucket)}/${encodeURIComponent(key)}`,
        headers: {
          'content-type': operation['contentType'],
          'circlet-context': operation['context'],
          'idempotency-key': operation['idempotencyKey'],
        },
        body: Buffer.from(valueBase64, 'base64'),
      };
      this.seen.push(single);
      const trick = this.trick(single);
      if (trick?.kind === 'answer') return { status: trick.status, problem: trick.body };
      const { status, headers, body } = this.#put(bucket, key, single.headers, single.body);
      if (status >= 400) return { status, problem: JSON.parse(String(body)) as unknown };
      return { status, context: headers?.['circlet-context'], etag: headers?.['etag'] };
    });
    return json({ results });
  }

  #cluster(what: string, parts: readonly string[]): Reply {
    if (what === '') {
      return json({
        clusterId: 'c0ffee',
        epoch: 7,
        partitions: 256,
        replicas: 3,
        limits: { valueBytes: VALUE_BYTES_MAX, keyBytes: 1024, bucketBytes: 128 },
        nodes: { up: 3, down: 0, joining: 0, leaving: 0 },
        version: '0.1.0',
      });
    }
    if (what === 'nodes') return json({ nodes: this.nodes });
    if (what === 'locate' && parts.length === 5) {
      return json({
        vnode: 17,
        position: '11'.repeat(16),
        preferenceList: this.nodes.map((each, i) => ({
          node: each['name'],
          role: i < 3 ? 'primary' : 'fallback',
          status: each['status'],
        })),
      });
    }
    return problem(404, 'no_such_route');
  }

  #state(bucket: string, key: string): KeyState {
    const name = `${bucket}/${key}`;
    const found = this.#keys.get(name) ?? {
      history: new Set<string>(),
      siblings: [],
      named: new Map<string, string>(),
    };
    this.#keys.set(name, found);
    return found;
  }
}

export function node(
  name: string,
  zone: string,
  changes: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    name,
    id: `id-${name}`,
    zone,
    state: 'active',
    status: 'alive',
    vnodes: 256,
    keys: 120_000,
    bytes: 13_841_203,
    hints: { held: 0, owed: 0, oldestAgeMs: null },
    version: '0.1.0',
    ...changes,
  };
}

/** A problem as a trick answers it. */
export function problemBody(
  status: number,
  code: string,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    type: `https://circlet.dev/problems/${code}`,
    title: code,
    status,
    code,
    traceId: 'feed',
    ...more,
  };
}

function problem(
  status: number,
  code: string,
  more: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Reply {
  return {
    status,
    headers: { ...headers, 'content-type': 'application/problem+json' },
    body: JSON.stringify(problemBody(status, code, more)),
  };
}

function json(document: unknown): Reply {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(document) };
}

function badParameter(query: URLSearchParams): string | undefined {
  for (const name of ['r', 'w', 'pr', 'pw']) {
    const value = query.get(name);
    if (value !== null && !/^([123]|one|quorum|all)$/.test(value)) return name;
  }
  return undefined;
}

function metaOf(headers: http.IncomingHttpHeaders): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('circlet-meta-')) found[name.slice('circlet-meta-'.length)] = text(value) ?? '';
  }
  return found;
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header;
}

function contextOf(bucket: string, key: string, ids: Iterable<string>): string {
  return Buffer.from(JSON.stringify({ of: `${bucket}/${key}`, ids: [...ids].toSorted() })).toString(
    'base64url',
  );
}

function idsOf(bucket: string, key: string, context: string): string[] | undefined {
  try {
    const { of, ids }: { of: string; ids: string[] } = JSON.parse(
      Buffer.from(context, 'base64url').toString(),
    );
    return of === `${bucket}/${key}` ? ids : undefined;
  } catch {
    return undefined;
  }
}

function etagOf(versions: readonly Version[]): string {
  return `"${sha(versions.map((version) => version.writeId).toSorted()).slice(0, 16)}"`;
}

function sha(parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    hash.update(part);
    hash.update('\0');
  }
  return hash.digest('hex').slice(0, 32);
}
