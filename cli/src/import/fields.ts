import { isFields } from '../client/shape.ts';

/**
 * Finds the field that `--key` or `--value` names: a field of the record itself, or a JSON pointer (RFC 6901) such as
 * `/address/city` into it.
 */
export type FieldPath = readonly string[];

export function parseFieldPath(text: string): FieldPath {
  if (!text.startsWith('/')) return [text];
  return text
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

export function fieldAt(record: unknown, path: FieldPath): unknown {
  let value = record;
  for (const name of path) {
    if (Array.isArray(value) && /^(0|[1-9]\d*)$/.test(name)) value = value[Number(name)];
    else if (isFields(value) && Object.hasOwn(value, name)) value = value[name];
    else return undefined;
  }
  return value;
}

declare global {
  /** Not yet in TypeScript's library; in Node since 21. */
  interface JSON {
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
    ): unknown;
    rawJSON(text: string): { readonly rawJSON: string };
    isRawJSON(value: unknown): value is { readonly rawJSON: string };
  }
}

/** Parses again, slower, keeping numbers as the file spells them: a double is not exact for 12345678901234567890. */
export function parseExact(text: string): unknown {
  return JSON.parse(text, (_, value, { source }) =>
    typeof value === 'number' && source !== undefined ? JSON.rawJSON(source) : value,
  );
}

/** The spelling of a number that parseExact kept. JSON.stringify writes it back that way by itself. */
export function spelling(value: unknown): string | undefined {
  return JSON.isRawJSON(value) ? value.rawJSON : undefined;
}
