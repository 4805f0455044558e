import { brokenSeed, type SeedResult } from './seed-result.ts';
import type { SeedRange } from './seed-range.ts';
import { WorkerProcess } from './worker-process.ts';

export interface PoolOptions {
  readonly worker: URL;
  readonly jobs: number;
  readonly chunks: Iterable<SeedRange>;
  readonly seedMaxMs: number;
  /** Seeds under way are finished, and no others begun. */
  readonly stop: AbortSignal;
  /** Seeds under way are given up. */
  readonly kill: AbortSignal;
  readonly onResult: (result: SeedResult) => void;
  /** With the results of a chunk, or of as much of its beginning as was run. */
  readonly onChunk: (results: readonly SeedResult[]) => void;
}

/** Runs chunks of seeds in so many processes. A process that dies condemns the seed it was at, and is replaced. */
export async function runChunks(options: PoolOptions): Promise<void> {
  const pool = new Pool(options);
  await pool.run();
}

class Pool {
  private readonly options: PoolOptions;
  private readonly chunks: Iterator<SeedRange>;
  /** What dead workers left of their chunks. */
  private readonly left: SeedRange[] = [];
  private readonly workers = new Set<WorkerProcess>();

  constructor(options: PoolOptions) {
    this.options = options;
    this.chunks = options.chunks[Symbol.iterator]();
  }

  async run(): Promise<void> {
    const { stop, kill, jobs } = this.options;
    const killAll = () => this.workers.forEach((worker) => worker.kill());
    const stopAll = () => this.workers.forEach((worker) => worker.stop());
    kill.addEventListener('abort', killAll);
    stop.addEventListener('abort', stopAll);
    try {
      await Promise.all(Array.from({ length: jobs }, () => this.lane()));
    } finally {
      killAll();
      kill.removeEventListener('abort', killAll);
      stop.removeEventListener('abort', stopAll);
    }
  }

  private async lane(): Promise<void> {
    let worker: WorkerProcess | undefined;
    for (let chunk = this.next(); chunk !== undefined; chunk = this.next()) {
      worker ??= this.newWorker();
      const survived = await this.runChunk(worker, chunk);
      if (!survived) {
        this.workers.delete(worker);
        worker = undefined;
      }
    }
  }

  private async runChunk(worker: WorkerProcess, chunk: SeedRange): Promise<boolean> {
    const results: SeedResult[] = [];
    const take = (result: SeedResult) => {
      results.push(result);
      this.options.onResult(result);
    };
    const end = await worker.run(chunk, take);
    if (end.kind !== 'idle' && !this.options.kill.aborted) {
      if (end.kind === 'stillborn')
        throw new Error(`A worker cannot start (${end.of}): mend that, and run again.`);
      const seed = chunk.from + results.length;
      if (seed <= chunk.to) take(brokenSeed(seed, `the process that ran this seed died: ${end.of}`));
      if (seed < chunk.to) this.left.push({ from: seed + 1, to: chunk.to });
    }
    if (results.length > 0) this.options.onChunk(results);
    return end.kind === 'idle';
  }

  private next(): SeedRange | undefined {
    if (this.options.stop.aborted || this.options.kill.aborted) return undefined;
    const next = this.left.pop() ?? this.chunks.next().value;
    return next === undefined ? undefined : (next as SeedRange);
  }

  private newWorker(): WorkerProcess {
    const worker = new WorkerProcess(this.options.worker, this.options.seedMaxMs);
    this.workers.add(worker);
    return worker;
  }
}
