import { escapedByte } from './percent.ts';
import { Refused } from './problems.ts';

/**
 * A query string as a record. `URLSearchParams` would let the first or the last of two values win and replace bad
 * escapes with U+FFFD; a parameter that does not mean what its sender meant is refused instead.
 */
export function parseQuery(query: string): Record<string, string> {
  const parameters: Record<string, string> = Object.create(null);
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    if (name in parameters) throw invalidParameter('repeated', 'A query parameter is given twice.');
    parameters[name] = decode(equals < 0 ? '' : pair.slice(equals + 1));
  }
  return parameters;
}

export function invalidParameter(reason: string, detail: string): Refused {
  return new Refused({ code: 'invalid_parameter', reason, detail });
}

/** No parameter has a value outside ASCII, so a byte is a character here. */
function decode(text: string): string {
  if (!text.includes('%')) return text;
  let decoded = '';
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== '%') {
      decoded += text[i];
      continue;
    }
    const byte = escapedByte(text, i);
    if (byte < 0)
      throw invalidParameter(
        'bad_escape',
        'A "%" in the query has to be followed by two hexadecimal digits.',
      );
    decoded += String.fromCharCode(byte);
    i += 2;
  }
  return decoded;
}
