/**
 * The wire protocol's version, first byte of every frame. `version.test.ts` pins a hash of all schemas: touching one
 * turns it red, and the way out is a new number and a line here that says what pods of the version before will do.
 *
 * 1  first protocol: replica (lead, merge, read, echo), hint, membership, founding, topology
 * 2  anti-entropy (tree*, rows*), the choice of an epoch (epoch*), refilling members (replace, refill*). Pods of version 1
 *    refuse every frame of version 2: a cluster of it is stopped and started anew
 * 3  members that come and go (move in the topology, candidate, change*, moved). Pods of version 2 refuse every frame of it
 */
export const PROTOCOL_VERSION = 3;
