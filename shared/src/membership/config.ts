/** Local tuning of one node's failure detector. Nothing here is on the wire: nodes may differ while a change rolls out. */
export interface SwimConfig {
  /**
   * One probe per this many milliseconds. Every member is looked at once per roster round, so halving it halves the
   * time to notice a crash and doubles the idle traffic (two messages sent per node and interval).
   */
  readonly probeIntervalMs: number;
  /**
   * Wait for a direct ack, in milliseconds, before asking helpers; a helper waits as long before it reports failure.
   * Choose the 99.9th percentile of a round trip plus a garbage collection. Too low and every blip costs the helpers
   * traffic; at half the interval or more a helper's report would come after the verdict.
   */
  readonly probeTimeoutMs: number;
  /** Helpers asked per silent target. With 20 % loss each way, 3 cut false failures from 36 % of probes to about 7 %. */
  readonly indirectProbes: number;
  /**
   * Shortest wait from our own failed probe to `down`, as a multiple of max(1, log10(members + 1)) x interval: the
   * time an accusation takes to reach the accused and its answer to come back.
   */
  readonly suspicionMultiplier: number;
  /**
   * Longest wait, as a multiple of the shortest: used while nobody confirms, which is how the world looks from a node
   * whose own network is ill. Lifeguard takes 6; 3 is enough here, because hearsay alone never ends in `down`.
   */
  readonly suspicionMaxMultiplier: number;
  /** Independent accusers after which the wait is at its shortest (Lifeguard's K); capped by members - 2. */
  readonly confirmationsWanted: number;
  /** An update rides on this many x ceil(log10(members + 1)) messages of each node. Below 3, loss starts to eat news. */
  readonly transmitMultiplier: number;
  /** Most updates in one message, sent or believed. 16 names of 64 bytes keep a message near 1 KiB, one packet. */
  readonly updatesPerMessageMax: number;
  /**
   * Ceiling of the local health score; interval and timeout stretch by score + 1. High forgives an overloaded node
   * more and lets it notice crashes later: 4 means five times later at worst.
   */
  readonly awarenessMax: number;
}

export const SWIM_DEFAULTS: SwimConfig = {
  probeIntervalMs: 1_000,
  probeTimeoutMs: 300,
  indirectProbes: 3,
  suspicionMultiplier: 4,
  suspicionMaxMultiplier: 3,
  confirmationsWanted: 3,
  transmitMultiplier: 4,
  updatesPerMessageMax: 16,
  awarenessMax: 4,
};

/**
 * Defaults overlaid with `config`.
 * @throws RangeError when the numbers contradict each other: a mistake of the host, not of a peer.
 */
export function swimConfig(config: Partial<SwimConfig> = {}): SwimConfig {
  const merged = { ...SWIM_DEFAULTS, ...config };
  if (!(merged.probeTimeoutMs > 0 && 2 * merged.probeTimeoutMs < merged.probeIntervalMs))
    throw new RangeError('probeTimeoutMs must be above 0 and below half of probeIntervalMs');
  if (!(merged.suspicionMultiplier > 0 && merged.suspicionMaxMultiplier >= 1))
    throw new RangeError('suspicionMultiplier must be above 0 and suspicionMaxMultiplier at least 1');
  // Two places are reserved: a message may carry a claim about its receiver and one about the target it asks for.
  if (!(merged.updatesPerMessageMax >= 3)) throw new RangeError('updatesPerMessageMax must be at least 3');
  return merged;
}
