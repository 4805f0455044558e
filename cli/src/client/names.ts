/** What the contract says of buckets and keys, said before anything is sent. */
export const BUCKET_BYTES_MAX = 128;
export const KEY_BYTES_MAX = 1024;

/** Why the text cannot be a bucket or a key, or undefined. */
export function nameFault(kind: 'bucket' | 'key', name: string): string | undefined {
  const bytesMax = kind === 'bucket' ? BUCKET_BYTES_MAX : KEY_BYTES_MAX;
  if (name === '') return `the ${kind} is empty`;
  if (name === '.' || name === '..') return `the ${kind} is "${name}", which a path cannot carry`;
  if (!name.isWellFormed()) return `the ${kind} is not valid Unicode`;
  if (name.includes('\0')) return `the ${kind} contains a NUL`;
  const bytes = Buffer.byteLength(name);
  if (bytes > bytesMax) return `the ${kind} is ${bytes} bytes long, and ${bytesMax} is the most`;
  return undefined;
}

/** `bucket/key` as two path segments. */
export function encodePath(bucket: string, key: string): string {
  return `${encodeURIComponent(bucket)}/${encodeURIComponent(key)}`;
}
