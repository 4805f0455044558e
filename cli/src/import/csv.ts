import { isUtf8 } from 'node:buffer';

/**
 * One CSV record (RFC 4180), as the splitter cut it, into its fields. A quote inside a field without quotes is kept
 * as it stands, as most programs do; anything after a closing quote is an error, since one cannot tell what it meant.
 */
export type CsvFields =
  | { readonly kind: 'fields'; readonly fields: readonly string[] }
  | { readonly kind: 'malformed'; readonly reason: string };

export function parseCsvRecord(bytes: Buffer): CsvFields {
  if (!isUtf8(bytes)) return { kind: 'malformed', reason: 'not valid UTF-8' };
  const text = bytes.toString();
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (text[at] === '"') {
      let value = '';
      let from = at + 1;
      for (;;) {
        const quote = text.indexOf('"', from);
        if (quote === -1)
          return { kind: 'malformed', reason: `field ${fields.length + 1} has no closing quote` };
        value += text.slice(from, quote);
        at = quote + 1;
        if (text[at] !== '"') break;
        value += '"';
        from = at + 1;
      }
      if (at < text.length && text[at] !== ',') {
        return { kind: 'malformed', reason: `field ${fields.length + 1} goes on after its closing quote` };
      }
      fields.push(value);
    } else {
      const comma = text.indexOf(',', at);
      const end = comma === -1 ? text.length : comma;
      fields.push(text.slice(at, end));
      at = end;
    }
    if (at >= text.length) return { kind: 'fields', fields };
    at++;
  }
}

/** Why these fields cannot name columns, or undefined. */
export function headerFault(names: readonly string[]): string | undefined {
  const empty = names.indexOf('');
  if (empty !== -1) return `column ${empty + 1} has no name`;
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  return twice === undefined ? undefined : `two columns are named "${twice}"`;
}

/** The record as a JSON object, all values strings: whether 007 is a number is not for an import to guess. */
export function rowToJson(names: readonly string[], fields: readonly string[]): string {
  // Written by hand: an object would put columns with whole numbers for names first, and lose one called __proto__.
  const members = names.map((name, i) => `${JSON.stringify(name)}:${JSON.stringify(fields[i] ?? '')}`);
  return `{${members.join(',')}}`;
}
