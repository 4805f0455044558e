import { METHODS } from 'node:http';
import type { ProblemWithHeaders } from './problems.ts';
import { unrouted } from './unrouted.ts';

/** What Node's parser says of bytes that it took for a request. */
export interface ParserError extends Error {
  readonly code?: string;
  readonly rawPacket?: Buffer;
}

/** What a connection is told, before it is closed, whose bytes were no request. */
export function unparsed({ code, rawPacket }: ParserError): ProblemWithHeaders {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return HEAD_TOO_LARGE;
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return {
        problem: { code: 'value_too_large', detail: 'The chunk extensions are too long.' },
        headers: {},
      };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return {
        problem: {
          code: 'request_timeout',
          detail: 'The request did not arrive in time. Send it again, whole.',
        },
        headers: {},
      };
    case 'HPE_INVALID_METHOD':
      return unknownMethod(rawPacket) ?? NOT_HTTP;
    default:
      return NOT_HTTP;
  }
}

export const HEAD_TOO_LARGE: ProblemWithHeaders = {
  problem: { code: 'headers_too_large', detail: 'The request has too many headers, or they are too long.' },
  headers: {},
};

const NOT_HTTP: ProblemWithHeaders = {
  problem: {
    code: 'bad_request',
    detail: 'This is not HTTP/1.1 as RFC 9112 has it; the connection is closed.',
  },
  headers: {},
};

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\/[^\s?]*)\S* HTTP\/1\.[01]\r\n/;

/** The parser knows a fixed list of methods. A request with another one is a request all the same. */
function unknownMethod(packet: Buffer | undefined): ProblemWithHeaders | undefined {
  const [, method = '', path] = REQUEST_LINE.exec(packet?.toString('latin1') ?? '') ?? [];
  return path === undefined || METHODS.includes(method) ? undefined : unrouted(path);
}
