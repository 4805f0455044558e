import type { IncomingMessage } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { BodyIntake } from './request-body.ts';

/** What Hono is handed by the server; a request made by `app.request()` comes without. */
export type Bindings = Partial<HttpBindings>;

/**
 * One HTTP request as the handlers see it. On a socket it reads straight from Node's message: the path is the one the
 * client wrote, and neither a URL nor a Headers object is built for it.
 */
export interface Call {
  readonly method: string;
  /** The path with its escapes and dot segments untouched. */
  readonly path: string;
  /** What follows the question mark. */
  readonly query: string;
  /** Several fields of one name are joined by ", ". The name is lower-case. */
  header(name: string): string | undefined;
  /** The fields whose names begin with the prefix, without it. */
  headersAfter(prefix: string): [name: string, value: string][];
  /** Throws Refused when it is larger than that. */
  body(bytesMax: number): Promise<Uint8Array>;
}

export function callOf(c: Context<{ Bindings: Bindings }>, intake: BodyIntake): Call {
  // `app.request()` leaves the bindings out altogether.
  const incoming = (c.env as Bindings | undefined)?.incoming;
  return incoming === undefined ? new FetchCall(c.req.raw, intake) : new SocketCall(incoming, intake);
}

/** The path by which Hono routes: ours, so that `/v1/kv/../admin` is a bad key and not another route. */
export function routedPath(request: Request, bindings: Bindings | undefined): string {
  return pathOf(bindings?.incoming?.url ?? targetOf(request.url));
}

class SocketCall implements Call {
  readonly path: string;
  private readonly incoming: IncomingMessage;
  private readonly intake: BodyIntake;

  constructor(incoming: IncomingMessage, intake: BodyIntake) {
    this.incoming = incoming;
    this.intake = intake;
    this.path = pathOf(incoming.url ?? '');
  }

  get method(): string {
    return this.incoming.method ?? '';
  }

  get query(): string {
    return queryOf(this.incoming.url ?? '');
  }

  header(name: string): string | undefined {
    const value = this.incoming.headers[name];
    return typeof value === 'string' ? value : undefined;
  }

  headersAfter(prefix: string): [string, string][] {
    const found: [string, string][] = [];
    const { headers } = this.incoming;
    for (const name in headers) {
      const value = headers[name];
      if (typeof value === 'string' && name.startsWith(prefix))
        found.push([name.slice(prefix.length), value]);
    }
    return found;
  }

  body(bytesMax: number): Promise<Uint8Array> {
    return this.intake.fromSocket(this.incoming, bytesMax);
  }
}

class FetchCall implements Call {
  readonly path: string;
  readonly query: string;
  private readonly request: Request;
  private readonly intake: BodyIntake;

  constructor(request: Request, intake: BodyIntake) {
    this.request = request;
    this.intake = intake;
    const target = targetOf(request.url);
    this.path = pathOf(target);
    this.query = queryOf(target);
  }

  get method(): string {
    return this.request.method;
  }

  header(name: string): string | undefined {
    return this.request.headers.get(name) ?? undefined;
  }

  headersAfter(prefix: string): [string, string][] {
    return [...this.request.headers]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]);
  }

  body(bytesMax: number): Promise<Uint8Array> {
    return this.intake.fromStream(this.request.body, bytesMax);
  }
}

/** The request target of an absolute URL. */
function targetOf(url: string): string {
  const slash = url.indexOf('/', url.indexOf('://') + 3);
  return slash < 0 ? '/' : url.slice(slash);
}

function pathOf(target: string): string {
  const question = target.indexOf('?');
  return question < 0 ? target : target.slice(0, question);
}

function queryOf(target: string): string {
  const question = target.indexOf('?');
  return question < 0 ? '' : target.slice(question + 1);
}
