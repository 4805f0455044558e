import { nodeName } from '../causality/dot.ts';
import { bool, type Infer, list, struct, varint, word } from '../codec/schema.ts';
import { liveness } from './echo.ts';

/** Gossip among storage pods (SWIM): who is reachable, never who owns what. */
export const swim = struct({
  step: word('ping', 'ack', 'pingRequest', 'pingReport'),
  seq: varint,
  incarnation: varint,
  /** Whom a ping request is about. */
  target: list(nodeName, 1),
  /** In a ping report: whether the target answered the helper. */
  reached: bool,
  updates: list(struct({ name: nodeName, status: liveness, incarnation: varint }), 16),
});

export type SwimWire = Infer<typeof swim>;
