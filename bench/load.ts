import { Pool } from 'undici';
import { cpuUs, deviceFlushes } from './cpu.ts';

/** A closed loop: `clients` callers with one request in flight each, over keep-alive connections. */
export interface Phase {
  readonly name: string;
  readonly clients: number;
  readonly operations: number;
  readonly run: (client: number, n: number) => Promise<void>;
  /** Server processes whose CPU counts, by role. */
  readonly servers: Readonly<Record<string, readonly number[]>>;
}

export interface Measured {
  readonly name: string;
  readonly operations: number;
  readonly errors: number;
  readonly perSecond: number;
  readonly serverCpuUs: number;
  readonly cpuUsByRole: Readonly<Record<string, number>>;
  readonly flushesPerOperation: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

export async function measure({ name, clients, operations, run, servers }: Phase): Promise<Measured> {
  const latencies: number[] = [];
  let next = 0;
  let errors = 0;
  const used = () => Object.entries(servers).map(([role, pids]) => [role, cpuUs(pids)] as const);
  const cpuBefore = new Map(used());
  const flushesBefore = deviceFlushes();
  const startMs = performance.now();
  const client = async (number: number): Promise<void> => {
    for (let n = next++; n < operations; n = next++) {
      const sentMs = performance.now();
      try {
        await run(number, n);
        latencies.push(performance.now() - sentMs);
      } catch {
        errors++;
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  const seconds = (performance.now() - startMs) / 1000;
  latencies.sort((a, b) => a - b);
  const quantile = (q: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))] ?? 0;
  const done = Math.max(1, latencies.length);
  const byRole = used().map(([role, us]) => [role, (us - (cpuBefore.get(role) ?? 0)) / done] as const);
  return {
    name,
    operations: latencies.length,
    errors,
    perSecond: latencies.length / seconds,
    serverCpuUs: byRole.reduce((sum, [, us]) => sum + us, 0),
    cpuUsByRole: Object.fromEntries(byRole),
    flushesPerOperation: (deviceFlushes() - flushesBefore) / done,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    p999Ms: quantile(0.999),
  };
}

export interface Answered {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

/** The least HTTP client that keeps connections: what it costs is not the servers'. */
export class Client {
  private readonly pools: readonly Pool[];

  constructor(urls: readonly string[], connections: number) {
    this.pools = urls.map(
      (url) => new Pool(url, { connections: Math.ceil(connections / urls.length), pipelining: 1 }),
    );
  }

  async request(
    client: number,
    method: 'GET' | 'PUT',
    path: string,
    body: Buffer | null = null,
    headers: Record<string, string> = {},
  ): Promise<Answered> {
    const pool = this.pools[client % this.pools.length] as Pool;
    const answer = await pool.request({ method, path, body, headers });
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: Buffer.from(await answer.body.arrayBuffer()),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.pools.map((pool) => pool.destroy()));
  }
}
