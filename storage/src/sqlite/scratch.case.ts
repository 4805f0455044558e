import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** In memory where there is such a place: what is tested is which calls are made, not the disk below them. */
const ROOT = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A directory of this test file's own, gone when the file is done. */
export function scratch(): string {
  const directory = mkdtempSync(join(ROOT, 'circlet-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export const COMMITTER = join(import.meta.dirname, 'committer.case.ts');

/** Whether a tool of the machine works. A test that is skipped for the want of it says so. */
export function works(what: string, command: string, ...args: readonly string[]): boolean {
  const { status } = spawnSync(command, args, { stdio: 'ignore' });
  if (status === 0) return true;
  process.stderr.write(`\nSKIPPED: ${what}: "${command} ${args.join(' ')}" does not work here\n\n`);
  return false;
}
