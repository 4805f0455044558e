import type { HostEffect, HostEvent } from '@circlet/shared/host/host.ts';
import type { Address, Notice, Now } from '@circlet/shared/machine.ts';
import type { SwimTimer } from '@circlet/shared/membership/contract.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';

export type StorageTimer =
  | { readonly kind: 'swim'; readonly timer: SwimTimer }
  /** The pause behind an answer of a refill is over; the id is its question's. */
  | { readonly kind: 'refill'; readonly id: number }
  | { readonly kind: 'founding' }
  | { readonly kind: 'hints' }
  /** A step of background repair, and the monotonic time that it is for. */
  | { readonly kind: 'repair'; readonly dueMs: number }
  | { readonly kind: 'readiness' };

export type StorageEvent = HostEvent<StorageTimer>;
export type StorageEffect = HostEffect<StorageTimer, never>;

/** The event that is being handled: when it came, and what comes of it. */
export interface Turn {
  readonly now: Now;
  readonly effects: StorageEffect[];
}

export function send(to: Address, message: Message): StorageEffect {
  return { kind: 'send', to, message };
}

export function toPeer(name: string, message: Message): StorageEffect {
  return { kind: 'send', to: { role: 'storage', name }, message };
}

export function after(afterMs: number, timer: StorageTimer): StorageEffect {
  return { kind: 'schedule', afterMs, timer };
}

export function notice(level: Notice['level'], event: string, fields: Notice['fields'] = {}): StorageEffect {
  return { kind: 'notify', notice: { level, event, fields } };
}
