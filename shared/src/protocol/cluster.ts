import { type Infer, bytes, struct } from '../codec/schema.ts';
import { presence } from '../ring/founding.ts';
import { FRAME_BYTES_MAX } from './limits.ts';

/**
 * How pods come to one topology. Who meets a frame of a later epoch asks its sender for the document before it acts;
 * pods with empty stores call for signatures until epoch 1 exists.
 */
export const topologyAsk = struct({});
/** The answer to either question by a pod that has a topology. */
export const topologyTold = struct({ document: bytes(FRAME_BYTES_MAX) });
/** "I am here, with this disk, and have signed that; who else?" Answered alike, or with a topology. */
export const foundingCall = struct({ presence });
export const foundingAnswer = struct({ presence });

export type TopologyTold = Infer<typeof topologyTold>;
export type FoundingCall = Infer<typeof foundingCall>;
export type FoundingAnswer = Infer<typeof foundingAnswer>;
