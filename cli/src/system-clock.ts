import { setTimeout as sleepFor } from 'node:timers/promises';
import { Interrupted, type RetryClock } from './retry.ts';

export const systemClock: RetryClock = {
  now: () => performance.now(),
  random: () => Math.random(),
  sleep: async (ms, signal) => {
    try {
      await sleepFor(ms, undefined, { signal });
    } catch {
      throw new Interrupted();
    }
  },
};
