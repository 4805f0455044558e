import {
  REPLICAS_MAX,
  TIMEOUT_MS_DEFAULT,
  TIMEOUT_MS_MAX,
  TIMEOUT_MS_MIN,
} from '@circlet/shared/protocol/limits.ts';
import * as z from 'zod';
import type { Quorum } from '../core/client.ts';
import { invalidParameter, parseQuery } from './query.ts';

/**
 * `r w pr pw timeout sloppy explain returnvalue` of an object call. The schema of a cluster with N replicas is the one
 * that validates and the one that `/openapi.json` shows; a call without a query string meets neither.
 */
export interface ObjectParams {
  readonly quorum: Quorum;
  /** A put answers like a get that is at least as new as it. */
  readonly returnValue: boolean;
}

export function objectParams(query: string, replicas: number): ObjectParams {
  const rules = rulesOf(replicas);
  if (query === '') return rules.defaults;
  const parsed = rules.object.safeParse(parseQuery(query));
  if (!parsed.success) throw refusalOf(parsed.error.issues[0], rules.object);
  return { quorum: quorumOf(parsed.data, replicas), returnValue: parsed.data.returnvalue === '1' };
}

/** Of a batch: what holds for every operation in it. */
export function batchQuorum(query: string, replicas: number): Quorum {
  const rules = rulesOf(replicas);
  if (query === '') return rules.defaults.quorum;
  const parsed = rules.batch.safeParse(parseQuery(query));
  if (!parsed.success) throw refusalOf(parsed.error.issues[0], rules.batch);
  return quorumOf(parsed.data, replicas);
}

function schemasFor(replicas: number) {
  const numbers = Array.from({ length: replicas }, (_, i) => `${i + 1}`);
  const count = (what: string) =>
    z
      .enum(['quorum', 'all', 'one', ...numbers])
      .optional()
      .describe(`${what} \`quorum\` is a majority of N = ${replicas}.`);
  const batch = z.strictObject({
    r: count('Replies needed to read. Default `quorum`; named, it never gives way to fewer.'),
    w: count('Durable copies needed to write. Default `quorum`.'),
    pr: count('How many of the replies have to come from owners of the key. Default none.'),
    pw: count('How many of the copies have to be on owners of the key. Default none.'),
    timeout: z
      .string()
      .regex(/^[1-9][0-9]{0,8}$/)
      .transform(Number)
      .pipe(z.int().min(TIMEOUT_MS_MIN).max(TIMEOUT_MS_MAX))
      .optional()
      .describe(`Milliseconds. Default ${TIMEOUT_MS_DEFAULT}.`),
    sloppy: z
      .enum(['true', 'false'])
      .optional()
      .describe('Whether a node may stand in for an owner that cannot be reached. Default true.'),
  });
  const object = batch.extend({
    explain: z.enum(['1']).optional().describe('Reserved: accepted, and without effect yet.'),
    returnvalue: z.enum(['1']).optional().describe('A put answers like a get.'),
  });
  return { batch, object };
}

type Parsed = z.infer<ReturnType<typeof schemasFor>['batch']>;

function quorumOf({ r, w, pr, pw, timeout, sloppy }: Parsed, replicas: number): Quorum {
  return {
    r: countOf(r ?? 'quorum', replicas),
    rIsFirm: r !== undefined,
    w: countOf(w ?? 'quorum', replicas),
    pr: pr === undefined ? 0 : countOf(pr, replicas),
    pw: pw === undefined ? 0 : countOf(pw, replicas),
    sloppy: sloppy !== 'false',
    timeoutMs: timeout ?? TIMEOUT_MS_DEFAULT,
  };
}

function countOf(text: string, replicas: number): number {
  switch (text) {
    case 'quorum':
      return Math.floor(replicas / 2) + 1;
    case 'all':
      return replicas;
    case 'one':
      return 1;
    default:
      return Number(text);
  }
}

type Rules = ReturnType<typeof schemasFor> & { readonly defaults: ObjectParams };

const rules: Rules[] = [];

/** N changes with the topology only, and there are few: each has its schemas and defaults made once. */
export function rulesOf(replicas: number): Rules {
  const n = Math.min(replicas, REPLICAS_MAX);
  return (rules[n] ??= { ...schemasFor(n), defaults: { quorum: quorumOf({}, n), returnValue: false } });
}

/** Names the parameter, which is one of ours, but never repeats the value or a name that is not. */
function refusalOf(issue: z.core.$ZodIssue | undefined, schema: z.ZodObject) {
  const name = issue?.path[0];
  if (issue === undefined || typeof name !== 'string') {
    const known = Object.keys(schema.shape).join(', ');
    return invalidParameter('unknown', `A query parameter is not known here; known are ${known}.`);
  }
  if (issue.code === 'invalid_value') {
    return invalidParameter(name, `${name} has to be one of ${issue.values.join(', ')}.`);
  }
  return invalidParameter(
    name,
    `${name} has to be a whole number of milliseconds from ${TIMEOUT_MS_MIN} to ${TIMEOUT_MS_MAX}.`,
  );
}
