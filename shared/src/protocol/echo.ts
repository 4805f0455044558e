import { nodeName } from '../causality/dot.ts';
import { ascii, bool, type Infer, list, struct, varint, word } from '../codec/schema.ts';
import { filling } from './change.ts';
import { NODES_MAX } from './limits.ts';

/**
 * A coordinator asks every storage pod for its pulse about once a second: the round trip measures reachability and the
 * offset between the two monotonic clocks, and the answer carries what operators ask about a node.
 */
export const echo = struct({
  id: varint,
  /** The coordinator's monotonic clock when it sent. */
  sentMs: varint,
});

export const liveness = word('alive', 'suspect', 'down');

const owedTo = struct({ target: nodeName, keys: varint });

export const echoed = struct({
  id: varint,
  sentMs: varint,
  /** The answering pod's monotonic clock. */
  monoMs: varint,
  wallMs: varint,
  ready: bool,
  writable: bool,
  version: ascii(32, /^[0-9A-Za-z.+-]*$/),
  keys: varint,
  bytes: varint,
  hintsHeld: list(owedTo, NODES_MAX),
  /** 0 when no hint is held. */
  oldestHintAgeMs: varint,
  members: list(struct({ name: nodeName, status: liveness, incarnation: varint }), NODES_MAX),
  filling,
});

export type Echo = Infer<typeof echo>;
export type Echoed = Infer<typeof echoed>;
