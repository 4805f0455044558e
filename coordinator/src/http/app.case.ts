import type { Notice } from '@circlet/shared/machine.ts';
import { sipKey } from '@circlet/shared/hash/siphash.ts';
import { Prng } from '@circlet/shared/prng.ts';
import { type AppOptions, createApp } from './app.ts';
import { CLUSTER_KEY, MemoryPort } from './memory-port.case.ts';
import type { App } from './mount.ts';

/** An application over a store in memory, with a clock and a random source of its own. */
export interface TestApp {
  readonly app: App;
  readonly port: MemoryPort;
  readonly log: Notice[];
  readonly options: AppOptions;
  /** Milliseconds of both clocks. */
  readonly clock: { ms: number };
  readonly pod: { draining: boolean };
}

export const CONTEXT_KEYS = new Map([
  ['k1', sipKey(new Uint8Array(16).fill(1))],
  ['k2', sipKey(new Uint8Array(16).fill(2))],
]);

export const EPOCH_MS = Date.UTC(2026, 10, 23, 12, 0, 0);

export function testApp(overrides: Partial<AppOptions> = {}): TestApp {
  const port = new MemoryPort();
  const log: Notice[] = [];
  const clock = { ms: EPOCH_MS };
  const pod = { draining: false };
  const options: AppOptions = {
    port,
    clusterKey: CLUSTER_KEY,
    contextKeys: CONTEXT_KEYS,
    signWith: 'k1',
    wallClockMs: () => clock.ms,
    monotonicMs: () => clock.ms,
    randomBytes: randomBytes(new Prng(1)),
    draining: () => pod.draining,
    log: (notice) => void log.push(notice),
    ...overrides,
  };
  return { app: createApp(options), port, log, options, clock, pod };
}

function randomBytes(prng: Prng): (n: number) => Uint8Array {
  return (n) => Uint8Array.from({ length: n }, () => prng.u32() & 0xff);
}

export interface ProblemJson {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly traceId: string;
  readonly type: string;
  readonly title: string;
  readonly reason?: string;
  readonly outcome?: string;
  readonly need?: number;
  readonly got?: number;
  readonly from?: string;
}

export async function problemOfResponse(response: Response): Promise<ProblemJson> {
  const text = await response.text();
  if (response.headers.get('content-type') !== 'application/problem+json') {
    throw new Error(`not a problem: ${response.status} ${text.slice(0, 200)}`);
  }
  return JSON.parse(text);
}

export const context = (response: Response): string => {
  const token = response.headers.get('circlet-context');
  if (token === null) throw new Error(`${response.status} without Circlet-Context`);
  return token;
};

export const etag = (response: Response): string => {
  const tag = response.headers.get('etag');
  if (tag === null) throw new Error(`${response.status} without ETag`);
  return tag;
};
