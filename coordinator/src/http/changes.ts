import { assert, unreachable } from '@circlet/shared/assert.ts';
import { latin1 } from '@circlet/shared/codec/bytes.ts';
import type { TopologyDigest } from '@circlet/shared/ring/topology.ts';
import type * as z from 'zod';
import type { Change, ChangeAnswer } from '../core/changes.ts';
import type { Call } from './call.ts';
import { changeSchema, type moveSchema, type planSchema, type progressSchema } from './change-schema.ts';
import { ringOf } from './cluster.ts';
import { jsonBody } from './json-body.ts';
import { livenessOf } from './node-figures.ts';
import type { AdminPort } from './port.ts';
import { type Handled, NOT_READY, type Problem } from './problems.ts';
import { invalidParameter } from './query.ts';
import { jsonReply, type Reply } from './reply.ts';
import { transferFigures } from './transfer-figures.ts';

/**
 * `/v1/changes` of the admin listener: who is a member, and how much each has. A change is shown before it is made, and
 * made only if it is still what was shown: its digest names the document that would begin it.
 */
export const CHANGE_BYTES_MAX = 64 * 1024;
const DIGEST_PREFIX = '/v1/changes/';
const CANCEL: Change = { verb: 'cancel', names: [], weight: 0 };

export class ChangeRequests {
  private readonly port: AdminPort;

  constructor(port: AdminPort) {
    this.port = port;
  }

  async plan(call: Call): Promise<Handled> {
    const change = await changeIn(call);
    return this.answerOf(await this.port.change(change, undefined), undefined);
  }

  async commit(call: Call): Promise<Handled> {
    const digest = digestIn(call.path);
    const change = await changeIn(call);
    return this.answerOf(await this.port.change(change, digest), digest);
  }

  /** What is under way is known, so there is nothing to be shown first. */
  async cancel(call: Call): Promise<Handled> {
    checkOrigin(call);
    const planned = await this.port.change(CANCEL, undefined);
    if (planned.kind !== 'told' || planned.status !== 'planned') return this.answerOf(planned, undefined);
    return this.answerOf(await this.port.change(CANCEL, planned.digest), planned.digest);
  }

  move(): Reply {
    const { cluster } = this.port;
    const ring = ringOf(cluster);
    const { epoch, move, members } = ring.topology;
    const isRefilling = members.some(({ state }) => state === 'refilling');
    const transfers = transferFigures(ring.topology, this.bytesOf);
    const receivers = [...new Set(transfers.map(({ to }) => to))];
    return fresh(200, {
      epoch,
      phase: move?.phase ?? (isRefilling ? 'refilling' : null),
      transfers,
      nodes: receivers.map((name) => {
        const filling = cluster.node(name).pulse?.filling;
        return {
          name,
          status: livenessOf(cluster, ring, name),
          left: filling?.left ?? null,
          of: filling?.of ?? null,
          bytes: filling?.bytes ?? null,
        };
      }),
    } satisfies z.infer<typeof moveSchema>);
  }

  private readonly bytesOf = (name: string): number | undefined => this.port.cluster.node(name).pulse?.bytes;

  private answerOf(answer: ChangeAnswer, commits: TopologyDigest | undefined): Handled {
    if (answer.kind === 'untold') return { problem: untold(answer.why, commits !== undefined), headers: {} };
    const { status, document, epoch, reason } = answer;
    switch (status) {
      case 'refused':
        return { problem: refused(reason), headers: {} };
      case 'planned':
        assert(document !== undefined, 'a plan has a document');
        return fresh(200, {
          status,
          digest: hexOf(answer.digest),
          epoch: document.epoch,
          transfers: transferFigures(document, this.bytesOf),
        } satisfies z.infer<typeof planSchema>);
      case 'proposed':
        return fresh(202, { status, digest: hexOf(commits ?? answer.digest) } satisfies Progress);
      case 'chosen':
        return fresh(200, { status, digest: hexOf(commits ?? answer.digest), epoch } satisfies Progress);
      default:
        return unreachable(status);
    }
  }
}

type Progress = z.infer<typeof progressSchema>;

async function changeIn(call: Call): Promise<Change> {
  checkOrigin(call);
  const parsed = changeSchema.safeParse(await jsonBody(call, CHANGE_BYTES_MAX));
  if (parsed.success) return { names: [], weight: 0, ...parsed.data };
  const [field] = parsed.error.issues[0]?.path ?? [];
  throw invalidParameter(
    field === 'names' || field === 'weight' || field === 'verb' ? field : 'body',
    'A change is {"verb": "join" | "leave", "names": [1 to 32 different names]}, {"verb": "replace", "names": [old, new]}, {"verb": "weight", "names": [name], "weight": 1 to 64} or {"verb": "cancel"}; other fields are not known.',
  );
}

/** Nobody has to show who they are yet, so what a web page sends from the operator's own browser is not theirs. */
function checkOrigin(call: Call): void {
  if (call.header('origin') === undefined) return;
  throw invalidParameter('origin', 'This listener takes no requests of web pages: send it without Origin.');
}

function digestIn(path: string): TopologyDigest {
  const hex = path.slice(DIGEST_PREFIX.length);
  if (!/^[0-9a-f]{32}$/.test(hex))
    throw invalidParameter('digest', 'The digest of a plan is 32 hexadecimal digits in lower case.');
  return latin1(Buffer.from(hex, 'hex'));
}

function hexOf(digest: TopologyDigest): string {
  return Buffer.from(digest, 'latin1').toString('hex');
}

function refused(reason: string): Problem {
  const why = reason === '' ? 'the member that was asked did not say why' : reason;
  return { code: 'change_refused', detail: `The cluster refuses this change: ${why}.` };
}

type Untold = Extract<ChangeAnswer, { readonly kind: 'untold' }>['why'];

function untold(why: Untold, isCommit: boolean): Problem {
  const none = isCommit ? { outcome: 'none' as const } : {};
  const unknown = isCommit ? { outcome: 'unknown' as const } : {};
  switch (why) {
    case 'not_ready':
      return { ...NOT_READY, ...none };
    case 'overloaded':
      return {
        code: 'overloaded',
        detail: 'Another admin request is under way here; this one was not begun. Ask again shortly.',
        retryAfterMs: 1_000,
        ...none,
      };
    case 'unreachable':
      return {
        code: 'quorum_unavailable',
        detail: 'No active member can be reached, so nothing was asked. Ask again when one is up.',
        ...none,
      };
    case 'silent':
      return {
        code: 'timeout',
        detail: `No member answered within 10 seconds.${isCommit ? ' The change may be chosen yet: commit the same digest again.' : ' Nothing was changed: ask again.'}`,
        ...unknown,
      };
    case 'internal':
      return {
        code: 'internal',
        detail: `This coordinator failed in a way it should not. Please report it with the traceId.${isCommit ? ' The change may be chosen yet: commit the same digest again.' : ''}`,
        ...unknown,
      };
    default:
      return unreachable(why);
  }
}

function fresh(status: number, value: unknown): Reply {
  return jsonReply(status, value, { 'Cache-Control': 'no-store' });
}
