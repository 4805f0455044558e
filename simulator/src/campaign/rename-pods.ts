import type { FaultStep, Step } from '../swarm/plan.ts';

/** The new name of a pod; undefined when it is no longer there. */
export type Rename = (pod: string) => string | undefined;

export function podsNamedBy(step: Step): readonly string[] {
  if (step.kind === 'client') return [];
  if ('pod' in step) return [step.pod];
  if ('left' in step) return [...step.left, ...step.right];
  return 'from' in step ? [step.from, step.to] : [];
}

/** The step with pods under their new names; nothing when what it does needs one that is gone. */
export function renamePods(step: Step, rename: Rename): readonly Step[] {
  return step.kind === 'client' ? [step] : renameInFault(step, rename);
}

function renameInFault(step: FaultStep, rename: Rename): readonly Step[] {
  if ('pod' in step) {
    const pod = rename(step.pod);
    return pod === undefined ? [] : [{ ...step, pod }];
  }
  if ('left' in step) {
    const left = step.left.flatMap((pod) => rename(pod) ?? []);
    const right = step.right.flatMap((pod) => rename(pod) ?? []);
    return left.length === 0 || right.length === 0 ? [] : [{ ...step, left, right }];
  }
  if ('from' in step) {
    const from = rename(step.from);
    const to = rename(step.to);
    return from === undefined || to === undefined ? [] : [{ ...step, from, to }];
  }
  return [step];
}
