/** What a handler answers, before it is a Response: plain data, so that a batch and a test can read it too. */
export interface Reply {
  readonly status: number;
  readonly headers: HeaderFields;
  readonly body: string | Uint8Array | null;
}

export type HeaderFields = Record<string, string>;

export function jsonReply(status: number, value: unknown, headers: HeaderFields = {}): Reply {
  return { status, headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

/**
 * A record of headers and a whole body keep `@hono/node-server` on its direct path: no Headers object, no stream, and a
 * Content-Length. A HEAD answer states the length of the body that it leaves out.
 */
export function toResponse(reply: Reply, isHead: boolean, isLast: boolean): Response {
  const { status, body } = reply;
  let { headers } = reply;
  if (isLast) headers = { ...headers, Connection: 'close' };
  if (!isHead || body === null)
    return new Response(body as string | Uint8Array<ArrayBuffer> | null, { status, headers });
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  return new Response(null, { status, headers: { ...headers, 'Content-Length': `${length}` } });
}
