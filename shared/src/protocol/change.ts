import { nodeName } from '../causality/dot.ts';
import { ascii, bool, bytes, type Infer, list, optional, struct, u8, varint, word } from '../codec/schema.ts';
import { diskId, topologyDigest, zoneName } from '../ring/topology.ts';
import { DOCUMENT_BYTES_MAX } from './epoch.ts';

/**
 * How members come and go (rule 10):
 *
 *     pod -> member          candidate   I have an empty disk and am in no topology
 *     coordinator -> member  changeAsk   what would come of this change?  or: have it chosen, if it is still that
 *     member -> coordinator  changeTold  the document that would begin it
 *     member -> member       moved       what I still have to fetch before the next step
 */
export const candidate = struct({ disk: diskId, zone: zoneName, weight: u8 });

/** More at once are planned in several changes. */
export const CHANGED_MAX = 32;

export const changeAsk = struct({
  id: varint,
  verb: word('join', 'leave', 'replace', 'weight', 'cancel'),
  /** Who joins or leaves; of a replacement the old member and the new; none to cancel. */
  names: list(nodeName, CHANGED_MAX),
  /** Of a change of weight. */
  weight: u8,
  /** The digest of the document that was shown: only that one is proposed. Absent to be shown it. */
  commits: optional(topologyDigest),
});

export const changeTold = struct({
  id: varint,
  /** `chosen`: the document asked for is in force, or was. `proposed`: ask again, it is being chosen. */
  status: word('planned', 'proposed', 'chosen', 'refused'),
  /** Of the document. */
  digest: topologyDigest,
  /** The document that begins the change, empty when there is none. */
  document: bytes(DOCUMENT_BYTES_MAX),
  /** Why not, in words for an operator. */
  reason: ascii(200, /^[ -~]*$/),
});

/** About the sender's part in the move of the topology that its frame names. */
export const moved = struct({
  /** It has everything, and holds no hints that somebody must have before the next step. */
  isDone: bool,
});

/** What a pod has still to fetch from others: in its pulse. */
export const filling = struct({
  /** Questions of (source, vnode) that are not answered whole, and all of them. */
  left: varint,
  of: varint,
  /** Of the states that came so far, in this life of the pod. */
  bytes: varint,
});

export type Candidate = Infer<typeof candidate>;
export type ChangeAsk = Infer<typeof changeAsk>;
export type ChangeTold = Infer<typeof changeTold>;
export type Moved = Infer<typeof moved>;
export type Filling = Infer<typeof filling>;
