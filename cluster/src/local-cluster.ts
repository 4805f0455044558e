import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, isFree } from './free-ports.ts';
import { type ClusterShape, type Layout, planLayout } from './layout.ts';
import { findNatsServer, NATS_SERVER_MISSING } from './nats-server.ts';
import { Supervisor } from './supervisor.ts';

/** A cluster of real processes for a test, an example or a benchmark: it comes up, is used, and leaves nothing behind. */
export interface LocalCluster {
  readonly supervisor: Supervisor;
  readonly layout: Layout;
  /** Base URLs of the coordinators. */
  readonly urls: readonly string[];
  pid(name: string): number;
  /** Server processes that are alive now. */
  pids(): readonly number[];
  /** Stops everything and removes the data. */
  down(): Promise<void>;
}

export async function startLocalCluster(
  shape: Partial<Omit<ClusterShape, 'dataDir' | 'port'>>,
): Promise<LocalCluster> {
  const natsServer = findNatsServer();
  if (natsServer === undefined) throw new Error(NATS_SERVER_MISSING);
  const dataDir = mkdtempSync(join(tmpdir(), 'circlet-'));
  mkdirSync(dataDir, { recursive: true });
  const coordinators = shape.coordinators ?? 1;
  const port = await consecutivePorts(coordinators);
  const layout = await planLayout({
    dataDir,
    port,
    storage: 3,
    coordinators,
    nats: 1,
    zones: 1,
    replicas: 3,
    vnodes: 256,
    ...shape,
  });
  const supervisor = new Supervisor(layout, natsServer);
  const cleanUp = () => {
    supervisor.killAll();
    rmSync(dataDir, { recursive: true, force: true });
  };
  process.once('exit', cleanUp);
  await supervisor.up();
  return {
    supervisor,
    layout,
    urls: layout.coordinators.map((coordinator) => `http://127.0.0.1:${coordinator.port}`),
    pid: (name) => supervisor.pidOf(name),
    pids: () => supervisor.pids(),
    down: async () => {
      await supervisor.down();
      process.off('exit', cleanUp);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** The first of `count` consecutive free ports. */
async function consecutivePorts(count: number): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const [first = 0] = await freePorts(1);
    if (await areFree(first, count)) return first;
  }
  throw new Error(`no ${count} consecutive free ports on 127.0.0.1`);
}

async function areFree(first: number, count: number): Promise<boolean> {
  for (let i = 0; i < count; i++) if (!(await isFree(first + i))) return false;
  return true;
}
