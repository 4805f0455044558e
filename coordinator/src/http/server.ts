import { createServer, type Server, type ServerOptions, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { assert } from '@circlet/shared/assert.ts';
import type { Notice } from '@circlet/shared/machine.ts';
import type { App } from './app.ts';
import { freshTraceId } from './problem-reporter.ts';
import { type Problem, problemReply } from './problems.ts';
import { toResponse, type Reply } from './reply.ts';
import { invitations } from './request-body.ts';

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
  /** The same to the end of its body: a value of the largest size at 35 KB/s. */
  readonly requestTimeoutMs: number;
  /** A connection without a request. Longer than the minute after which load balancers let go: they must be first. */
  readonly keepAliveTimeoutMs: number;
  /** How often the timeouts above are looked at. */
  readonly checkIntervalMs: number;
  readonly connectionsMax: number;
  readonly headBytesMax: number;
  /** Node drops the headers past its maximum in silence, an If-Match maybe; so a request that reaches it is refused. */
  readonly headersMax: number;
}

export const DEFAULT_SERVER_BOUNDS: ServerBounds = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 15_000,
  keepAliveTimeoutMs: 65_000,
  checkIntervalMs: 1_000,
  connectionsMax: 4_096,
  headBytesMax: 16 * 1024,
  headersMax: 256,
};

export interface HttpServer {
  readonly port: number;
  /** Takes no new connection, lets requests finish, then closes; what is still open after `graceMs` is cut. */
  close(graceMs: number): Promise<void>;
}

export function serveHttp(app: App, options: ServeOptions): Promise<HttpServer> {
  const bounds = { ...DEFAULT_SERVER_BOUNDS, ...options.bounds };
  const server = createServer(nodeOptions(bounds));
  server.maxConnections = bounds.connectionsMax;
  server.maxHeadersCount = bounds.headersMax;
  listenTo(server, app, options, bounds);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve({ port: portOf(server), close: (graceMs) => close(server, graceMs) });
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
    requireHostHeader: true,
  };
}

function listenTo(server: Server, app: App, options: ServeOptions, bounds: ServerBounds): void {
  const refuse = (problem: Problem) =>
    problemReply(problem, freshTraceId(options.randomBytes), { Connection: 'close' });
  const listener = getRequestListener(app.fetch, {
    // What HTTP/1.0 does not say.
    hostname: 'localhost',
    // A target or Host of which no URL can be made.
    errorHandler: () =>
      toResponse(
        refuse({ code: 'bad_request', detail: 'The request target or Host is not valid.' }),
        false,
        true,
      ),
  });
  server.on('request', (incoming, outgoing) => {
    if (incoming.rawHeaders.length >= bounds.headersMax * 2) {
      const { status, headers, body } = refuse(HEAD_TOO_LARGE);
      outgoing.writeHead(status, headers).end(body);
    } else {
      void listener(incoming, outgoing);
    }
  });
  server.on('checkContinue', (incoming, outgoing) => {
    // Until the body was asked for nobody knows whether it comes, so a connection that was refused ends.
    const { shouldKeepAlive } = outgoing;
    outgoing.shouldKeepAlive = false;
    invitations.set(incoming, () => {
      outgoing.shouldKeepAlive = shouldKeepAlive;
      outgoing.writeContinue();
    });
    server.emit('request', incoming, outgoing);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const problem = problemOfParser(error.code);
    options.log({
      level: 'info',
      event: 'http_malformed',
      fields: { code: problem.code, cause: error.code ?? 'unknown' },
    });
    socket.write(rawResponse(refuse(problem)));
    socket.destroySoon();
  });
  server.on('drop', () => {
    options.log({
      level: 'warn',
      event: 'http_connection_dropped',
      fields: { connectionsMax: bounds.connectionsMax },
    });
  });
}

const HEAD_TOO_LARGE: Problem = {
  code: 'headers_too_large',
  detail: 'The request has too many headers, or they are too long. A head may have 16 KiB.',
};

function problemOfParser(code: string | undefined): Problem {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return HEAD_TOO_LARGE;
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return { code: 'value_too_large', detail: 'The chunk extensions are too long.' };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { code: 'request_timeout', detail: 'The request did not arrive in time. Send it again, whole.' };
    default:
      return {
        code: 'bad_request',
        detail: 'This is not HTTP/1.1 as RFC 9112 has it; the connection is closed.',
      };
  }
}

/** There is no ServerResponse for a request that could not be parsed. */
function rawResponse({ status, headers, body }: Reply): string {
  const text = typeof body === 'string' ? body : '';
  const lines = Object.entries({ ...headers, 'Content-Length': `${Buffer.byteLength(text)}` });
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${text}`;
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
