import type { MessageOf } from '@circlet/shared/protocol/message.ts';
import type { SwimMessage } from '@circlet/shared/membership/contract.ts';

/** The gossip machine's messages as they travel. */
export function toWire(message: SwimMessage): MessageOf<'swim'> {
  return {
    kind: 'swim',
    step: message.kind,
    seq: message.seq,
    incarnation: message.incarnation,
    target: message.kind === 'pingRequest' ? [message.target] : [],
    reached: message.kind === 'pingReport' && message.reached,
    updates: message.updates,
  };
}

/** Undefined when the fields do not fit the step. */
export function fromWire(wire: MessageOf<'swim'>): SwimMessage | undefined {
  const { seq, incarnation, updates } = wire;
  if (wire.step === 'pingReport')
    return { kind: 'pingReport', seq, incarnation, updates, reached: wire.reached };
  if (wire.step !== 'pingRequest') return { kind: wire.step, seq, incarnation, updates };
  const [target] = wire.target;
  return target === undefined ? undefined : { kind: 'pingRequest', seq, incarnation, updates, target };
}
