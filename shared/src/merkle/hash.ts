import type { Words128 } from '../hash/md5.ts';

/**
 * The hash of a range is the XOR of its rows': it changes with a row by two XORs, whatever the order, and that of a range
 * is that of its parts (invertible Bloom filters and Cassandra's trees pay for a rebuild instead).
 *
 * XOR is linear, so it must not be fed what a client can choose (protocol.md, rule 25): a row's hash is its place in the
 * ring XOR the digest of its state, a pseudo-random function under the cluster's secret that no answer to a client shows.
 * Two rows never share one: every state holds write-ids, and a write-id belongs to one key.
 */
export const NOTHING: Words128 = [0, 0, 0, 0];

/** `digest` is the 16-byte binary string that replicas compare states by. */
export function rowHash(prefix: number, digest: string): Words128 {
  const high = Math.floor(prefix / 2 ** 32);
  return [
    word(digest, 0) ^ high,
    word(digest, 4) ^ (prefix - high * 2 ** 32),
    word(digest, 8),
    word(digest, 12),
  ];
}

export function xor(a: Words128, b: Words128): Words128 {
  return [a[0] ^ b[0], a[1] ^ b[1], a[2] ^ b[2], a[3] ^ b[3]];
}

export function isNothing([a, b, c, d]: Words128): boolean {
  return (a | b | c | d) === 0;
}

/** All of it as a 16-byte binary string: what two owners compare first. */
export function wholeHash(hash: Words128): string {
  return shortHash(hash) + text(hash[2]) + text(hash[3]);
}

/** Half of it: enough to find where two trees differ that are known to, and half the bytes. */
export function shortHash(hash: Words128): string {
  return text(hash[0]) + text(hash[1]);
}

export const NOTHING_SHORT = shortHash(NOTHING);
export const NOTHING_WHOLE = wholeHash(NOTHING);

function word(digest: string, at: number): number {
  return (
    (digest.charCodeAt(at) << 24) |
    (digest.charCodeAt(at + 1) << 16) |
    (digest.charCodeAt(at + 2) << 8) |
    digest.charCodeAt(at + 3)
  );
}

function text(of: number): string {
  return String.fromCharCode(of >>> 24, (of >>> 16) & 0xff, (of >>> 8) & 0xff, of & 0xff);
}
