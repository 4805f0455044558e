import type { SwimConfig } from './config.ts';

/**
 * The case against one suspect as this node sees it. Hearsay fills `accusers`; only our own failed probe sets
 * `failedAtMs` and so starts the clock that may end in `down`.
 */
export interface Suspicion {
  /** Other members that accused it at this incarnation. Each speaks first hand: accusations are never relayed. */
  readonly accusers: Set<string>;
  /** When our own probe of it first failed, directly and indirectly, with no sign of life since. */
  failedAtMs: number | undefined;
  /** The only suspicion timer that still counts. */
  generation: number | undefined;
}

export function newSuspicion(): Suspicion {
  return { accusers: new Set(), failedAtMs: undefined, generation: undefined };
}

type SuspicionConfig = Pick<
  SwimConfig,
  'probeIntervalMs' | 'suspicionMultiplier' | 'suspicionMaxMultiplier' | 'confirmationsWanted'
>;

/**
 * Milliseconds from our own failed probe to `down` (Lifeguard IV-B). Starts at the maximum and shrinks with the
 * logarithm of the confirmations, so that the first one counts most: a node that alone sees a failure is likelier ill
 * itself. With nobody who could confirm (two members) it is the minimum at once.
 */
export function suspicionTimeoutMs(members: number, confirmations: number, config: SuspicionConfig): number {
  const min = config.suspicionMultiplier * Math.max(1, Math.log10(members + 1)) * config.probeIntervalMs;
  const wanted = Math.min(config.confirmationsWanted, members - 2);
  if (wanted <= 0) return Math.round(min);
  const max = config.suspicionMaxMultiplier * min;
  const heard = Math.log(Math.min(confirmations, wanted) + 1) / Math.log(wanted + 1);
  return Math.round(max - (max - min) * heard);
}
