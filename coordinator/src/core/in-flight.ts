/**
 * What waits for an answer, by its id: ids rise by one, and nearly all are over before a few thousand more have begun. So
 * each has a place of its own in a table that is made once.
 *
 * A Map does the same, but makes itself anew every few hundred entries. Each table that it leaves behind still points to
 * all that was in it, and one that has come into the old generation keeps them, and all they hold, from dying young: of
 * what a coordinator allocates, a fifth was promoted for nothing.
 */
export class InFlight<T extends { readonly id: number }> {
  private readonly table: (T | undefined)[] = new Array<T | undefined>(SLOTS).fill(undefined);
  /** Those whose slot was taken when they began, by one that waits for long. */
  private readonly others = new Map<number, T>();
  /** No id that is here is below `lowest` or above `highest`: a timer that looks at all looks at few slots. */
  private lowest = 0;
  private highest = -1;

  get(id: number): T | undefined {
    const held = this.table[id % SLOTS];
    return held?.id === id ? held : this.others.get(id);
  }

  /** An id that is here already has to be deleted first. */
  set(item: T): void {
    const slot = item.id % SLOTS;
    if (item.id > this.highest) this.highest = item.id;
    if (item.id < this.lowest) this.lowest = item.id;
    if (this.table[slot] === undefined) this.table[slot] = item;
    else this.others.set(item.id, item);
  }

  delete(id: number): void {
    const slot = id % SLOTS;
    if (this.table[slot]?.id === id) this.table[slot] = undefined;
    else this.others.delete(id);
  }

  clear(): void {
    this.table.fill(undefined);
    this.others.clear();
  }

  /** In the order in which they began. */
  values(): readonly T[] {
    const all = [...this.others.values()];
    for (let id = Math.max(this.lowest, this.highest - SLOTS + 1); id <= this.highest; id++) {
      const held = this.table[id % SLOTS];
      if (held !== undefined) all.push(held);
    }
    if (all.length === 0) this.lowest = this.highest + 1;
    return all.toSorted((a, b) => a.id - b.id);
  }
}

const SLOTS = 4_096;
