import { crc32 } from 'node:zlib';
import { unreachable } from '@circlet/shared/assert.ts';
import type { Context } from '@circlet/shared/causality/context.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import { type Body, encodeBody } from '../core/body.ts';
import type { ClientAnswer, Condition, Quorum, Reading } from '../core/client.ts';
import { etagOf } from '../core/etag.ts';
import type { CoordinatorPort, Submission } from './port.ts';
import { type Problem, problemOf } from './problems.ts';
import { DamagedValue, type Presenter, type Representation, represent } from './representation.ts';
import type { WriteIds } from './write-id.ts';

/** Gets and writes of one key, as both surfaces make them: a call of its own, or one operation of a batch. */
export interface Get {
  readonly key: FullKey;
  readonly quorum: Quorum;
  readonly sent: SentContext | undefined;
  /** Values shown when there are several. */
  readonly bytesMax: number;
}

export interface Write {
  readonly key: FullKey;
  readonly quorum: Quorum;
  readonly method: 'PUT' | 'DELETE';
  /** Of a put. */
  readonly body: Body | undefined;
  readonly sent: SentContext | undefined;
  /** As `checkedIdempotencyKey` lets it through. */
  readonly idempotencyKey: string | undefined;
  readonly condition: Condition | undefined;
  readonly returnValue: boolean;
  readonly bytesMax: number;
}

/** A context as it was sent, and what it says. */
export interface SentContext {
  readonly token: string;
  readonly context: Context;
}

export type Result =
  | { readonly kind: 'shown'; readonly representation: Representation }
  | { readonly kind: 'done'; readonly token: string | undefined; readonly etag: string | undefined }
  | { readonly kind: 'failed'; readonly problem: Problem };

export interface ObjectRequestsOptions extends Presenter {
  readonly port: CoordinatorPort;
  readonly writeIds: WriteIds;
  readonly wallClockMs: () => number;
  /** Something that must not happen did. */
  readonly alarm: (event: string, error: unknown) => void;
}

export class ObjectRequests {
  private readonly options: ObjectRequestsOptions;

  constructor(options: ObjectRequestsOptions) {
    this.options = options;
  }

  /** Throws Refused unless the token was issued for this key. */
  accept(key: FullKey, token: string | undefined): SentContext | undefined {
    return token === undefined ? undefined : { token, context: this.options.tokens.accept(key, token) };
  }

  async get({ key, quorum, sent, bytesMax }: Get): Promise<Result> {
    const answer = await this.submit({ kind: 'get', key, quorum, atLeast: sent?.context });
    return answer.kind === 'read'
      ? this.shown(key, answer.reading, bytesMax, 'get')
      : this.settled(key, answer, 'get');
  }

  async write(write: Write): Promise<Result> {
    const { key, bytesMax } = write;
    const request = this.writeRequest(write);
    const answer = await this.submit(request);
    if (answer.kind !== 'read') return this.settled(key, answer, 'write', write.method);
    const result = this.shown(key, answer.reading, bytesMax, 'write');
    if (result.kind !== 'shown' || result.representation.status !== 404) return result;
    // Deleted again before it was read back. A 404 would say that the write did not happen.
    return { kind: 'done', token: result.representation.token, etag: result.representation.etag };
  }

  private writeRequest(write: Write): Submission {
    const { key, quorum, method, sent, condition, returnValue, idempotencyKey } = write;
    const body = write.body === undefined ? NO_BODY : encodeBody(write.body);
    const { writeIds, wallClockMs } = this.options;
    const writeId =
      idempotencyKey === undefined
        ? writeIds.random()
        : writeIds.keyed({ key, method, idempotencyKey, body, context: sent?.token });
    return {
      kind: 'write',
      key,
      quorum,
      write: {
        writeId,
        keyed: idempotencyKey !== undefined,
        deleted: method === 'DELETE',
        writtenAtMs: Math.max(0, Math.floor(wallClockMs())),
        check: crc32(body),
        body,
      },
      context: sent?.context,
      condition,
      returnValue,
    };
  }

  /** A rejection is a bug in the pod, and by then the request may have been sent. */
  private async submit(request: Submission): Promise<ClientAnswer> {
    try {
      return await this.options.port.submit(request);
    } catch (error) {
      this.options.alarm('submit_failed', error);
      const outcome = request.kind === 'write' ? 'unknown' : undefined;
      return { kind: 'failed', failure: { code: 'internal', outcome } };
    }
  }

  private shown(key: FullKey, reading: Reading, bytesMax: number, request: 'get' | 'write'): Result {
    try {
      return { kind: 'shown', representation: represent(this.options, key, reading, bytesMax) };
    } catch (error) {
      this.options.alarm(error instanceof DamagedValue ? 'value_damaged' : 'value_unreadable', error);
      return { kind: 'failed', problem: problemOf({ code: 'internal', outcome: undefined }, request) };
    }
  }

  private settled(
    key: FullKey,
    answer: Exclude<ClientAnswer, { readonly kind: 'read' }>,
    request: 'get' | 'write',
    method?: 'PUT' | 'DELETE',
  ): Result {
    const { tokens, etagKey } = this.options;
    switch (answer.kind) {
      case 'written': {
        const etag = method === 'PUT' ? etagOf(etagKey, [answer.writeId]) : undefined;
        return { kind: 'done', token: tokens.issue(key, answer.context), etag };
      }
      case 'nothing': {
        // Nothing was ever there, or tombstones, which the client may name when it creates the key again.
        const isEmpty = answer.context.history.actors.length === 0;
        return {
          kind: 'done',
          token: isEmpty ? undefined : tokens.issue(key, answer.context),
          etag: undefined,
        };
      }
      case 'failed':
        return { kind: 'failed', problem: problemOf(answer.failure, request) };
      default:
        return unreachable(answer);
    }
  }
}

/** A tombstone's body is empty. */
const NO_BODY = new Uint8Array(0);
