/**
 * A set of small numbers, one bit each: what a context stands for is a set of writes of one key, and with it every check
 * that compares two of them costs a few words, however long the key has been written.
 */
export class Bits {
  private words: Uint32Array;

  constructor(words: Uint32Array = new Uint32Array(2)) {
    this.words = words;
  }

  static of(...members: readonly number[]): Bits {
    const bits = new Bits();
    for (const member of members) bits.add(member);
    return bits;
  }

  copy(): Bits {
    return new Bits(this.words.slice());
  }

  has(member: number): boolean {
    return ((this.words[member >>> 5] ?? 0) & (1 << (member & 31))) !== 0;
  }

  add(member: number): this {
    const word = member >>> 5;
    this.reach(word + 1);
    this.words[word] = (this.words[word] ?? 0) | (1 << (member & 31));
    return this;
  }

  delete(member: number): void {
    const word = member >>> 5;
    if (word < this.words.length) this.words[word] = (this.words[word] ?? 0) & ~(1 << (member & 31));
  }

  addAll(other: Bits): this {
    const { words } = other;
    this.reach(words.length);
    for (let i = 0; i < words.length; i++) this.words[i] = (this.words[i] ?? 0) | (words[i] ?? 0);
    return this;
  }

  removeAll(other: Bits): this {
    const n = Math.min(this.words.length, other.words.length);
    for (let i = 0; i < n; i++) this.words[i] = (this.words[i] ?? 0) & ~(other.words[i] ?? 0);
    return this;
  }

  keepAll(other: Bits): this {
    for (let i = 0; i < this.words.length; i++) this.words[i] = (this.words[i] ?? 0) & (other.words[i] ?? 0);
    return this;
  }

  /** The least member that `other` lacks; undefined when it lacks none. */
  firstBeyond(other: Bits): number | undefined {
    for (let i = 0; i < this.words.length; i++) {
      const beyond = (this.words[i] ?? 0) & ~(other.words[i] ?? 0);
      if (beyond !== 0) return 32 * i + 31 - Math.clz32(beyond & -beyond);
    }
    return undefined;
  }

  /** The least member that both have. */
  firstCommon(other: Bits): number | undefined {
    for (let i = 0; i < this.words.length; i++) {
      const common = (this.words[i] ?? 0) & (other.words[i] ?? 0);
      if (common !== 0) return 32 * i + 31 - Math.clz32(common & -common);
    }
    return undefined;
  }

  *members(): Iterable<number> {
    for (let i = 0; i < this.words.length; i++) {
      for (let word = this.words[i] ?? 0; word !== 0; word &= word - 1) {
        yield 32 * i + 31 - Math.clz32(word & -word);
      }
    }
  }

  private reach(words: number): void {
    if (words <= this.words.length) return;
    const more = new Uint32Array(Math.max(words, 2 * this.words.length));
    more.set(this.words);
    this.words = more;
  }
}
