/**
 * Reads answers of which the types promise nothing. Unknown fields are ignored, so that a newer coordinator can say
 * more; a missing one is named.
 */
export class ShapeError extends Error {
  override name = 'ShapeError';
}

export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown, what: string): Fields {
  if (!isFields(value)) throw new ShapeError(`${what} is not an object`);
  return value;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw new ShapeError(`"${name}" is not a string`);
  return value;
}

export function optionalText(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' ? value : undefined;
}

export function amount(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number') throw new ShapeError(`"${name}" is not a number`);
  return value;
}

/** Absent and null are one: a node that is down has nobody to ask for its counts. */
export function optionalAmount(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  return typeof value === 'number' ? value : undefined;
}

export function listOf<T>(fields: Fields, name: string, read: (item: Fields) => T): T[] {
  const value = fields[name];
  if (!Array.isArray(value)) throw new ShapeError(`"${name}" is not a list`);
  return value.map((item: unknown, i) => read(fieldsOf(item, `${name}[${i}]`)));
}

/** The fields of an object that are strings. */
export function texts(fields: Fields, name: string): Record<string, string> {
  const value = fields[name];
  if (!isFields(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
