import { createHash, hash } from 'node:crypto';

/**
 * Names each record of an import, the same way in every run, so that the cluster takes the attempts of all runs for
 * one write. The name comes from what is written (bucket, key, type, value) and from how often exactly that has come
 * before in the input. It does not come from the line number: records may be added, sorted, or split over several
 * files, and those that were stored keep their names.
 */
const VERSION = 'circlet-import-1';

/** What a record writes, hashed: the part of its name that its place in the input has no say in. */
export function identityOf(record: {
  bucket: string;
  key: string;
  contentType: string;
  value: Uint8Array;
}): string {
  const sha = createHash('sha256');
  // Lengths first: "a" + "bc" must not hash like "ab" + "c".
  for (const part of [VERSION, record.bucket, record.key, record.contentType]) {
    sha.update(`${Buffer.byteLength(part)}:`);
    sha.update(part);
  }
  sha.update(record.value);
  return sha.digest('base64url');
}

/** `occurrence`: how many records of this identity came before, 0 for nearly all. */
export function idempotencyKey(identity: string, occurrence: number): string {
  return occurrence === 0 ? `import-${identity}` : `import-${identity}-${occurrence}`;
}

/**
 * Counts how often a text has come before, among about the last `recent` different ones. Forgetting keeps memory
 * constant, and is harmless: a record that repeats one from further back gets the name of the first, is taken for
 * the same write, and that write is already there. It forgets by the input alone, so every run forgets the same.
 */
export class Repeats {
  readonly #halfMax: number;
  #young = new Map<string, number>();
  #old = new Map<string, number>();

  constructor(recent = 100_000) {
    this.#halfMax = Math.max(1, Math.ceil(recent / 2));
  }

  /** 0 the first time, then 1, 2, ... */
  count(text: string): number {
    const before = this.#young.get(text) ?? this.#old.get(text) ?? 0;
    this.#young.set(text, before + 1);
    if (this.#young.size >= this.#halfMax) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    return before;
  }
}

/** A key as Repeats keeps it: a hundred thousand of 1,024 bytes each would be a lot to remember. */
export function keyDigest(key: string): string {
  return hash('sha256', key, 'base64url').slice(0, 20);
}
