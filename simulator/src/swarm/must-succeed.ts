import type { Call } from '../call.ts';
import type { ReplicaWatch } from '../checks/replica-watch.ts';
import type { Story } from '../story.ts';
import type { PlanKey } from './clients.ts';
import type { Faults } from './faults.ts';
import type { ClientStep, Plan } from './plan.ts';

/** What pods believe of each other is as old as this at the most. */
const SETTLED_MS = 6_000;
/** Hints of an outage have come home by then, of which a session may have seen one. */
const DRAINED_MS = 20_000;

/**
 * Whether a call that failed should not have: nothing has been wrong for a while but dead pods, and those that are left
 * are enough for what was asked. Availability is a promise too: a store that refuses everything loses nothing.
 */
export function mustSucceed(of: {
  readonly plan: Plan;
  readonly story: Story;
  readonly faults: Faults;
  readonly watch: ReplicaWatch;
  readonly key: PlanKey;
  readonly step: ClientStep;
  readonly call: Call;
}): boolean {
  const { plan, story, faults, watch, key, step, call } = of;
  const enoughMs = plan.network.hopMs <= 1 ? 200 : 1_000;
  if (!isShortOfReplicas(call) || step.quorum.timeoutMs < enoughMs || plan.shape.hintKeysMax < 1_000)
    return false;
  if (faults.isReplacing || watch.lastRefilledMs >= call.askedMs - SETTLED_MS) return false;
  // While vnodes move, two nodes of a slot have to be there.
  if (watch.topologies.isMoving || watch.lastMovedMs >= call.askedMs - SETTLED_MS) return false;
  if (!faults.isCalmSince(call.askedMs)) return false;
  if (watch.isInDoubtSince(key.key, call.askedMs)) return false;
  const isUp = (pod: string) =>
    story.world.isRunning(pod) && !faults.isDisturbedSince(pod, call.askedMs - SETTLED_MS);
  if (!isUp(call.coordinator)) return false;
  const members = watch.topologies.newest?.topology.members.map(({ name }) => name) ?? [];
  const owners = watch.ownersOf(key.key).filter(isUp).length;
  const nodes = members.filter(isUp).length;
  const { request } = call;
  const { r, w, pr, pw, sloppy } = request.quorum;
  const canRead = owners >= Math.max(r, pr);
  // A session may have seen what is with an owner that is down.
  if (request.kind === 'get')
    return canRead && (request.atLeast === undefined || (owners === key.owners && isQuiet(of)));
  const readsFirst =
    request.condition !== undefined || (request.write.deleted && request.context === undefined);
  const canWrite = sloppy ? nodes >= w && owners >= pw : owners >= Math.max(w, pw);
  return canWrite && (!readsFirst || canRead);
}

function isQuiet({ story, faults, watch, call }: Parameters<typeof mustSucceed>[0]): boolean {
  const sinceMs = call.askedMs - DRAINED_MS;
  return (
    !watch.hasForgotten &&
    faults.isCalmSince(sinceMs) &&
    !story.world.storage.some((pod) => faults.isDisturbedSince(pod, sinceMs))
  );
}

function isShortOfReplicas({ answer }: Call): boolean {
  if (answer === undefined) return true;
  if (answer.kind !== 'failed') return false;
  const { code } = answer.failure;
  return code === 'quorum_unavailable' || code === 'timeout' || code === 'stale_replicas';
}
