import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newSecrets } from '@circlet/shared/adapters/secrets.ts';
import { Child, type ChildSpec } from './child.ts';
import { initialMembers, type Layout, natsUrls } from './layout.ts';
import { natsConfig } from './nats-server.ts';

/**
 * Starts and stops the processes of a local cluster, and keeps `cluster.json` true. It restarts nothing: a pod that
 * dies stays dead until somebody says `start`, because what the tests want to see is the cluster without it.
 */
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const CLUSTER_ID = 'local';
const STOP_WITHIN_MS = 15_000;
const READY_WITHIN_MS = 60_000;
const POLL_MS = 25;

/** A command named a pod that is not there, or that is in the wrong state for it. */
export class CommandRefused extends Error {
  override name = 'CommandRefused';
}

export class Supervisor {
  private readonly layout: Layout;
  private readonly specs: ReadonlyMap<string, ChildSpec>;
  private readonly children = new Map<string, Child>();

  constructor(layout: Layout, natsServer: string) {
    this.layout = layout;
    this.specs = new Map(specsOf(layout, natsServer).map((spec) => [spec.name, spec]));
  }

  get clusterFile(): string {
    return join(this.layout.shape.dataDir, 'cluster.json');
  }

  /** Starts everything and waits until every pod is ready. Throws with the end of a log when one gives up. */
  async up(): Promise<void> {
    const { dataDir } = this.layout.shape;
    mkdirSync(join(dataDir, 'logs'), { recursive: true });
    writeIfMissing(this.layout.secretsFile, newSecrets());
    const ports = this.layout.nats.map((nats) => nats.ports);
    for (const nats of this.layout.nats)
      writeFileSync(nats.configFile, natsConfig(nats.name, nats.ports, ports));
    for (const name of this.specs.keys()) this.launch(name);
    await Promise.all([...this.specs.keys()].map((name) => this.ready(name)));
    this.writeClusterFile();
  }

  /** Starts a pod that is dead on its old data; settles when it is ready again. */
  async start(name: string): Promise<void> {
    this.known(name);
    if (this.isRunning(name)) throw new CommandRefused(`${name} is running already`);
    this.launch(name);
    await this.ready(name);
    this.writeClusterFile();
  }

  async stop(name: string): Promise<void> {
    await this.running(name).stop(STOP_WITHIN_MS);
  }

  async kill(name: string): Promise<void> {
    const child = this.running(name);
    child.signal('SIGKILL');
    await child.exited;
  }

  /** Coordinators first, so that no request loses its replicas; the bus last. */
  async down(): Promise<void> {
    const { coordinators, storage, nats } = this.layout;
    for (const group of [coordinators, storage, nats]) {
      await Promise.all(group.map(async ({ name }) => this.children.get(name)?.stop(STOP_WITHIN_MS)));
    }
  }

  /** For the last resort: nothing that we started survives us. */
  killAll(): void {
    for (const child of this.children.values()) child.signal('SIGKILL');
  }

  /** Throws when it is not running. */
  pidOf(name: string): number {
    const { pid } = this.running(name);
    if (pid === undefined) throw new CommandRefused(`${name} did not start`);
    return pid;
  }

  /** Of everything that is running. */
  pids(): readonly number[] {
    return [...this.children.values()].flatMap(({ hasExited, pid }) =>
      hasExited || pid === undefined ? [] : [pid],
    );
  }

  private launch(name: string): void {
    const child = new Child(this.known(name), () => {
      if (this.children.get(name) === child) this.writeClusterFile();
    });
    this.children.set(name, child);
  }

  private async ready(name: string): Promise<void> {
    const url = this.readyUrl(name);
    const child = this.running(name);
    if (url === undefined) return;
    const deadline = Date.now() + READY_WITHIN_MS;
    while (!(await answersOk(url))) {
      if (child.hasExited) throw new Error(`${name} ended before it was ready:\n${tail(child.spec.logFile)}`);
      if (Date.now() > deadline)
        throw new Error(`${name} was not ready in ${READY_WITHIN_MS / 1000} s:\n${tail(child.spec.logFile)}`);
      await new Promise((wake) => setTimeout(wake, POLL_MS));
    }
  }

