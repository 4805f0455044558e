import { crc32 } from 'node:zlib';
import { contextOf, soleWrites } from '@circlet/shared/causality/context.ts';
import { only, type Sibling } from '@circlet/shared/causality/key-state.ts';
import type { SipKey } from '@circlet/shared/hash/siphash.ts';
import type { FullKey } from '@circlet/shared/ring/key.ts';
import { type Body, decodeBody } from '../core/body.ts';
import type { Reading } from '../core/client.ts';
import { etagOf } from '../core/etag.ts';
import type { ContextTokens } from './context-token.ts';
import { NO_META } from './object-headers.ts';

/**
 * What an answer shows of a key, before it is HTTP or JSON:
 *
 *     no live sibling                   404, with the context of the tombstones
 *     one sibling, live                 200
 *     more, of which at least one live  300, one part a sibling
 */
export interface Representation {
  readonly status: 200 | 300 | 404;
  /** Undefined unless all siblings are shown: If-Match would replace those that nobody has seen. */
  readonly etag: string | undefined;
  /** Covers exactly the parts. Undefined when there is nothing to name, or when it is too large for a header. */
  readonly token: string | undefined;
  /** At least one when the status is 200 or 300. */
  readonly parts: readonly Part[];
  /** Siblings that did not fit. */
  readonly omitted: number;
}

export interface Part extends Body {
  readonly etag: string;
  readonly deleted: boolean;
  readonly writtenAtMs: number;
}

/** A stored body is not what was written: it must not be shown, and somebody must look at the disk. */
export class DamagedValue extends Error {
  override name = 'DamagedValue';
}

export interface Presenter {
  readonly tokens: ContextTokens;
  readonly etagKey: SipKey;
}

export function represent(
  presenter: Presenter,
  key: FullKey,
  reading: Reading,
  bytesMax: number,
): Representation {
  const { siblings } = reading.state;
  const { tokens, etagKey } = presenter;
  const [first] = siblings;
  if (first === undefined) return NOTHING;
  const { shown, token } = choose(tokens, key, reading, bytesMax);
  if (siblings.length === 1) {
    const part = partOf(etagKey, first);
    return { status: first.deleted ? 404 : 200, etag: part.etag, token, parts: [part], omitted: 0 };
  }
  const omitted = siblings.length - shown.length;
  const ids = siblings.map(({ writeId }) => writeId);
  return {
    status: siblings.every((sibling) => sibling.deleted) ? 404 : 300,
    etag: omitted > 0 ? undefined : etagOf(etagKey, ids),
    token,
    parts: shown.map((sibling) => partOf(etagKey, sibling)),
    omitted,
  };
}

const NOTHING: Representation = { status: 404, etag: undefined, token: undefined, parts: [], omitted: 0 };

/**
 * As many siblings as fit the answer, live ones first, and the context of just these: a context that also covered the
 * others would destroy them with the next put (protocol.md, rule 3). Whoever resolves what was shown sees the rest next.
 */
function choose(tokens: ContextTokens, key: FullKey, { state, context }: Reading, bytesMax: number): Choice {
  const { siblings } = state;
  const fitting = howManyFit(siblings, bytesMax);
  if (fitting === siblings.length) {
    const token = tokens.issue(key, context);
    if (token !== undefined) return { shown: siblings, token };
  }
  const sole = new Set(soleWrites(context));
  const inOrder = [...siblings.filter((each) => !each.deleted), ...siblings.filter((each) => each.deleted)];
  // A quarter fewer at each step: a context that is too large is rare, and each try costs its encoding.
  for (let n = howManyFit(inOrder, bytesMax); n >= 1; n = Math.floor(n * 0.75)) {
    const shown = inOrder.slice(0, n).toSorted((a, b) => (a.writeId < b.writeId ? -1 : 1));
    // Not even what a hidden sibling superseded may be covered: `causality/parts.ts` says why.
    const token = tokens.issue(key, contextOf(only(shown), sole));
    if (token !== undefined) return { shown, token };
  }
  return { shown: inOrder.slice(0, 1), token: undefined };
}

interface Choice {
  readonly shown: readonly Sibling[];
  readonly token: string | undefined;
}

function howManyFit(siblings: readonly Sibling[], bytesMax: number): number {
  let bytes = 0;
  const overflow = siblings.findIndex(
    (sibling) => (bytes += sibling.body.length + PART_HEAD_BYTES) > bytesMax,
  );
  return overflow < 0 ? siblings.length : Math.max(1, overflow);
}

/** About what the headers of a part take beside its metadata. */
const PART_HEAD_BYTES = 200;

function partOf(etagKey: SipKey, { writeId, deleted, writtenAtMs, check, body }: Sibling): Part {
  // Computed where the body entered the cluster: what happened to it since, on any disk or wire, shows here.
  if (crc32(body) !== check) throw new DamagedValue('a body does not match its checksum');
  const etag = etagOf(etagKey, [writeId]);
  if (deleted) return { etag, deleted, writtenAtMs, contentType: '', meta: NO_META, value: body };
  const { contentType, meta, value } = decodeBody(body);
  return { etag, deleted, writtenAtMs, contentType, meta, value };
}
