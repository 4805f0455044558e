/**
 * Law 1: a pod is a pure machine inside a thin host.
 *
 * The machine is synchronous: it takes one event and the time, changes its own state and its store, and says what
 * should happen next. It may throw only before its first mutation. The host turns messages, requests and expired
 * timers into events, handles a batch of them in one store transaction, and performs the effects after the commit:
 * nothing is ever sent that a crash could take back. If the commit fails the effects are dropped and the machine is
 * rebuilt from its store (protocol.md, rule 20).
 */
export interface Machine<Event, Effect> {
  handle(event: Event, now: Now): readonly Effect[];
  /**
   * Grows with every change of machine or store state. When `handle` throws, an unchanged number tells the host that
   * dropping the event is enough.
   */
  readonly mutations: number;
}

/** The time as the host reads it once for each event. */
export interface Now {
  /** Milliseconds since the process started: never steps, means nothing elsewhere. All deadlines are in it. */
  readonly monoMs: number;
  /** Milliseconds since 1970: may step and be wrong. Shown to users, decides nothing. */
  readonly wallMs: number;
}

/** `storage` pods keep replicas; `coordinator` pods drive requests and keep nothing. */
export type Role = 'storage' | 'coordinator';

export interface Address {
  readonly role: Role;
  readonly name: string;
  /** When given, only the process that drew these bits at its start is meant. */
  readonly boot?: string | undefined;
}

/** To every storage pod there is, known or not: used to find a topology before one is known. */
export const EVERY_STORAGE: Address = { role: 'storage', name: '*' };

export interface Send<Message> {
  readonly kind: 'send';
  readonly to: Address;
  readonly message: Message;
}

/** Comes back as an event after `afterMs`. Never cancelled: a timer that is no longer due is ignored on arrival. */
export interface Schedule<Timer> {
  readonly kind: 'schedule';
  readonly afterMs: number;
  readonly timer: Timer;
}

/** Something to count or log. Never carries keys, values or tokens. */
export interface Notify {
  readonly kind: 'notify';
  readonly notice: Notice;
}

export interface Notice {
  readonly level: 'debug' | 'info' | 'warn' | 'alarm';
  /** Stable snake_case name: it is the metric label and the log message at once. */
  readonly event: string;
  readonly fields?: Readonly<Record<string, string | number | boolean>>;
}
