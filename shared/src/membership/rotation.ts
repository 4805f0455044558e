/** `count` of `items` drawn without replacement, by default all of them in a random order. */
export function drawn<T>(items: readonly T[], random: () => number, count = items.length): T[] {
  const left = [...items];
  const result: T[] = [];
  while (left.length > 0 && result.length < count)
    result.push(...left.splice(Math.floor(random() * left.length), 1));
  return result;
}

/**
 * Whom to probe next. Rounds over the whole roster, reshuffled each time, bound the time to look at anybody: at most
 * 2n - 1 turns of the round (SWIM 4.3). Urgent names jump the queue, but only every second turn: a peer that keeps raising alarms
 * about some must not blind us to the others.
 */
export class Rotation {
  private readonly random: () => number;
  private names: readonly string[] = [];
  private round: string[] = [];
  private readonly urgent = new Set<string>();
  private lastWasUrgent = false;

  constructor(random: () => number) {
    this.random = random;
  }

  /**
   * Replaces the names, which must come in a deterministic order. The round goes on without those that left; new ones
   * enter it at a random place (SWIM 4.3), so that a roster that changes often starves nobody.
   */
  reset(names: readonly string[]): void {
    const added = names.filter((name) => !this.names.includes(name));
    this.round = this.round.filter((name) => names.includes(name));
    for (const name of added) this.round.splice(Math.floor(this.random() * (this.round.length + 1)), 0, name);
    for (const name of this.names) if (!names.includes(name)) this.urgent.delete(name);
    this.names = names;
  }

  get hasUrgent(): boolean {
    return this.urgent.size > 0;
  }

  /** Puts `name` at the front; names not in rotation are ignored. */
  hasten(name: string): void {
    if (this.names.includes(name)) this.urgent.add(name);
  }

  /** The next name, or undefined when there is nobody to probe. */
  next(): string | undefined {
    const [urgent] = this.urgent;
    this.lastWasUrgent = urgent !== undefined && !this.lastWasUrgent;
    const name = this.lastWasUrgent ? urgent : this.nextInRound();
    if (name !== undefined) this.urgent.delete(name);
    return name;
  }

  private nextInRound(): string | undefined {
    if (this.round.length === 0) this.round = drawn(this.names, this.random);
    return this.round.pop();
  }
}
