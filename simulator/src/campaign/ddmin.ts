/**
 * Zeller's ddmin, with complements only: takes out halves, quarters, ... and single items, the last first, while what is
 * left still fails. At the end no single item can go. Subsets are not tried on their own: they are reached by taking out
 * their complements, and a failure that needs items from everywhere pays for no hopeless runs.
 */
export function ddmin<T>(items: readonly T[], fails: (kept: readonly T[]) => boolean): readonly T[] {
  if (items.length === 0 || fails([])) return [];
  let kept = items;
  let size = Math.ceil(kept.length / 2);
  for (;;) {
    const before = kept.length;
    kept = withoutPartsOf(size, kept, fails);
    if (size === 1 && kept.length === before) return kept;
    size = Math.ceil(size / 2);
  }
}

function withoutPartsOf<T>(size: number, items: readonly T[], fails: (kept: readonly T[]) => boolean) {
  let kept = items;
  for (let end = kept.length; end > 0; end -= size) {
    const without = [...kept.slice(0, Math.max(0, end - size)), ...kept.slice(end)];
    if (without.length > 0 && fails(without)) kept = without;
  }
  return kept;
}
