/**
 * The trace id of a W3C `traceparent`, which names the request in problems and logs. A header that is not valid is
 * treated as absent (Trace Context, section 4.3): undefined.
 */
export function traceIdOf(traceparent: string | undefined): string | undefined {
  if (traceparent === undefined) return undefined;
  const [, version, traceId, parentId, rest] = TRACEPARENT.exec(traceparent) ?? [];
  if (traceId === undefined || version === 'ff' || traceId === NO_TRACE || parentId === NO_PARENT)
    return undefined;
  // Version 00 ends here; later ones may go on after a dash.
  return version === '00' && rest !== '' ? undefined : traceId;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}($|-.{0,200}$)/;
const NO_TRACE = '0'.repeat(32);
const NO_PARENT = '0'.repeat(16);
