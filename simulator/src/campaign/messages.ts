import type { SeedRange } from './seed-range.ts';
import type { SeedResult } from './seed-result.ts';

/** What the campaign tells a worker: to run a chunk, or to begin no more seeds of the one it has. */
export type Order = ({ readonly kind: 'run' } & SeedRange) | { readonly kind: 'stop' };

/** What a worker tells: what came of a seed, in the chunk's order, and that it waits for a chunk. */
export type Report = { readonly kind: 'result'; readonly result: SeedResult } | { readonly kind: 'idle' };
