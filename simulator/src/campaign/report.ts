import type { Outcome } from '../swarm/outcome.ts';
import type { Plan } from '../swarm/plan.ts';
import { byName, count, seconds } from './figures.ts';

/** What a plan is, in a few lines. */
export function planLines({ seed, shape, network, steps, busyMs }: Plan): readonly string[] {
  const faults = steps.filter(({ kind }) => kind === 'fault').length;
  return [
    `seed ${seed}`,
    `cluster     ${shape.storage} storage pods in ${shape.zones} zones, ${shape.coordinators} coordinators, ` +
      `N=${shape.replicas}, ${shape.vnodes} vnodes`,
    `limits      ${shape.hintKeysMax} hinted keys, ${shape.siblingsMax} siblings, ${shape.requestsMax} requests`,
    `repair      ${repairOf(shape)}`,
    `clocks      ${Math.round(shape.wallSkewMs)} ms apart, drift ${Math.round(shape.drift * 1e6)} ppm`,
    `network     hop ${network.hopMs} ms, loss ${percent(network.loss)}, duplicated ${percent(network.duplicate)}, ` +
      `late ${percent(network.delay)} by up to ${network.delayMs} ms`,
    `load        ${shape.clients} clients, ${shape.keys} keys, ${steps.length - faults} operations and ${faults} faults ` +
      `within ${seconds(busyMs)}`,
  ];
}

/** What came of it: the last line is the trace, which is equal in every run of this seed at this commit. */
export function outcomeLines(outcome: Outcome): readonly string[] {
  const { operations, succeeded, answered, faults, virtualMs, convergedMs, violations, trace } = outcome;
  const { excusedByUnknown } = outcome;
  return [
    `operations  ${count(operations)}, of which ${count(succeeded)} succeeded: ${byName(answered)}`,
    `faults      ${byName({ ...faults })}`,
    `simulated   ${seconds(virtualMs)}; converged ${seconds(convergedMs)} after everything was healed`,
    `excused     ${count(excusedByUnknown)} acknowledged writes that only writes of unknown outcome replaced`,
    violations.length === 0 ? 'violations  none' : `violations  ${count(violations.length)}`,
    ...violations.map(({ invariant, atMs, what }) => `${seconds(atMs).padStart(12)}  ${invariant}: ${what}`),
    `trace ${trace}`,
  ];
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}

function repairOf({ repair }: Plan['shape']): string {
  if (repair === undefined) return 'by reads and hints only';
  const { everyMs, bytesPerSecond, scrubRowsPerSecond } = repair;
  return `every ${everyMs} ms, ${bytesPerSecond} B/s, scrub of ${scrubRowsPerSecond} rows/s`;
}
