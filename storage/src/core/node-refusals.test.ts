import type { FrameHeader } from '@circlet/shared/protocol/frame.ts';
import { TIMEOUT_MS_MAX } from '@circlet/shared/protocol/limits.ts';
import type { RefusalReason } from '@circlet/shared/protocol/replica.ts';
import { encodeTopology, NO_TOPOLOGY } from '@circlet/shared/ring/topology.ts';
import { describe, expect, it } from 'vitest';
import { copyOf } from './one-key.case.ts';
import type { Net, Pod } from './pods.case.ts';
import { each, elsewhere, FIVE, five, isUntouched, lead, merge, read, refusals } from './requests.case.ts';

interface Refused {
  readonly reason: RefusalReason;
  readonly header?: (a: Pod) => Partial<FrameHeader>;
  readonly more?: (net: Net) => object;
}

/** Each kind of request, sent so; what was answered, and that nothing was stored. */
function expectRefused({ reason, header = () => ({}), more = () => ({}) }: Refused): Net {
  const { made, a } = five();
  for (const message of each(made, more(made))) {
    const answers = made.ask(a, message, header(a));
    expect(answers.at(-1)).toEqual({ kind: 'refused', id: message.id, reason, monoMs: 3000 });
  }
  expect(isUntouched(a)).toBe(true);
  return made;
}

describe('what is refused changes nothing, and says why and what time it is', () => {
  it('a request to another life, or to any', () => {
    for (const toBoot of ['earlierlife', undefined]) {
      const made = expectRefused({ reason: 'wrong_boot', header: () => ({ toBoot }) });
      expect(made.messages('refused', 'a')).toHaveLength(3);
    }
  });

  it('a request past its deadline, which is in this pod’s clock', () => {
    expectRefused({ reason: 'expired', more: ({ nowMs }) => ({ deadlineMs: nowMs - 1 }) });
    const { made, a } = five();
    expect(refusals(made.ask(a, read(made, { deadlineMs: made.nowMs })))).toEqual([]);
  });

  it('a deadline further away than any that is given: the sender has this clock wrong', () => {
    expectRefused({ reason: 'expired', more: () => ({ deadlineMs: Number.MAX_SAFE_INTEGER }) });
    const { made, a } = five();
    expect(refusals(made.ask(a, read(made, { deadlineMs: made.nowMs + TIMEOUT_MS_MAX })))).toEqual([]);
  });

  it('a request of an older epoch, and the sender is told the topology', () => {
    const made = expectRefused({
      reason: 'wrong_epoch',
      header: () => ({ epoch: 0, topology: NO_TOPOLOGY }),
    });
    const told = { kind: 'topologyTold', document: encodeTopology(FIVE) };
    expect(made.messages('topologyTold', 'a')).toEqual([told, told, told]);
  });

  it('a request of a newer epoch, and the sender is asked for the topology', () => {
    const later = { epoch: 2, topology: 'x'.repeat(16) };
    const made = expectRefused({ reason: 'wrong_epoch', header: () => later });
    expect(made.messages('topologyAsk', 'a')).toHaveLength(3);
    expect(made.pod('a').epoch).toBe(1);
  });

  it('a request under another document of this epoch, and the sender is told the topology', () => {
    const { made, a } = five();
    const answers = made.ask(a, read(made), { topology: 'x'.repeat(16) });
    expect(answers).toMatchObject([
      { kind: 'topologyTold', document: encodeTopology(FIVE) },
      { kind: 'refused', reason: 'wrong_epoch' },
    ]);
    // It may come from a coordinator that is all that is left of an earlier cluster: nobody else is refused for it.
    expect(made.events('a')).not.toContain('topology_conflict');
    expect(made.ask(a, read(made))).toMatchObject([{ kind: 'found' }]);
  });

  it('a request before this pod is ready', () => {
    const { made, a } = five();
    made.handle(a, { kind: 'bus', up: false });
    for (const message of each(made)) expect(refusals(made.ask(a, message))).toEqual(['not_ready']);
    expect(isUntouched(a)).toBe(true);
  });

  it('a write for a key that this pod does not own and is not asked to hold for its owners', () => {
    const { made, e } = five();
    const [toLead, toMerge] = each(made);
    for (const message of [toLead, toMerge]) expect(refusals(made.ask(e, message))).toEqual(['not_owner']);
    expect(isUntouched(e)).toBe(true);
  });

  it('a hint for a slot that the vnode does not have: it would be owed to nobody for ever', () => {
    const { made, e } = five();
    for (const owedSlots of [0b1000, 0b1001, 0b1000_0000]) {
      expect(refusals(made.ask(e, lead(made, copyOf(1), { owedSlots })))).toEqual(['not_owner']);
      expect(refusals(made.ask(e, merge(made, elsewhere(1), { owedSlots })))).toEqual(['not_owner']);
    }
    expect(isUntouched(e)).toBe(true);
  });

  it('a write while the disk is full; reads go on', () => {
    const { made, a } = five();
    Object.assign(a.store, { readOnly: true });
    expect(each(made).map((message) => refusals(made.ask(a, message)))).toEqual([
      ['read_only'],
      ['read_only'],
      [],
    ]);
  });
});

describe('a request that is sent again', () => {
  it('with the right boot or clock, after it was refused for the wrong one, is obeyed', () => {
    const { made, a } = five();
    const message = lead(made, copyOf(1));
    expect(refusals(made.ask(a, message, { toBoot: 'earlierlife' }))).toEqual(['wrong_boot']);
    expect(refusals(made.ask(a, { ...message, deadlineMs: 1 }))).toEqual(['expired']);
    expect(made.ask(a, message)).toMatchObject([{ outcome: 'minted' }]);
  });

  it('to another life of the pod is refused, though the store has the write', () => {
    const { made, a } = five();
    const message = lead(made, copyOf(1));
    made.ask(a, message);
    const next = made.start('a', { store: a.store });
    made.run(3000);
    expect(refusals(made.ask(next, message, { toBoot: a.boot }))).toEqual(['wrong_boot']);
  });

  // The host forgets a silent sender after twice the longest deadline; what comes after that is refused for its own.
  it('when its deadline is long past is refused for that', () => {
    const { made, a } = five();
    const message = lead(made, copyOf(1), { deadlineMs: made.nowMs + TIMEOUT_MS_MAX });
    expect(made.ask(a, message)).toMatchObject([{ outcome: 'minted' }]);
    made.run(2 * TIMEOUT_MS_MAX);
    expect(refusals(made.ask(a, message))).toEqual(['expired']);
  });
});
