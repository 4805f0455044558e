import { CONTENT_TYPE_BYTES_MAX, META_BYTES_MAX } from '@circlet/shared/protocol/limits.ts';
import type { Body } from '../core/body.ts';
import type { Call } from './call.ts';
import { invalidParameter } from './query.ts';

export const META_HEADER = 'Circlet-Meta-';
const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

/**
 * What is kept beside a value. It goes back out as headers, so it has to be text that a header can carry: Latin-1
 * without control characters. Sorted, because a retry that orders its headers differently is still the same write.
 */
export function metaOf(call: Call): Body['meta'] {
  const meta = call.headersAfter('circlet-meta-');
  if (meta.length === 0) return NO_META;
  let bytes = 0;
  for (const [name, value] of meta) {
    if (name === '') throw invalidParameter('meta', 'Circlet-Meta- has to be followed by a name.');
    checkHeaderText(value, 'meta');
    bytes += name.length + value.length;
  }
  if (bytes > META_BYTES_MAX) {
    throw invalidParameter(
      'meta',
      `Circlet-Meta-* names and values may have ${META_BYTES_MAX} bytes in all.`,
    );
  }
  return meta.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

export function checkedContentType(contentType: string | undefined): string {
  if (contentType === undefined || contentType === '') return DEFAULT_CONTENT_TYPE;
  checkHeaderText(contentType, 'content_type');
  if (contentType.length > CONTENT_TYPE_BYTES_MAX) {
    throw invalidParameter('content_type', `A content type may have ${CONTENT_TYPE_BYTES_MAX} bytes.`);
  }
  return contentType;
}

export const NO_META: Body['meta'] = [];

const HEADER_TEXT = /^[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?$/;

function checkHeaderText(text: string, reason: string): void {
  if (text !== '' && !HEADER_TEXT.test(text)) {
    throw invalidParameter(
      reason,
      'A content type or metadata value is text that fits a header: Latin-1 without control characters.',
    );
  }
}
