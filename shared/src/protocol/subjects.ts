import type { Address, Role } from '../machine.ts';

/**
 * Every NATS subject is built here, from cluster ids and node names only, never from anything a user sent. The tokens
 * are the conversations, so that a credential's allow-list is as short as this file:
 *
 *     circlet.<cluster>.request.<node>       coordinators ask a storage pod
 *     circlet.<cluster>.reply.<coordinator>  storage pods answer
 *     circlet.<cluster>.peer.<node>          storage pods among themselves
 *     circlet.<cluster>.discover             anyone asks all storage pods for the topology
 *     circlet.<cluster>.undelivered.<role>.<name>.<token>   the server says that nobody listens
 */
export function subjectOf(cluster: string, from: Role, to: Address): string {
  if (to.name === '*') return discoverSubject(cluster);
  if (to.role === 'coordinator') return replySubject(cluster, to.name);
  return from === 'coordinator' ? requestSubject(cluster, to.name) : peerSubject(cluster, to.name);
}

/** What a pod listens to. */
export function listenSubjects(cluster: string, role: Role, name: string): readonly string[] {
  if (role === 'coordinator') return [replySubject(cluster, name)];
  return [requestSubject(cluster, name), peerSubject(cluster, name), discoverSubject(cluster)];
}

/** The prefix to which a token is added; the server answers there when a message found no subscriber. */
export function undeliveredPrefix(cluster: string, role: Role, name: string): string {
  return `circlet.${cluster}.undelivered.${role}.${name}.`;
}

const requestSubject = (cluster: string, node: string) => `circlet.${cluster}.request.${node}`;
const replySubject = (cluster: string, coordinator: string) => `circlet.${cluster}.reply.${coordinator}`;
const peerSubject = (cluster: string, node: string) => `circlet.${cluster}.peer.${node}`;
const discoverSubject = (cluster: string) => `circlet.${cluster}.discover`;
