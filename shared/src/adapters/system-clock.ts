import type { Clock, Scheduler } from '../host/ports.ts';

export const systemClock: Clock = {
  now: () => ({ monoMs: performance.now(), wallMs: Date.now() }),
};

/** `setImmediate` runs after the I/O that has already arrived: a turn's batch is what came in together. */
export function systemScheduler(): Scheduler {
  let timeout: NodeJS.Timeout | undefined;
  return {
    defer: (run) => {
      setImmediate(run);
    },
    alarm: (ms, run) => {
      clearTimeout(timeout);
      timeout = setTimeout(run, Math.ceil(ms));
    },
  };
}
