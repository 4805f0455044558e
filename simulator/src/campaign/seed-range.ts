/** Seeds from one to another, both included. */
export interface SeedRange {
  readonly from: number;
  readonly to: number;
}

/** What is left of `wanted` without those that are done, in order. */
export function without(wanted: SeedRange, done: readonly SeedRange[]): readonly SeedRange[] {
  const left: SeedRange[] = [];
  let { from } = wanted;
  for (const range of done.toSorted((a, b) => a.from - b.from)) {
    if (range.from > from) left.push({ from, to: Math.min(range.from - 1, wanted.to) });
    from = Math.max(from, range.to + 1);
    if (from > wanted.to) return left.filter((rest) => rest.from <= rest.to);
  }
  left.push({ from, to: wanted.to });
  return left.filter((rest) => rest.from <= rest.to);
}

export function* chunksOf(ranges: readonly SeedRange[], size: number): Iterable<SeedRange> {
  for (const { from, to } of ranges) {
    for (let first = from; first <= to; first += size)
      yield { from: first, to: Math.min(first + size - 1, to) };
  }
}

export function sizeOf(ranges: readonly SeedRange[]): number {
  return ranges.reduce((total, { from, to }) => total + to - from + 1, 0);
}

export function includes({ from, to }: SeedRange, seed: number): boolean {
  return from <= seed && seed <= to;
}
