import { accessSync, constants, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Where the files of this process's disks lie: one directory, made when it is first asked for and gone when the process
 * ends by itself. What one leaves that was killed is swept by the next: a handler of signals would make a loop that never
 * yields deaf to them.
 */
let directory: string | undefined;

export function scratch(): string {
  directory ??= newScratch(memoryOr(tmpdir()));
  return directory;
}

const PREFIX = 'circlet-sim-';
const SHARED_MEMORY = '/dev/shm';
const TMPFS = 0x01021994;
/** A world of five disks with full logs (16 MB), each copied once, needs 200 MB; containers often have 64 MB. */
const ROOM_BYTES_MIN = 512 * 1024 * 1024;

function newScratch(root: string): string {
  sweep(root);
  const made = mkdtempSync(join(root, `${PREFIX}${process.pid}-`));
  process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A commit syncs: 5 us in memory, and 100 us to 10 ms on a disk. */
function memoryOr(otherwise: string): string {
  try {
    const { type, bavail, bsize } = statfsSync(SHARED_MEMORY);
    accessSync(SHARED_MEMORY, constants.W_OK);
    return type === TMPFS && bavail * bsize >= ROOM_BYTES_MIN ? SHARED_MEMORY : otherwise;
  } catch {
    return otherwise;
  }
}

function sweep(root: string): void {
  for (const name of readdirSync(root)) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    try {
      rmSync(join(root, name), { recursive: true, force: true });
    } catch {
      // Another user's, or another process sweeps it at the same time.
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, for somebody else.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}
