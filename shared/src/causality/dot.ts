import { ascii } from '../codec/schema.ts';

/**
 * A dot names one mint: the counter-th write that `actor` issued on one key.
 *
 * An actor is `node.boot.serial`: the node's name, 64 random bits drawn when the process started (never read from
 * disk), and a number that this process uses for one stretch of one key only. No store, restored backup or second
 * pod under the same name can therefore issue a dot again (law 3; protocol.md, rule 4).
 */
export type Actor = string;

export interface Dot {
  readonly actor: Actor;
  /** 1, 2, 3, ... within the actor. */
  readonly counter: number;
}

export const NODE_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** 64 random bits in base64url. */
export const BOOT = /^[A-Za-z0-9_-]{11}$/;
const ACTOR = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.[A-Za-z0-9_-]{11}\.[0-9a-z]{1,11}$/;

export const nodeName = ascii(63, NODE_NAME);
export const bootId = ascii(11, BOOT);
export const actorId = ascii(63 + 1 + 11 + 1 + 11, ACTOR);

export function makeActor(node: string, boot: string, serial: number): Actor {
  return `${node}.${boot}.${serial.toString(36)}`;
}

/** Whether the actor was minted by this very process: same node, same boot. */
export function isActorOf(actor: Actor, node: string, boot: string): boolean {
  return (
    actor.length > node.length + boot.length + 1 &&
    actor.startsWith(node) &&
    actor.charCodeAt(node.length) === 46 &&
    actor.startsWith(boot, node.length + 1) &&
    actor.charCodeAt(node.length + 1 + boot.length) === 46
  );
}

/** Bytewise, by actor and then counter: the one order in which dots are written. */
export function compareDots(a: Dot, b: Dot): number {
  return a.actor < b.actor ? -1 : a.actor > b.actor ? 1 : a.counter - b.counter;
}
