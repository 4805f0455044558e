import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MemoryBus } from '@circlet/shared/adapters/memory-bus.ts';
import { newSecrets, readSecrets } from '@circlet/shared/adapters/secrets.ts';
import { foundingConfig } from '@circlet/shared/cluster-options.ts';
import type { Notice } from '@circlet/shared/machine.ts';
import { CoordinatorPod } from '@circlet/coordinator/pod.ts';
import { serveAdmin, serveApi } from '@circlet/coordinator/serve.ts';
import { StoragePod } from '@circlet/storage/pod.ts';
import { isHealthy } from '@circlet/otel/health-server.ts';

/**
 * A whole cluster in one process: three storage pods and a coordinator over the in-process bus, each storage pod with
 * its own SQLite file. The pods are the ones that run in production; only the bus is another.
 */
export interface EmbeddedOptions {
  readonly dataDir: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Of membership changes; 0 for any free one. */
  readonly adminPort: number;
  readonly version: string;
  readonly notice: (pod: string, notice: Notice) => void;
  readonly fatal: (error: unknown) => void;
}

export interface EmbeddedCluster {
  readonly url: string;
  readonly adminUrl: string;
  stop(): Promise<void>;
}

const CLUSTER_ID = 'local';
const STORAGE = ['storage-0', 'storage-1', 'storage-2'];
const READY_WITHIN_MS = 20_000;
const POLL_MS = 10;
const DRAIN_MS = 5_000;

export async function startEmbedded({
  dataDir,
  port,
  adminPort,
  version,
  notice,
  fatal,
}: EmbeddedOptions): Promise<EmbeddedCluster> {
  mkdirSync(dataDir, { recursive: true });
  const secretsFile = join(dataDir, 'secrets');
  createOnce(secretsFile, newSecrets());
  const secrets = readSecrets(secretsFile);
  const bus = new MemoryBus();
  const founding = foundingConfig(CLUSTER_ID, STORAGE, 256, STORAGE.length);
  const storage = STORAGE.map((name) => {
    const transport = bus.connect(CLUSTER_ID, 'storage', name);
    return new StoragePod({
      name,
      cluster: CLUSTER_ID,
      secrets,
      founding,
      dataDir: join(dataDir, name),
      cacheKiB: 32 * 1024,
      hintKeysMax: 1_000_000,
      joins: { zone: 'default', weight: 1 },
      repair: { everyMs: 5_000, bytesPerSecond: 8 * 1024 * 1024, scrubRowsPerSecond: 500 },
      version,
      transport,
      notice: (noticed) => notice(name, noticed),
      fatal,
    });
  });
  const coordinator = 'coordinator-0';
  const pod = new CoordinatorPod({
    name: coordinator,
    cluster: CLUSTER_ID,
    secrets,
    version,
    transport: bus.connect(CLUSTER_ID, 'coordinator', coordinator),
    notice: (noticed) => notice(coordinator, noticed),
    requestsMax: 2_000,
    bytesMax: 64 * 1024 * 1024,
    siblingsMax: 1_000,
  });
  const api = await serveApi({
    pod,
    secrets,
    host: '127.0.0.1',
    port,
    connectionsMax: 4_096,
    notice: (noticed) => notice(coordinator, noticed),
  });
  const admin = await serveAdmin({
    pod,
    host: '127.0.0.1',
    port: adminPort,
    notice: (noticed) => notice(coordinator, noticed),
  });
  const deadline = Date.now() + READY_WITHIN_MS;
  const allReady = () => storage.every(({ readiness }) => readiness.ready) && isHealthy(api.health.ready());
  while (!allReady()) {
    if (Date.now() > deadline)
      throw new Error(`the cluster was not ready in ${READY_WITHIN_MS / 1000} s: see the log above`);
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
  return {
    url: `http://127.0.0.1:${api.port}`,
    adminUrl: `http://127.0.0.1:${admin.port}`,
    stop: async () => {
      await Promise.all([api.close(DRAIN_MS), admin.close(DRAIN_MS)]);
      pod.stop();
      for (const each of storage) each.stop();
    },
  };
}

function createOnce(path: string, content: string): void {
  try {
    writeFileSync(path, content, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}
