import { fakeOutcome, fakePlan } from './fakes.case.ts';
import { runSeed } from './seed-result.ts';
import { serve } from './serve.ts';

/** A worker whose seeds from 1000 on go wrong, each in its own way. */
serve((seed) =>
  runSeed(seed, fakePlan, () => {
    const violation = { invariant: 'I3', atMs: 5, what: `key-1 lost what seed ${seed} wrote` } as const;
    if (seed === 1003) return fakeOutcome(seed, [violation, { ...violation, invariant: 'I5' }, violation]);
    if (seed === 1005) throw new Error('a machine met its own bug');
    if (seed === 1007) process.abort();
    if (seed === 1009) for (;;);
    if (seed >= 2000) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    return fakeOutcome(seed);
  }),
);
