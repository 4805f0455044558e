import type { RepairOptions } from '@circlet/storage/core/anti-entropy/anti-entropy.ts';
import type { CrashPoint } from '../world.ts';
import type { MessageKind } from '@circlet/shared/protocol/message.ts';

/**
 * A whole run as data: what the cluster is, what clients do, what goes wrong, and when. `draw-plan.ts` makes one from a
 * seed, `run-plan.ts` makes it happen, and a plan with some of its steps taken out is a plan again, which is how
 * `minimise.ts` shrinks a failing one. Nothing in a step depends on another step having happened.
 */
export interface Plan {
  readonly seed: number;
  readonly shape: Shape;
  readonly network: Network;
  /** In the order of their times. */
  readonly steps: readonly Step[];
  /** When the last fault is over, virtual milliseconds; clients go on a little longer. */
  readonly busyMs: number;
}

export interface Shape {
  readonly storage: number;
  /** Of these, the last so many run and are no members at first. */
  readonly spares: number;
  readonly coordinators: number;
  readonly zones: number;
  /** N. */
  readonly replicas: number;
  readonly vnodes: number;
  readonly keys: number;
  readonly clients: number;
  /** Small in seeds that are about full holders of hints. */
  readonly hintKeysMax: number;
  /** Background repair; in some runs there is none, so that it does not mend what reads and hints should. */
  readonly repair: RepairOptions | undefined;
  readonly siblingsMax: number;
  /** Requests that a coordinator has under way before it refuses more. */
  readonly requestsMax: number;
  /** How far apart wall clocks are, milliseconds. */
  readonly wallSkewMs: number;
  /** How much faster or slower than the world's a pod's clock may run: 0.0002 is 200 ppm. */
  readonly drift: number;
}

/** What the bus does to any frame at any time. Shares are in [0, 1]. */
export interface Network {
  /** A hop takes from half to one and a half times this, milliseconds. */
  readonly hopMs: number;
  readonly loss: number;
  readonly duplicate: number;
  /** Of frames that are late by up to `delayMs`, and so out of order. */
  readonly delay: number;
  readonly delayMs: number;
}

export type Step = ClientStep | FaultStep;

// ---- what clients do ----

/** How a client's write treats what is there. */
export type Verb =
  | 'get'
  /** With the context the client holds for the key, if any. */
  | 'put'
  | 'delete'
  /** A get, and a put with its context once that is answered: the client adds one element to a set. */
  | 'add'
  /** Without a context: a sibling of whatever is there. */
  | 'blindPut'
  | 'blindDelete';

export interface ClientStep {
  readonly kind: 'client';
  readonly atMs: number;
  /** Names the operation in stories; unique in its plan. */
  readonly id: number;
  readonly client: number;
  readonly key: number;
  /** Index of the coordinator; a retry goes through the next one. */
  readonly via: number;
  readonly verb: Verb;
  readonly quorum: {
    readonly r?: number;
    readonly w?: number;
    readonly pr?: number;
    readonly pw?: number;
    readonly sloppy: boolean;
    readonly timeoutMs: number;
  };
  /** A get that must be as new as what the client has seen. */
  readonly session: boolean;
  /** Under an Idempotency-Key, repeated up to so many times when its outcome is not known. */
  readonly retries: number;
  /** The same again after so long, as if its answer had been lost; undefined when it is not. Needs `retries`. */
  readonly repeatMs: number | undefined;
  readonly condition: 'absent' | 'exists' | undefined;
  readonly returnValue: boolean;
  /** Length of what is written beside its id. */
  readonly bytes: number;
  /** One bit of the context's token is flipped: it must be refused. */
  readonly tampered: boolean;
}

// ---- what goes wrong ----

/** Everything that goes wrong is over after `forMs`, or earlier when the run ends. Pods are named as in `World`. */
export type FaultStep = { readonly kind: 'fault'; readonly atMs: number; readonly forMs: number } & Fault;

export type Fault =
  /** kill -9, between two turns. */
  | { readonly fault: 'crash'; readonly pod: string }
  /** Dies in the turn that handles the next message of this kind. */
  | {
      readonly fault: 'crashInTurn';
      readonly pod: string;
      readonly on: MessageKind;
      readonly point: CrashPoint;
    }
  /** SIGTERM: what has arrived is done, and the store is closed. */
  | { readonly fault: 'stop'; readonly pod: string }
  | { readonly fault: 'freeze'; readonly pod: string }
  /** Every turn takes so much longer. */
  | { readonly fault: 'slow'; readonly pod: string; readonly turnMs: number }
  /** Frames from one side to the other vanish; both ways unless `oneWay`. A partial partition leaves somebody out. */
  | {
      readonly fault: 'partition';
      readonly left: readonly string[];
      readonly right: readonly string[];
      readonly oneWay: boolean;
    }
  /** Frames on this link are kept and come all at once when it is over. */
  | { readonly fault: 'clog'; readonly from: string; readonly to: string }
  /** The pod's connection to the bus is gone. */
  | { readonly fault: 'unplug'; readonly pod: string }
  | { readonly fault: 'busFreeze' }
  /** The bus server dies with all that is under way in it; pods reconnect when it is back. */
  | { readonly fault: 'busDeath' }
  /** The network is worse than usual; see {@link Network}. */
  | { readonly fault: 'storm'; readonly loss: number; readonly duplicate: number; readonly delay: number }
  /** So many frames of the past are delivered once more, some of them an hour old. */
  | { readonly fault: 'replay'; readonly frames: number }
  | { readonly fault: 'diskFull'; readonly pod: string }
  /** The next commit fails (EIO); whether it reached the disk all the same is `kept`. */
  | { readonly fault: 'writeError'; readonly pod: string; readonly kept: boolean }
  /** The pod is stopped, and comes back with an empty disk. It hears nothing of what it lacks before `refillMs` have passed. */
  | { readonly fault: 'wipe'; readonly pod: string; readonly refillMs: number }
  /** The pod is stopped, and comes back with its disk as it was so long ago. */
  | { readonly fault: 'restore'; readonly pod: string; readonly ageMs: number }
  /** A row or a hint that a running pod holds goes bad. */
  | { readonly fault: 'rot'; readonly pod: string; readonly key: number; readonly of: 'rows' | 'hints' }
  /** The pod is stopped, and a bit of one of its rows is flipped in its file. */
  | { readonly fault: 'flipRow'; readonly pod: string }
  /** The pod is killed, and a bit near the end of its write-ahead log is flipped: the log ends there. */
  | { readonly fault: 'flipLog'; readonly pod: string }
  /** An operator wants other members: `names` are pods, or none to cancel what is under way. */
  | {
      readonly fault: 'change';
      readonly verb: 'join' | 'leave' | 'replace' | 'weight' | 'cancel';
      readonly names: readonly string[];
      readonly weight: number;
      /** Whom it is asked of. */
      readonly pod: string;
    }
  /** The wall clock steps. */
  | { readonly fault: 'clockStep'; readonly pod: string; readonly ms: number };

export type FaultName = Fault['fault'];
