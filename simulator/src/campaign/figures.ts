/** Figures for people. */
export function count(n: number): string {
  return Math.round(n).toLocaleString('en').replaceAll(',', ' ');
}

/** Three digits that count. */
export function rough(n: number): string {
  if (n >= 100 || n === 0) return count(n);
  return n.toFixed(n >= 10 ? 1 : 2);
}

export function hours(ms: number): string {
  return rough(ms / 3_600_000);
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

export function duration(ms: number): string {
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

/** Nearest rank; `share` in [0, 1]. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/** The commonest first. */
export function byName(counts: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(counts).toSorted(([a, m], [b, n]) => n - m || a.localeCompare(b));
  return sorted.map(([name, n]) => `${name} ${count(n)}`).join(', ') || 'none';
}
