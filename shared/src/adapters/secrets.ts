import { hkdfSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type SipKey, sipKey } from '../hash/siphash.ts';

/**
 * The cluster's secrets, from a file of lines:
 *
 *     cluster 9f86d081884c7d659a2feaa0c55ad015        keys digests and founding; fixed for the life of the cluster
 *     context k2 60303ae22b998861bce3b28f33eec1be sign   signs causal contexts
 *     context k1 fd61a03af4f77d870fc21e05e7e80095        still verifies them
 *
 * Exactly one context key signs. To rotate, add the new key without `sign` everywhere, then move `sign` to it, and keep
 * the old one for as long as clients hold contexts: 30 days at least (protocol.md, rule 18).
 */
export interface Secrets {
  readonly clusterKey: SipKey;
  readonly contextKeys: ReadonlyMap<string, SipKey>;
  /** The id of the context key that signs. */
  readonly signWith: string;
}

export class SecretsError extends Error {
  override name = 'SecretsError';
}

export function readSecrets(path: string): Secrets {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new SecretsError(`cannot read the secrets file ${path} (${code}): create it, or name another`);
  }
  return parseSecrets(text, path);
}

export function parseSecrets(text: string, path: string): Secrets {
  let cluster: Uint8Array | undefined;
  const contextKeys = new Map<string, SipKey>();
  const signing: string[] = [];
  text.split('\n').forEach((line, i) => {
    const words = line.trim().split(/\s+/);
    const where = `${path}:${i + 1}`;
    if (words[0] === '' || words[0]?.startsWith('#')) return;
    if (words[0] === 'cluster' && words.length === 2) {
      cluster = hex(words[1], where);
    } else if (
      words[0] === 'context' &&
      (words.length === 3 || (words.length === 4 && words[3] === 'sign'))
    ) {
      const id = words[1] ?? '';
      if (!KEY_ID.test(id)) throw new SecretsError(`${where}: a context key id is 1 to 8 letters and digits`);
      if (contextKeys.has(id)) throw new SecretsError(`${where}: the context key ${id} is there twice`);
      contextKeys.set(id, derive(hex(words[2], where), 'context'));
      if (words.length === 4) signing.push(id);
    } else {
      throw new SecretsError(`${where}: expected "cluster HEX" or "context ID HEX [sign]"`);
    }
  });
  if (cluster === undefined) throw new SecretsError(`${path}: the line "cluster HEX" is missing`);
  const [signWith] = signing;
  if (signWith === undefined || signing.length !== 1) {
    throw new SecretsError(`${path}: exactly one context key must be marked "sign", not ${signing.length}`);
  }
  return { clusterKey: derive(cluster, 'cluster'), contextKeys, signWith };
}

/** The text of a fresh secrets file. */
export function newSecrets(): string {
  return `# Circlet secrets: keep private, give the same file to every pod of the cluster\ncluster ${newKey()}\ncontext k1 ${newKey()} sign\n`;
}

function newKey(): string {
  return randomBytes(32).toString('hex');
}

const KEY_ID = /^[A-Za-z0-9]{1,8}$/;

function hex(text: string | undefined, where: string): Uint8Array {
  if (text === undefined || !/^(?:[0-9a-f]{2}){16,64}$/i.test(text)) {
    throw new SecretsError(`${where}: a key is 16 to 64 bytes in hex (openssl rand -hex 32)`);
  }
  return Buffer.from(text, 'hex');
}

function derive(secret: Uint8Array, use: string): SipKey {
  return sipKey(new Uint8Array(hkdfSync('sha256', secret, '', `circlet ${use}`, 16)));
}
