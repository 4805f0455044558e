/**
 * A set as a client keeps one in a value: its elements in order. Whoever writes it has read it, so no element may ever be
 * missing at the end, which can be seen without knowing anything of contexts.
 */
const MARK = 'set:';

export function elementsOf(value: string): readonly number[] {
  if (!value.startsWith(MARK)) return [];
  return value.slice(MARK.length).split(',').filter(Boolean).map(Number);
}

export function withElement(sets: readonly (readonly number[])[], element: number): string {
  return MARK + unionOf([...sets, [element]]).join(',');
}

export function unionOf(sets: readonly (readonly number[])[]): readonly number[] {
  return [...new Set(sets.flat())].toSorted((a, b) => a - b);
}
