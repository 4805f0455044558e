/** A ping sent on behalf of `origin`, whose own probe has the number `originSeq`. */
export interface Relay {
  readonly origin: string;
  readonly originSeq: number;
  readonly target: string;
  readonly seq: number;
}

/**
 * The pings we sent for others. A member probes one target at a time, so one place per origin suffices: a new request
 * replaces the old, and no peer can make us remember more than the roster has names.
 */
export class Relays {
  private readonly byOrigin = new Map<string, Relay>();

  open(relay: Relay): void {
    this.byOrigin.set(relay.origin, relay);
  }

  /** Whether the relay of `origin` is still the one numbered `seq`. */
  has(origin: string, seq: number): boolean {
    return this.byOrigin.get(origin)?.seq === seq;
  }

  /** Ends the relay whose target answered, if there is one. */
  answered(target: string, seq: number): Relay | undefined {
    for (const relay of this.byOrigin.values())
      if (relay.seq === seq && relay.target === target) return this.close(relay);
    return undefined;
  }

  /** Ends the relay of `origin` if `seq` is still its current one. */
  expired(origin: string, seq: number): Relay | undefined {
    const relay = this.byOrigin.get(origin);
    return relay?.seq === seq ? this.close(relay) : undefined;
  }

  forget(origin: string): void {
    this.byOrigin.delete(origin);
  }

  private close(relay: Relay): Relay {
    this.byOrigin.delete(relay.origin);
    return relay;
  }
}
