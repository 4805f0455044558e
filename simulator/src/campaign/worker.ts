import { drawPlan } from '../swarm/draw-plan.ts';
import { runPlan } from '../swarm/run-plan.ts';
import { runSeed } from './seed-result.ts';
import { serve } from './serve.ts';

/** A worker process of the campaign; see `worker-process.ts` for the other end. */
serve((seed) => runSeed(seed, drawPlan, runPlan));
