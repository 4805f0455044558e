import { type Reader, type Writer, DecodeError } from './bytes.ts';

/**
 * A schema says once how a value looks on the wire: it writes, it reads and checks, and it describes itself.
 * The descriptions of all schemas are hashed by `protocol/version.test.ts`, so no layout can change without
 * a new protocol version. Every variable length carries its maximum.
 */
export interface Schema<T> {
  write(writer: Writer, value: T): void;
  read(reader: Reader): T;
  readonly layout: string;
}

export type Infer<S> = S extends Schema<infer T> ? T : never;

export const u8: Schema<number> = {
  write: (writer, value) => writer.u8(value),
  read: (reader) => reader.u8(),
  layout: 'u8',
};

export const u32: Schema<number> = {
  write: (writer, value) => writer.u32(value),
  read: (reader) => reader.u32(),
  layout: 'u32',
};

export const varint: Schema<number> = {
  write: (writer, value) => writer.varint(value),
  read: (reader) => reader.varint(),
  layout: 'varint',
};

export const bool: Schema<boolean> = {
  write: (writer, value) => writer.u8(value ? 1 : 0),
  read: (reader) => {
    const byte = reader.u8();
    if (byte > 1) throw new DecodeError('bool');
    return byte === 1;
  },
  layout: 'bool',
};

/** Signed, zigzag: small magnitudes stay short. Used for clock differences. */
export const signed: Schema<number> = {
  write: (writer, value) => writer.varint(value >= 0 ? value * 2 : -value * 2 - 1),
  read: (reader) => {
    const n = reader.varint();
    return n % 2 === 0 ? n / 2 : -(n + 1) / 2;
  },
  layout: 'signed',
};

/** Bytes behind their length. Reading gives a view into the frame. */
export function bytes(max: number): Schema<Uint8Array> {
  return {
    write: (writer, value) => {
      if (value.length > max) throw new RangeError(`${value.length} bytes where at most ${max} fit`);
      writer.varint(value.length);
      writer.bytes(value);
    },
    read: (reader) => reader.bytes(reader.count(1, max)),
    layout: `bytes<=${max}`,
  };
}

/** An identifier of exactly `length` bytes, held as a binary string. */
export function id(length: number): Schema<string> {
  return {
    write: (writer, value) => {
      if (value.length !== length)
        throw new RangeError(`an id of ${value.length} bytes where ${length} are due`);
      writer.latin1(value);
    },
    read: (reader) => reader.latin1(length),
    layout: `id${length}`,
  };
}

/** Text that matches `pattern` (which must allow ASCII only), behind its length. */
export function ascii(max: number, pattern: RegExp): Schema<string> {
  return {
    write: (writer, value) => {
      if (value.length > max) throw new RangeError(`${value.length} characters where at most ${max} fit`);
      writer.varint(value.length);
      writer.latin1(value);
    },
    read: (reader) => {
      const text = reader.latin1(reader.count(1, max));
      if (!pattern.test(text)) throw new DecodeError('text outside its alphabet');
      return text;
    },
    layout: `ascii<=${max}${pattern.source}`,
  };
}

/** One of a fixed, append-only list of words, as its index. */
export function word<const W extends readonly string[]>(...words: W): Schema<W[number]> {
  return {
    write: (writer, value) => writer.u8(words.indexOf(value)),
    read: (reader) => {
      const text = words[reader.u8()];
      if (text === undefined) throw new DecodeError('unknown word');
      return text;
    },
    layout: `word(${words.join('|')})`,
  };
}

export function list<T>(item: Schema<T>, max: number): Schema<readonly T[]> {
  return {
    write: (writer, values) => {
      if (values.length > max) throw new RangeError(`${values.length} items where at most ${max} fit`);
      writer.varint(values.length);
      for (const value of values) item.write(writer, value);
    },
    read: (reader) => {
      const n = reader.count(1, max);
      const values: T[] = [];
      for (let i = 0; i < n; i++) values.push(item.read(reader));
      return values;
    },
    layout: `list<=${max}(${item.layout})`,
  };
}

export function optional<T>(item: Schema<T>): Schema<T | undefined> {
  return {
    write: (writer, value) => {
      writer.u8(value === undefined ? 0 : 1);
      if (value !== undefined) item.write(writer, value);
    },
    read: (reader) => (bool.read(reader) ? item.read(reader) : undefined),
    layout: `optional(${item.layout})`,
  };
}

type Fields = Record<string, Schema<unknown>>;
type Struct<F extends Fields> = { readonly [K in keyof F]: Infer<F[K]> };

/** Fields in the order given; the names are part of the layout. */
export function struct<const F extends Fields>(fields: F): Schema<Struct<F>> {
  type T = Struct<F>;
  const names = Object.keys(fields);
  const schemas = Object.values(fields);
  return {
    write: (writer, value) => {
      for (let i = 0; i < names.length; i++) {
        (schemas[i] as Schema<unknown>).write(writer, (value as Record<string, unknown>)[names[i] as string]);
      }
    },
    read: (reader) => {
      const value: Record<string, unknown> = {};
      for (let i = 0; i < names.length; i++) {
        value[names[i] as string] = (schemas[i] as Schema<unknown>).read(reader);
      }
      return value as T;
    },
    layout: `{${names.map((name, i) => `${name}:${(schemas[i] as Schema<unknown>).layout}`).join(',')}}`,
  };
}
