import {
  type Fields,
  ShapeError,
  amount,
  fieldsOf,
  isFields,
  listOf,
  optionalAmount,
  optionalText,
  text,
  texts,
} from './shape.ts';

/** What the calls of the contract answer, and how that is read out of JSON. */

/** One of the values that a key has at the moment; several are concurrent writes that nobody has resolved. */
export interface Sibling {
  readonly etag: string | undefined;
  readonly contentType: string;
  /** As the coordinator wrote it. */
  readonly lastModified: string | undefined;
  readonly meta: Readonly<Record<string, string>>;
  /** A concurrent delete: the value is empty. */
  readonly deleted: boolean;
  readonly value: Buffer;
}

export type GetResult =
  | { readonly kind: 'value'; readonly context: string | undefined; readonly sibling: Sibling }
  | { readonly kind: 'siblings'; readonly context: string | undefined; readonly siblings: readonly Sibling[] }
  /** The context is there when the key was deleted, so that a re-create can name the delete. */
  | { readonly kind: 'missing'; readonly context: string | undefined };

export interface WriteResult {
  /** What the writer sent, plus this write; the next write of the same key sends it. */
  readonly context: string | undefined;
  readonly etag: string | undefined;
}

export interface ClusterInfo {
  readonly clusterId: string;
  readonly epoch: number;
  readonly partitions: number;
  readonly replicas: number;
  readonly version: string | undefined;
}

export interface NodeInfo {
  readonly name: string;
  readonly id: string | undefined;
  readonly zone: string | undefined;
  readonly state: string;
  readonly status: string;
  readonly vnodes: number | undefined;
  readonly keys: number | undefined;
  readonly bytes: number | undefined;
  readonly hints: {
    readonly held: number | undefined;
    readonly owed: number | undefined;
    readonly oldestAgeMs: number | undefined;
  };
  readonly version: string | undefined;
}

export interface Location {
  readonly vnode: number | string;
  readonly position: string;
  readonly preferenceList: readonly {
    readonly node: string;
    readonly role: string;
    readonly status: string;
  }[];
}

export function readSiblings(answer: unknown): Sibling[] {
  return listOf(fieldsOf(answer, 'the answer'), 'siblings', readSibling);
}

function readSibling(fields: Fields): Sibling {
  const deleted = fields['deleted'] === true;
  return {
    etag: optionalText(fields, 'etag'),
    contentType: optionalText(fields, 'contentType') ?? 'application/octet-stream',
    lastModified: optionalText(fields, 'lastModified'),
    meta: texts(fields, 'meta'),
    deleted,
    value: deleted ? Buffer.alloc(0) : fromBase64(text(fields, 'valueBase64')),
  };
}

/** Buffer.from skips what is not base64; a value with a hole in it must not pass for one. */
function fromBase64(encoded: string): Buffer {
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.toString('base64') !== encoded) throw new ShapeError('"valueBase64" is not base64');
  return bytes;
}

export function readCluster(answer: unknown): ClusterInfo {
  const fields = fieldsOf(answer, 'the answer');
  return {
    clusterId: text(fields, 'clusterId'),
    epoch: amount(fields, 'epoch'),
    partitions: amount(fields, 'partitions'),
    replicas: amount(fields, 'replicas'),
    version: optionalText(fields, 'version'),
  };
}

export function readNodes(answer: unknown): NodeInfo[] {
  return listOf(fieldsOf(answer, 'the answer'), 'nodes', (fields) => {
    const hints = fields['hints'];
    const counts = isFields(hints) ? hints : {};
    return {
      name: text(fields, 'name'),
      id: optionalText(fields, 'id'),
      zone: optionalText(fields, 'zone'),
      state: text(fields, 'state'),
      status: text(fields, 'status'),
      vnodes: optionalAmount(fields, 'vnodes'),
      keys: optionalAmount(fields, 'keys'),
      bytes: optionalAmount(fields, 'bytes'),
      hints: {
        held: optionalAmount(counts, 'held'),
        owed: optionalAmount(counts, 'owed'),
        oldestAgeMs: optionalAmount(counts, 'oldestAgeMs'),
      },
      version: optionalText(fields, 'version'),
    };
  });
}

export function readLocation(answer: unknown): Location {
  const fields = fieldsOf(answer, 'the answer');
  return {
    vnode: optionalAmount(fields, 'vnode') ?? text(fields, 'vnode'),
    position: text(fields, 'position'),
    preferenceList: listOf(fields, 'preferenceList', (entry) => ({
      node: text(entry, 'node'),
      role: text(entry, 'role'),
      status: text(entry, 'status'),
    })),
  };
}

/** `status` of each operation, what it wrote, and its problem when it failed. */
export interface BatchResult {
  readonly status: number;
  readonly context: string | undefined;
  readonly etag: string | undefined;
  readonly problem: unknown;
}

export function readBatch(answer: unknown, operations: number): BatchResult[] {
  const results = listOf(fieldsOf(answer, 'the answer'), 'results', (fields) => ({
    status: amount(fields, 'status'),
    context: optionalText(fields, 'context'),
    etag: optionalText(fields, 'etag'),
    problem: fields['problem'],
  }));
  if (results.length !== operations) {
    throw new ShapeError(`${results.length} results for ${operations} operations`);
  }
  return results;
}
