import type { Now } from '../machine.ts';

/** What a host needs from the outside. Real ones are in `adapters/`; the simulator brings its own. */
export interface Clock {
  now(): Now;
}

export interface Scheduler {
  /** Runs soon, after everything that has already arrived. */
  defer(run: () => void): void;
  /** Runs once after `ms`; replaces the alarm set before. */
  alarm(ms: number, run: () => void): void;
}

/** A bus that carries frames at most once, in order for each pair, or not at all. */
export interface Transport {
  /** Largest frame that the bus takes, bytes. */
  readonly payloadBytesMax: number;
  listen(listener: TransportListener): void;
  /** `token` comes back through `undelivered` if the bus knows that nobody listens. */
  send(subject: string, frame: Uint8Array, token: number): void;
}

export interface TransportListener {
  frame(bytes: Uint8Array): void;
  /** The bus found no subscriber for the frame sent with this token: skip that pod now; it is not proof of death. */
  undelivered(token: number): void;
  /** Whether the connection to the bus stands. What is sent while it does not is lost without a word. */
  connected(up: boolean): void;
}

/** The store's transaction around one turn. */
export interface Transaction {
  begin(): void;
  /** Durable when it returns. Throws if it is not. */
  commit(): void;
  rollback(): void;
}
