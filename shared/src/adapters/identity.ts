import { randomBytes } from 'node:crypto';
import { latin1 } from '../codec/bytes.ts';
import { type SipKey, siphash } from '../hash/siphash.ts';
import type { Identity } from '../host/outbox.ts';
import type { Role } from '../machine.ts';

/** 64 random bits: this life of the pod (law 3). Never read from disk. */
export function newBoot(): string {
  return randomBytes(8).toString('base64url');
}

/** Who a pod is on the wire. The mark is keyed: a pod of another cluster, or with another secret, does not match. */
export function identityOf(cluster: string, clusterKey: SipKey, role: Role, name: string): Identity {
  const digest = siphash(clusterKey, new TextEncoder().encode(`cluster/${cluster}`));
  return { cluster, clusterMark: latin1(digest, 0, 8), role, name, boot: newBoot() };
}
