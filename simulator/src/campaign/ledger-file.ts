import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Counts } from './counts.ts';
import { type SeedRange, without } from './seed-range.ts';

/**
 * The campaign's ledger: a line of JSON for each chunk of seeds that is finished, only ever appended, so that a campaign
 * that was interrupted goes on where it was. A line that is not whole counts as not written, and its seeds run again.
 */
export interface Entry extends Counts, SeedRange {
  /** What was run; names the changes too when the work tree had any. */
  readonly commit: string;
}

export function defaultLedger(name: string): string {
  return `simulator/ledger/${name}.jsonl`;
}

export function read(path: string): readonly Entry[] {
  return using(path, 'read', () => {
    if (!existsSync(path)) return [];
    return readFileSync(path, 'utf8').split('\n').flatMap(parse);
  });
}

export function append(path: string, entry: Entry): void {
  using(path, 'written', () => {
    mkdirSync(dirname(path), { recursive: true });
    appendFileSync(path, `${endsTorn(path) ? '\n' : ''}${JSON.stringify(entry)}\n`);
  });
}

/** Which of the wanted seeds this commit has not run. */
export function remaining(
  entries: readonly Entry[],
  commit: string,
  wanted: SeedRange,
): readonly SeedRange[] {
  return without(
    wanted,
    entries.filter((entry) => entry.commit === commit),
  );
}

function using<T>(path: string, how: 'read' | 'written', work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(
      `The ledger ${path} cannot be ${how} (${code}): name another with --ledger, or use --no-ledger.`,
      {
        cause: error,
      },
    );
  }
}

function parse(line: string): readonly Entry[] {
  try {
    const entry = JSON.parse(line) as Partial<Entry> | null;
    return entry?.commit === undefined || entry.violations === undefined ? [] : [entry as Entry];
  } catch {
    return [];
  }
}

/** Whoever wrote last died in the middle of a line: the next line must not become part of it. */
function endsTorn(path: string): boolean {
  if (!existsSync(path)) return false;
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const last = new Uint8Array(1);
    return size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
  } finally {
    closeSync(file);
  }
}
