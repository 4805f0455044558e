import { createServer, type IncomingMessage, type Server, type ServerOptions, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import { getRequestListener, RequestError } from '@hono/node-server';
import { assert } from '@circlet/shared/assert.ts';
import type { Notice } from '@circlet/shared/machine.ts';
import { TIMEOUT_MS_MAX } from '@circlet/shared/protocol/limits.ts';
import type { App } from './mount.ts';
import { freshTraceId } from './problem-reporter.ts';
import { problemOf, problemReply, type ProblemWithHeaders } from './problems.ts';
import { type HeaderFields, type Reply, toResponse } from './reply.ts';
import { invitations } from './request-body.ts';
import { HEAD_TOO_LARGE, type ParserError, unparsed } from './unparsed.ts';

/**
 * The application on a socket. Node's defaults wait five minutes for a request and take any number of connections; here
 * everything that a client could hold open or send without end has a bound.
 */
export interface ServeOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly log: (notice: Notice) => void;
  readonly randomBytes: (n: number) => Uint8Array;
  readonly bounds?: Partial<ServerBounds>;
}

export interface ServerBounds {
  /** From the first byte of a connection, or the last answer on it, to the end of a request's head. */
  readonly headersTimeoutMs: number;
  /** The same to the end of its body: a value of the largest size at 38 KB/s. */
  readonly requestTimeoutMs: number;
  /** A connection without a request. Longer than the minute after which load balancers let go: they must be first. */
  readonly keepAliveTimeoutMs: number;
  /** Neither side sends anything: a client that does not read its answer, which is held for it. Above any request's timeout. */
  readonly silenceTimeoutMs: number;
  /** How often the timeouts above are looked at. */
  readonly checkIntervalMs: number;
  readonly connectionsMax: number;
  readonly headBytesMax: number;
  /** Headers of a request. */
  readonly headersMax: number;
}

export const DEFAULT_SERVER_BOUNDS: ServerBounds = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 14_000,
  keepAliveTimeoutMs: 65_000,
  silenceTimeoutMs: TIMEOUT_MS_MAX + 15_000,
  checkIntervalMs: 1_000,
  connectionsMax: 4_096,
  headBytesMax: 16 * 1024,
  headersMax: 256,
};

export interface HttpServer {
  readonly port: number;
  /** Takes no new connection, lets requests finish, then closes; what is still open after `graceMs` is cut. */
  close(graceMs: number): Promise<void>;
  /** How many are open. */
  connections(): Promise<number>;
}

export function serveHttp(app: App, options: ServeOptions): Promise<HttpServer> {
  const bounds = { ...DEFAULT_SERVER_BOUNDS, ...options.bounds };
  const server = createServer(nodeOptions(bounds));
  server.timeout = bounds.silenceTimeoutMs;
  server.maxConnections = bounds.connectionsMax;
  // Counted below instead: some versions of Node drop what exceeds their maximum in silence, an If-Match maybe.
  server.maxHeadersCount = 0;
  listenTo(server, app, options, bounds);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve({
        port: portOf(server),
        close: (graceMs) => close(server, graceMs),
        connections: promisify(server.getConnections.bind(server)),
      });
    });
  });
}

function portOf(server: Server): number {
  const address = server.address();
  assert(address !== null && typeof address === 'object', 'a server that listens on TCP has a port');
  return address.port;
}

function nodeOptions(bounds: ServerBounds): ServerOptions {
  return {
    headersTimeout: bounds.headersTimeoutMs,
    requestTimeout: bounds.requestTimeoutMs,
    keepAliveTimeout: bounds.keepAliveTimeoutMs,
    connectionsCheckingInterval: bounds.checkIntervalMs,
    maxHeaderSize: bounds.headBytesMax,
    insecureHTTPParser: false,
    // Checked below: Node's own answer has no body.
    requireHostHeader: false,
  };
}

