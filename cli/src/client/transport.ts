import http from 'node:http';
import https from 'node:https';

/**
 * Bytes to a coordinator and back, as a port: the client above knows nothing of sockets, so that one built on fetch
 * can take this one's place in a browser. Here it is node:http: at 64 requests in flight it costs 35 microseconds of
 * CPU each where the built-in fetch costs 160, and only it can tell whether a failed request ever left.
 */
export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'DELETE' | 'POST';
  /** Scheme and authority, perhaps a path prefix; no slash at the end. */
  readonly base: string;
  /** Path and query, already encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  /** Give up once nothing has moved in either direction for so long. */
  readonly silenceMsMax: number;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names are lower-case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Transport {
  /** Throws TransportError. */
  send(request: HttpRequest): Promise<HttpAnswer>;
  close(): void;
}

export class TransportError extends Error {
  override name = 'TransportError';
  /** Whether any of the request may have reached the other side. */
  readonly sent: boolean;

  constructor(message: string, sent: boolean) {
    super(message);
    this.sent = sent;
  }
}

/** A host that drops packets answers neither yes nor no; another coordinator will have answered long before this. */
const CONNECT_MS_MAX = 3_000;

/** Far above 1,000 siblings of a usual size; keeps a runaway answer from taking the machine's memory. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

export function nodeTransport(): Transport {
  const agents = {
    'http:': new http.Agent({ keepAlive: true }),
    'https:': new https.Agent({ keepAlive: true }),
  };
  return {
    send: async (request) => await send(request, agents),
    close: () => {
      agents['http:'].destroy();
      agents['https:'].destroy();
    },
  };
}

async function send(
  request: HttpRequest,
  agents: { 'http:': http.Agent; 'https:': https.Agent },
): Promise<HttpAnswer> {
  const url = new URL(request.base);
  const secure = url.protocol === 'https:';
  const options: http.RequestOptions = {
    hostname: unbracketed(url.hostname),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    // Not through URL, which rewrites paths: a key must reach the coordinator byte by byte.
    path: (url.pathname === '/' ? '' : url.pathname) + request.path,
    method: request.method,
    agent: secure ? agents['https:'] : agents['http:'],
    headers:
      request.body === undefined
        ? request.headers
        : { ...request.headers, 'content-length': String(request.body.length) },
  };

  return await new Promise<HttpAnswer>((resolve, reject) => {
    const outgoing = secure ? https.request(options) : http.request(options);
    let connected = false;
    let movedBytes = 0;
    let timer: NodeJS.Timeout;

    const fail = (message: string): void => {
      clearTimeout(timer);
      outgoing.destroy();
      reject(new TransportError(message, connected));
    };

    const connectMsMax = Math.min(CONNECT_MS_MAX, request.silenceMsMax);
    timer = setTimeout(() => fail(`no connection within ${connectMsMax} ms`), connectMsMax);

    const watchSilence = (): void => {
      clearTimeout(timer);
      movedBytes = bytesMoved(outgoing);
      timer = setTimeout(() => {
        // A slow upload moves although nothing is heard of it.
        if (bytesMoved(outgoing) !== movedBytes) watchSilence();
        else fail(`no answer within ${request.silenceMsMax} ms`);
      }, request.silenceMsMax);
    };
    const onConnected = (): void => {
      connected = true;
      watchSilence();
    };

    outgoing.on('socket', (socket) => {
      if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', onConnected);
      else onConnected();
    });
    outgoing.on('finish', () => {
      if (connected) watchSilence();
    });
    outgoing.on('error', (error) => fail(reasonOf(error)));
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX) return fail(`the answer is larger than ${ANSWER_BYTES_MAX} bytes`);
        chunks.push(chunk);
      });
      incoming.on('error', (error) => fail(reasonOf(error)));
      incoming.on('end', () => {
        clearTimeout(timer);
        const [only] = chunks;
        const body = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes);
        resolve({ status: incoming.statusCode ?? 0, headers: flat(incoming.headers), body });
      });
    });
    outgoing.end(request.body);
  });
}

function bytesMoved({ socket }: http.ClientRequest): number {
  return socket === null ? 0 : socket.bytesRead + socket.bytesWritten;
}

/** node:http wants `::1` where a URL writes `[::1]`. */
function unbracketed(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

function flat(headers: http.IncomingHttpHeaders): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) result[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return result;
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was reset',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the host name could not be looked up',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'no route to network',
  ETIMEDOUT: 'the connection timed out',
  EPIPE: 'the connection was closed',
};

function reasonOf(error: Error): string {
  // A name with several addresses fails with an AggregateError, whose message is empty.
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  if (code !== undefined) return REASONS[code] ?? `${error.message || 'failed'} (${code})`;
  return error.message;
}
