import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What processes have used, from /proc: the figure that survives a noisy machine. Linux only. */
const TICK_US = 1e6 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** User plus system microseconds of all threads of the processes so far. */
export function cpuUs(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Behind the name, which may contain anything: state is the first field, utime the 12th, stime the 13th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * TICK_US;
}

/** The most memory that the process has had resident, MiB. */
export function peakMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}

/** Cache flushes that all disks of the machine have completed. */
export function deviceFlushes(): number {
  return readFileSync('/proc/diskstats', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => /^(?:[sv]d[a-z]+|nvme\d+n\d+)$/.test(fields[2] ?? ''))
    .reduce((sum, fields) => sum + Number(fields[18] ?? 0), 0);
}