  private readyUrl(name: string): string | undefined {
    const pod = [...this.layout.storage, ...this.layout.coordinators].find((each) => each.name === name);
    return pod === undefined ? undefined : `http://127.0.0.1:${pod.metricsPort}/healthz/ready`;
  }

  private known(name: string): ChildSpec {
    const spec = this.specs.get(name);
    if (spec !== undefined) return spec;
    throw new CommandRefused(`there is no ${name}; there are ${[...this.specs.keys()].join(', ')}`);
  }

  private isRunning(name: string): boolean {
    return this.children.get(name)?.hasExited === false;
  }

  private running(name: string): Child {
    this.known(name);
    const child = this.children.get(name);
    if (child === undefined || child.hasExited) throw new CommandRefused(`${name} is not running`);
    return child;
  }

  private pid(name: string): number | null {
    return this.isRunning(name) ? (this.children.get(name)?.pid ?? null) : null;
  }

  /** Written whole and renamed: a reader never sees half of it. A dead pod's pid is null. */
  private writeClusterFile(): void {
    const { shape, coordinators, storage, nats } = this.layout;
    const content = {
      coordinators: coordinators.map(({ name, port, metricsPort }) => ({
        name,
        url: `http://127.0.0.1:${port}`,
        metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
        pid: this.pid(name),
      })),
      storage: storage.map(({ name, dataDir, metricsPort }) => ({
        name,
        pid: this.pid(name),
        dataDir,
        metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
      })),
      nats: nats.map(({ name, ports }) => ({
        name,
        url: `nats://127.0.0.1:${ports.client}`,
        pid: this.pid(name),
      })),
      replicas: shape.replicas,
      partitions: shape.vnodes,
    };
    const temporary = `${this.clusterFile}.new`;
    writeFileSync(temporary, `${JSON.stringify(content, null, 2)}\n`);
    renameSync(temporary, this.clusterFile);
  }
}

function specsOf(layout: Layout, natsServer: string): readonly ChildSpec[] {
  const { shape } = layout;
  const logFile = (name: string) => join(shape.dataDir, 'logs', `${name}.log`);
  const common = {
    CIRCLET_CLUSTER: CLUSTER_ID,
    CIRCLET_SECRETS_FILE: layout.secretsFile,
    CIRCLET_NATS_SERVERS: natsUrls(layout).join(','),
    CIRCLET_INSECURE_DEV: 'true',
  };
  const pod = (entry: string, name: string, env: Readonly<Record<string, string>>): ChildSpec => ({
    name,
    command: process.execPath,
    args: [...flagsOf(join(ROOT, entry)), join(ROOT, entry)],
    env: { ...common, CIRCLET_NAME: name, ...env },
    logFile: logFile(name),
  });
  return [
    ...layout.nats.map(({ name, configFile }) => ({
      name,
      command: natsServer,
      args: ['-c', configFile],
      // A core is more than this server needs. With several, the idle threads of Go's scheduler look for work that is not
      // there: 37 µs of CPU for a put instead of 26 (npm run bench).
      env: { GOMAXPROCS: '1' },
      logFile: logFile(name),
    })),
    ...layout.storage.map(({ name, dataDir, metricsPort }) =>
      pod('storage/bin/storage.mjs', name, {
        CIRCLET_DATA_DIR: dataDir,
        CIRCLET_METRICS_PORT: String(metricsPort),
        CIRCLET_INITIAL_MEMBERS: initialMembers(layout),
        CIRCLET_VNODES: String(shape.vnodes),
        CIRCLET_REPLICAS: String(shape.replicas),
      }),
    ),
    ...layout.coordinators.map(({ name, port, metricsPort }) =>
      pod('coordinator/bin/coordinator.mjs', name, {
        CIRCLET_PORT: String(port),
        CIRCLET_METRICS_PORT: String(metricsPort),
      }),
    ),
  ];
}

function writeIfMissing(path: string, content: string): void {
  try {
    writeFileSync(path, content, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

async function answersOk(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

function tail(file: string): string {
  return readFileSync(file, 'utf8').split('\n').slice(-15).join('\n');
}

/** What an entry's first line gives Node: `#!/usr/bin/env -S node --flag ...`. We start the same Node that we run on. */
function flagsOf(entry: string): readonly string[] {
  const [line = ''] = readFileSync(entry, 'utf8').split('\n', 1);
  return line.split(' ').filter((word) => word.startsWith('--'));
}
