import { type Infer, bytes, struct } from '../codec/schema.ts';
import { signature } from '../ring/founding.ts';
import { FRAME_BYTES_MAX } from './limits.ts';

/**
 * How pods come to one topology. Who meets a frame of a later epoch asks its sender for the document before it acts;
 * pods with empty stores call for signatures until epoch 1 exists.
 */
export const topologyAsk = struct({});
/** The answer to either question by a pod that has a topology. */
export const topologyTold = struct({ document: bytes(FRAME_BYTES_MAX) });
/**
 * "I have signed this; who else?" Answered with the receiver's own signature, which counts only in the life of the pod
 * that it is addressed to, or with its topology.
 */
export const foundingCall = struct({ signature });
export const foundingSigned = struct({ signature });

export type TopologyTold = Infer<typeof topologyTold>;
export type FoundingCall = Infer<typeof foundingCall>;
export type FoundingSigned = Infer<typeof foundingSigned>;
