import type { Infer, Schema } from '../codec/schema.ts';
import { rowsAsk, rowsTold, treeNodes, treeRoots, treeRows } from './anti-entropy.ts';
import {
  epochAccept,
  epochAccepted,
  epochChosen,
  epochPrepare,
  epochPromise,
  epochRefused,
} from './epoch.ts';
import { candidate, changeAsk, changeTold, moved } from './change.ts';
import { foundingCall, foundingAnswer, topologyAsk, topologyTold } from './cluster.ts';
import { echo, echoed } from './echo.ts';
import { hintAck, hintOffer, hintPage, hintPull } from './hint.ts';
import { swim } from './membership.ts';
import { refillAsk, refillTold, replace } from './refill.ts';
import { found, lead, led, merge, merged, read, refused } from './replica.ts';

/**
 * Every message there is, by its tag on the wire. Append only: a retired tag stays reserved. A receiver skips tags it
 * does not know, so that pods of two versions can share a cluster while it is upgraded.
 */
const schemas = {
  lead: [1, lead],
  led: [2, led],
  merge: [3, merge],
  merged: [4, merged],
  read: [5, read],
  found: [6, found],
  refused: [7, refused],
  echo: [8, echo],
  echoed: [9, echoed],
  swim: [10, swim],
  hintOffer: [11, hintOffer],
  hintPull: [12, hintPull],
  hintPage: [13, hintPage],
  hintAck: [14, hintAck],
  topologyAsk: [15, topologyAsk],
  topologyTold: [16, topologyTold],
  foundingCall: [17, foundingCall],
  foundingAnswer: [18, foundingAnswer],
  treeRoots: [19, treeRoots],
  treeNodes: [20, treeNodes],
  treeRows: [21, treeRows],
  rowsAsk: [22, rowsAsk],
  rowsTold: [23, rowsTold],
  epochPrepare: [24, epochPrepare],
  epochPromise: [25, epochPromise],
  epochAccept: [26, epochAccept],
  epochAccepted: [27, epochAccepted],
  epochRefused: [28, epochRefused],
  epochChosen: [29, epochChosen],
  replace: [30, replace],
  refillAsk: [31, refillAsk],
  refillTold: [32, refillTold],
  candidate: [33, candidate],
  changeAsk: [34, changeAsk],
  changeTold: [35, changeTold],
  moved: [36, moved],
} as const satisfies Record<string, readonly [number, Schema<unknown>]>;

type Schemas = typeof schemas;
export type MessageKind = keyof Schemas;
export type MessageOf<K extends MessageKind> = { readonly kind: K } & Infer<Schemas[K][1]>;
export type Message = { [K in MessageKind]: MessageOf<K> }[MessageKind];

/** What a coordinator waits for: each of these is answered by its own kind of answer or by `refused`. */
export type ReplicaRequest = MessageOf<'lead'> | MessageOf<'merge'> | MessageOf<'read'>;

export function isReplicaRequest(message: Message): message is ReplicaRequest {
  return message.kind === 'lead' || message.kind === 'merge' || message.kind === 'read';
}

const byTag = new Map<number, { kind: MessageKind; schema: Schema<unknown> }>();
for (const [kind, [tag, schema]] of Object.entries(schemas)) {
  byTag.set(tag, { kind: kind as MessageKind, schema });
}

export function schemaOf(kind: MessageKind): { readonly tag: number; readonly schema: Schema<unknown> } {
  const [tag, schema] = schemas[kind];
  return { tag, schema };
}

export function schemaByTag(tag: number) {
  return byTag.get(tag);
}

/** All layouts in tag order: what the version test hashes. */
export function wireLayout(): string {
  return Object.entries(schemas)
    .map(([kind, [tag, schema]]) => `${tag} ${kind} ${schema.layout}`)
    .join('\n');
}
