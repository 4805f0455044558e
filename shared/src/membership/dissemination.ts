import type { MemberUpdate } from './member.ts';

interface Entry {
  readonly update: MemberUpdate;
  readonly order: number;
  transmits: number;
}

/** How many messages of one node an update rides on: enough for an epidemic to reach all members (SWIM 4.1). */
export function transmitLimit(members: number, multiplier: number): number {
  return multiplier * Math.ceil(Math.log10(members + 1));
}

/**
 * Updates waiting to ride on messages: at most one per member, so it is never longer than the roster. A newer update
 * about a member replaces the older and starts afresh. What was sent least goes first, then what came last: under
 * pressure fresh news beats old, and nothing starves.
 */
export class Dissemination {
  private readonly entries = new Map<string, Entry>();
  private order = 0;

  get size(): number {
    return this.entries.size;
  }

  enqueue(update: MemberUpdate): void {
    this.order += 1;
    this.entries.set(update.name, { update, order: this.order, transmits: 0 });
  }

  forget(name: string): void {
    this.entries.delete(name);
  }

  /** Up to `max` updates for one message, none about `skip`; each is dropped after its `limit`-th transmission. */
  take(max: number, limit: number, skip: readonly string[] = []): MemberUpdate[] {
    const chosen = [...this.entries.values()]
      .filter((entry) => !skip.includes(entry.update.name))
      .toSorted((a, b) => a.transmits - b.transmits || b.order - a.order)
      .slice(0, max);
    for (const entry of chosen) {
      entry.transmits += 1;
      if (entry.transmits >= limit) this.entries.delete(entry.update.name);
    }
    return chosen.map((entry) => entry.update);
  }
}