function listenTo(server: Server, app: App, options: ServeOptions, bounds: ServerBounds): void {
  const { log } = options;
  /** What never became a request of the application: told, logged, and the last on its connection. */
  const refuse = ({ problem, headers }: ProblemWithHeaders, cause: string): Reply => {
    log({ level: 'info', event: 'http_malformed', fields: { code: problem.code, cause } });
    return problemReply(problem, freshTraceId(options.randomBytes), { ...headers, Connection: 'close' });
  };
  const listener = getRequestListener(app.fetch, {
    // What HTTP/1.0 does not say.
    hostname: 'localhost',
    errorHandler: (error) => toResponse(refuse(unserved(error, log), 'target'), false, true),
  });
  server.on('request', (incoming, outgoing) => {
    const refused = refusalOf(incoming, bounds);
    if (refused === undefined) {
      void listener(incoming, outgoing);
    } else {
      const reply = refuse(refused.answer, refused.cause);
      outgoing.writeHead(reply.status, measured(reply)).end(reply.body);
    }
  });
  server.on('checkContinue', (incoming, outgoing) => {
    // Node ends a connection whose client was not invited: nobody knows whether the body will come.
    invitations.set(incoming, () => outgoing.writeContinue());
    server.emit('request', incoming, outgoing);
  });
  // Whoever expects something that we do not know gets an answer all the same (RFC 9110, section 10.1.1).
  server.on('checkExpectation', (incoming, outgoing) => server.emit('request', incoming, outgoing));
  server.on('clientError', (error: ParserError, socket: Socket) => {
    if (error.code !== 'ECONNRESET' && socket.writable) {
      socket.write(rawResponse(refuse(unparsed(error), error.code ?? 'unknown')));
      socket.destroySoon();
    } else {
      socket.destroy();
    }
  });
  server.on('drop', () => {
    const fields = { connectionsMax: bounds.connectionsMax };
    log({ level: 'warn', event: 'http_connection_dropped', fields });
  });
}

/** What Node's parser lets through and HTTP does not. */
function refusalOf(
  { rawHeaders, headers, httpVersion }: IncomingMessage,
  { headersMax }: ServerBounds,
): { readonly answer: ProblemWithHeaders; readonly cause: string } | undefined {
  if (rawHeaders.length > headersMax * 2) return { answer: HEAD_TOO_LARGE, cause: 'headers' };
  if (headers.host === undefined && httpVersion === '1.1') return { answer: NO_HOST, cause: 'host' };
  return undefined;
}

const NO_HOST: ProblemWithHeaders = {
  problem: { code: 'bad_request', detail: 'A request in HTTP/1.1 has to have a Host header.' },
  headers: {},
};

/** A target or Host of which no URL can be made. Anything else that gets here is our bug. */
function unserved(error: unknown, log: ServeOptions['log']): ProblemWithHeaders {
  if (error instanceof RequestError) {
    return {
      problem: { code: 'bad_request', detail: 'The request target or Host is not valid.' },
      headers: {},
    };
  }
  log({
    level: 'alarm',
    event: 'http_failed',
    fields: { stack: error instanceof Error ? `${error.stack}` : '' },
  });
  return { problem: problemOf({ code: 'internal', outcome: 'unknown' }, 'write'), headers: {} };
}

/** There is no ServerResponse for a request that could not be parsed. */
function rawResponse(reply: Reply): string {
  const { status, body } = reply;
  const fields = Object.entries(measured(reply)).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${fields.join('')}\r\n${textOf(body)}`;
}

function measured({ headers, body }: Reply): HeaderFields {
  return { ...headers, 'Content-Length': `${Buffer.byteLength(textOf(body))}` };
}

function textOf(body: Reply['body']): string {
  return typeof body === 'string' ? body : '';
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    // A connection that was busy when the server closed becomes idle when its answer is out, and is closed then.
    const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearInterval(sweep);
      clearTimeout(cut);
      resolve();
    });
  });
}

const SWEEP_MS = 20;
