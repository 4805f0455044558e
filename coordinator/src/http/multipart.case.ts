/** A reader of `multipart/mixed` that knows nothing of the writer: RFC 2046, section 5.1.1. */
export interface ReadPart {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export function readMultipart(contentType: string, body: Uint8Array): ReadPart[] {
  const boundary = /^multipart\/mixed; ?boundary=([^;]+)$/.exec(contentType)?.[1];
  if (boundary === undefined) throw new Error(`not multipart: ${contentType}`);
  // A delimiter is a line of its own; the line break before it belongs to it.
  const text = `\r\n${Buffer.from(body).toString('latin1')}`;
  const [preamble, ...pieces] = text.split(`\r\n--${boundary}`);
  if (preamble !== '') throw new Error('a preamble');
  if (pieces.pop() !== '--\r\n') throw new Error('no closing delimiter');
  return pieces.map(readPart);
}

function readPart(piece: string): ReadPart {
  const head = piece.indexOf('\r\n\r\n');
  if (!piece.startsWith('\r\n') || head < 0) throw new Error('not a part');
  const lines = piece.slice(2, head).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );
  return { headers, body: Buffer.from(piece.slice(head + 4), 'latin1') };
}
