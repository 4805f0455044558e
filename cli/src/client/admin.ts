import { LostAnswerError, ProblemError, UnexpectedAnswerError, UnreachableError } from './errors.ts';
import { problemOf } from './problem.ts';
import {
  type Fields,
  ShapeError,
  amount,
  fieldsOf,
  listOf,
  optionalAmount,
  optionalText,
  text,
} from './shape.ts';
import {
  type HttpAnswer,
  type HttpRequest,
  type Transport,
  TransportError,
  nodeTransport,
} from './transport.ts';

/**
 * The admin listener of one coordinator as typed calls. A change is planned, which changes nothing, and then committed by
 * the digest of its plan; committed again it is the same change, so every call may be repeated.
 */
export type Change =
  | { readonly verb: 'join' | 'leave' | 'replace'; readonly names: readonly string[] }
  | { readonly verb: 'weight'; readonly names: readonly string[]; readonly weight: number }
  | { readonly verb: 'cancel' };

export interface Transfer {
  /** Undefined where one more copy is made, or a lost one anew. */
  readonly from: string | undefined;
  readonly to: string;
  readonly vnodes: number;
  /** Estimated, where anything is known. */
  readonly bytes: number | undefined;
}

export interface Plan {
  readonly digest: string;
  readonly epoch: number;
  readonly transfers: readonly Transfer[];
}

export type Committed =
  | { readonly status: 'proposed'; readonly digest: string }
  | { readonly status: 'chosen'; readonly digest: string; readonly epoch: number };

export interface Receiver {
  readonly name: string;
  readonly status: string | undefined;
  readonly left: number | undefined;
  readonly of: number | undefined;
  readonly bytes: number | undefined;
}

export interface Move {
  readonly epoch: number;
  /** Undefined when nothing moves. */
  readonly phase: string | undefined;
  readonly transfers: readonly Transfer[];
  readonly nodes: readonly Receiver[];
}

export interface AdminClientOptions {
  readonly url: string;
  readonly transport?: Transport;
  readonly now?: () => number;
}

/** A coordinator asks members for up to 10 s, and twice to cancel. */
const SILENCE_MS_MAX = 25_000;

export class AdminClient {
  readonly #url: string;
  readonly #transport: Transport;
  readonly #now: () => number;

  constructor({ url, transport, now }: AdminClientOptions) {
    this.#url = url;
    this.#transport = transport ?? nodeTransport();
    this.#now = now ?? Date.now;
  }

  async plan(change: Change): Promise<Plan> {
    return await this.#call('POST', '', change, readPlan);
  }

  async commit(change: Change, digest: string): Promise<Committed> {
    return await this.#call('POST', `/${encodeURIComponent(digest)}`, change, readCommitted);
  }

  async cancel(): Promise<Committed> {
    return await this.#call('DELETE', '', undefined, readCommitted);
  }

  async move(): Promise<Move> {
    return await this.#call('GET', '', undefined, readMove);
  }

  /** Ends idle connections, without which a process stays alive. */
  close(): void {
    this.#transport.close();
  }

  async #call<T>(
    method: HttpRequest['method'],
    path: string,
    body: unknown,
    read: (fields: Fields) => T,
  ): Promise<T> {
    const answer = await this.#send(method, path, body);
    if (answer.status >= 400) throw new ProblemError(problemOf(answer, false, this.#now()));
    try {
      return read(fieldsOf(JSON.parse(answer.body.toString()), 'the answer'));
    } catch (error) {
      if (!(error instanceof ShapeError || error instanceof SyntaxError)) throw error;
      const why = error instanceof ShapeError ? error.message : 'not JSON';
      throw new UnexpectedAnswerError(`${answer.status}, ${why}`, undefined);
    }
  }

  async #send(method: HttpRequest['method'], path: string, body: unknown): Promise<HttpAnswer> {
    try {
      return await this.#transport.send({
        method,
        base: this.#url,
        path: `/v1/changes${path}`,
        headers: body === undefined ? {} : { 'content-type': 'application/json' },
        body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
        silenceMsMax: SILENCE_MS_MAX,
      });
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      const what = `${this.#url}: ${error.message}`;
      throw error.sent ? new LostAnswerError(what, undefined) : new UnreachableError(what, undefined);
    }
  }
}

function readTransfers(fields: Fields): Transfer[] {
  return listOf(fields, 'transfers', (each) => ({
    from: optionalText(each, 'from'),
    to: text(each, 'to'),
    vnodes: amount(each, 'vnodes'),
    bytes: optionalAmount(each, 'bytes'),
  }));
}

function readPlan(fields: Fields): Plan {
  return {
    digest: text(fields, 'digest'),
    epoch: amount(fields, 'epoch'),
    transfers: readTransfers(fields),
  };
}

function readCommitted(fields: Fields): Committed {
  const status = text(fields, 'status');
  const digest = text(fields, 'digest');
  if (status === 'proposed') return { status, digest };
  if (status === 'chosen') return { status, digest, epoch: amount(fields, 'epoch') };
  throw new ShapeError('"status" is neither proposed nor chosen');
}

function readMove(fields: Fields): Move {
  return {
    epoch: amount(fields, 'epoch'),
    phase: optionalText(fields, 'phase'),
    transfers: readTransfers(fields),
    nodes: listOf(fields, 'nodes', (each) => ({
      name: text(each, 'name'),
      status: optionalText(each, 'status'),
      left: optionalAmount(each, 'left'),
      of: optionalAmount(each, 'of'),
      bytes: optionalAmount(each, 'bytes'),
    })),
  };
}
