import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface Commit {
  /** For people and files: `<hash>`, or `<hash>-dirty`. */
  readonly name: string;
  /**
   * For the ledger: in a dirty work tree it also has a digest of the changes. Without it, a seed that failed before an
   * edit would be skipped after it.
   */
  readonly id: string;
}

/** What campaigns write themselves does not make a work tree dirty. */
const OURS = [':(exclude)simulator/ledger', ':(exclude)simulator/failures'];

/** Undefined where git or its repository is missing. */
export function commitOf(root: string): Commit | undefined {
  try {
    const hash = git(root, 'rev-parse', '--short=12', 'HEAD').toString().trim();
    const changes = git(root, 'diff', '--binary', 'HEAD', '--', '.', ...OURS);
    const added = git(
      root,
      'ls-files',
      '-z',
      '--others',
      '--exclude-standard',
      '--',
      '.',
      ...OURS,
    ).toString();
    const files = added.split('\0').filter((file) => file !== '');
    if (changes.length === 0 && files.length === 0) return { name: hash, id: hash };
    return { name: `${hash}-dirty`, id: `${hash}-dirty-${digest(root, changes, files)}` };
  } catch {
    return undefined;
  }
}

function digest(root: string, changes: Uint8Array, files: readonly string[]): string {
  const hash = createHash('sha1').update(changes);
  for (const file of files) hash.update(`\0${file}\0`).update(contentOf(join(root, file)));
  return hash.digest('hex').slice(0, 12);
}

/** A link to a folder or a repository within this one has only its name. */
function contentOf(path: string): Uint8Array {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ? readFileSync(path) : new Uint8Array();
}

function git(root: string, ...args: readonly string[]): Buffer {
  return execFileSync('git', args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 2 ** 28 });
}
