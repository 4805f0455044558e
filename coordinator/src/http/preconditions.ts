import type { Condition } from '../core/client.ts';
import type { Call } from './call.ts';
import { Refused } from './problems.ts';
import { invalidParameter } from './query.ts';

/**
 * Conditional requests (RFC 9110, section 13). On a write they are checks against what the coordinator reads, not
 * compare-and-set: two writers that pass at the same moment both write, as siblings. A condition that cannot be checked
 * is refused, because a write must not happen whose sender thinks it was guarded.
 */
export function writeCondition(call: Call): Condition | undefined {
  const ifMatch = call.header('if-match');
  const ifNoneMatch = call.header('if-none-match');
  refuseUnguarded(call);
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    throw invalidParameter('if_match', 'If-Match and If-None-Match exclude each other.');
  }
  if (ifMatch !== undefined) return { kind: 'matches', etags: strong(entityTags(ifMatch, 'if_match')) };
  if (ifNoneMatch?.trim() === '*') return { kind: 'absent' };
  throw invalidParameter(
    'if_none_match',
    'On a write, If-None-Match takes "*" only: write if nothing is there.',
  );
}

export interface ReadConditions {
  readonly ifMatch: readonly string[] | undefined;
  readonly ifNoneMatch: readonly string[] | undefined;
}

/** Read before anything is asked of a replica: garbage is refused, not discovered later. */
export function readConditions(call: Call): ReadConditions | undefined {
  const ifMatch = call.header('if-match');
  const ifNoneMatch = call.header('if-none-match');
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
  return {
    ifMatch: ifMatch === undefined ? undefined : strong(entityTags(ifMatch, 'if_match')),
    ifNoneMatch: ifNoneMatch === undefined ? undefined : entityTags(ifNoneMatch, 'if_none_match'),
  };
}

export function isMatch({ ifMatch }: ReadConditions, etag: string | undefined): boolean {
  return ifMatch === undefined || includes(ifMatch, etag);
}

export function isUnmodified({ ifNoneMatch }: ReadConditions, etag: string | undefined): boolean {
  return (
    ifNoneMatch !== undefined &&
    includes(
      ifNoneMatch.map((tag) => tag.replace(WEAK, '')),
      etag,
    )
  );
}

function includes(tags: readonly string[], etag: string | undefined): boolean {
  return tags.includes('*') || (etag !== undefined && tags.includes(etag));
}

/** A weak tag never matches where strong comparison is asked for. */
function strong(tags: readonly string[]): readonly string[] {
  return tags.filter((tag) => !WEAK.test(tag));
}

const WEAK = /^W\//;
/** The next tag; empty elements of a list are allowed (RFC 9110, section 5.6.1). */
const TAG = /[\t ,]*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[\t ]*(?=,|$)/y;
const REST = /^[\t ,]*$/;

/** The tags of a list, or `*` alone. */
function entityTags(text: string, name: 'if_match' | 'if_none_match'): readonly string[] {
  if (text.trim() === '*') return ['*'];
  const tags: string[] = [];
  TAG.lastIndex = 0;
  let end = 0;
  for (let found = TAG.exec(text); found?.[1] !== undefined; found = TAG.exec(text)) {
    tags.push(found[1]);
    end = TAG.lastIndex;
  }
  if (tags.length > 0 && REST.test(text.slice(end))) return tags;
  throw invalidParameter(
    name,
    'If-Match and If-None-Match take entity tags in double quotes, separated by commas, or "*".',
  );
}

/** Headers that would make a write conditional or partial in ways that there are not. */
function refuseUnguarded(call: Call): void {
  if (call.header('if-unmodified-since') !== undefined) {
    throw invalidParameter(
      'if_unmodified_since',
      'Clocks decide nothing here: use If-Match in place of If-Unmodified-Since.',
    );
  }
  if (call.header('content-range') !== undefined) {
    throw invalidParameter('content_range', 'A value is written whole: Content-Range is not supported.');
  }
}

export function checkCoding(call: Call): void {
  const encoding = call.header('content-encoding') ?? '';
  const transfer = call.header('transfer-encoding') ?? '';
  const isPlain =
    (encoding === '' || encoding.toLowerCase() === 'identity') &&
    (transfer === '' || transfer.toLowerCase() === 'chunked');
  if (isPlain) return;
  throw new Refused({
    code: 'unsupported_media_type',
    detail:
      'Bodies are taken as they are: send them without Content-Encoding and without compressed Transfer-Encoding.',
  });
}
