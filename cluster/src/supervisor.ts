import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newSecrets } from '@circlet/shared/adapters/secrets.ts';
import { NODE_NAME } from '@circlet/shared/causality/dot.ts';
import { Child, type ChildSpec } from './child.ts';
import { freePorts } from './free-ports.ts';
import {
  initialMembers,
  type Layout,
  natsUrls,
  type StoragePlan,
  storagePlan,
  writeAdded,
} from './layout.ts';
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
  private readonly specs: Map<string, ChildSpec>;
  private readonly added: StoragePlan[];
  private readonly children = new Map<string, Child>();

  constructor(layout: Layout, natsServer: string) {
    this.layout = layout;
    this.added = [...layout.added];
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

  /** A pod with an empty disk, in the zone of the first one. Settles when it runs: it serves when it is asked to join. */
  async addStorage(name: string): Promise<void> {
    if (!NODE_NAME.test(name))
      throw new CommandRefused(`a name has lower-case letters, digits and dashes, 63 at most, not "${name}"`);
    const { shape, storage } = this.layout;
    // A folder of that name is a disk that is not empty, or none of a pod.
    if (this.specs.has(name) || existsSync(join(shape.dataDir, name)))
      throw new CommandRefused(`there is a ${name} already`);
    const [metricsPort = 0] = await freePorts(1);
    const plan = storagePlan(shape.dataDir, { name, zone: storage[0]?.zone ?? 'zone-0' }, metricsPort);
    this.specs.set(name, addedSpec(this.layout, plan));
    this.added.push(plan);
    writeAdded(shape.dataDir, this.added);
    await this.start(name);
  }

  /** Coordinators first, so that no request loses its replicas; the bus last. */
  async down(): Promise<void> {
    const { coordinators, storage, nats } = this.layout;
    for (const group of [coordinators, [...storage, ...this.added], nats]) {
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
    const isNamed = (each: { readonly name: string }) => each.name === name;
    const pod = [...this.layout.storage, ...this.layout.coordinators].find(isNamed);
    if (pod !== undefined) return `http://127.0.0.1:${pod.metricsPort}/healthz/ready`;
    // It may be no member, and then it is not ready.
    const added = this.added.find(isNamed);
    return added === undefined ? undefined : `http://127.0.0.1:${added.metricsPort}/healthz/live`;
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
      coordinators: coordinators.map(({ name, port, adminPort, metricsPort }) => ({
        name,
        url: `http://127.0.0.1:${port}`,
        adminUrl: `http://127.0.0.1:${adminPort}`,
        metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
        pid: this.pid(name),
      })),
      storage: [...storage, ...this.added].map(({ name, dataDir, metricsPort }) => ({
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
  return [
    ...layout.nats.map(({ name, configFile }) => ({
      name,
      command: natsServer,
      args: ['-c', configFile],
      // A core is more than this server needs. With several, the idle threads of Go's scheduler look for work that is not
      // there: 37 µs of CPU for a put instead of 26 (npm run bench).
      env: { GOMAXPROCS: '1' },
      logFile: logFileOf(layout, name),
    })),
    ...layout.storage.map((plan) => storageSpec(layout, plan, initialMembers(layout))),
    ...layout.added.map((plan) => addedSpec(layout, plan)),
    ...layout.coordinators.map(({ name, port, adminPort, metricsPort }) =>
      podSpec(layout, 'coordinator/bin/coordinator.mjs', name, {
        CIRCLET_PORT: String(port),
        CIRCLET_ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
        CIRCLET_METRICS_PORT: String(metricsPort),
      }),
    ),
  ];
}

function addedSpec(layout: Layout, plan: StoragePlan): ChildSpec {
  return storageSpec(layout, plan, '');
}

/** One that is told no initial members founds nothing. */
function storageSpec(
  layout: Layout,
  { name, zone, dataDir, metricsPort }: StoragePlan,
  members: string,
): ChildSpec {
  return podSpec(layout, 'storage/bin/storage.mjs', name, {
    CIRCLET_DATA_DIR: dataDir,
    CIRCLET_ZONE: zone,
    CIRCLET_METRICS_PORT: String(metricsPort),
    CIRCLET_INITIAL_MEMBERS: members,
    CIRCLET_VNODES: String(layout.shape.vnodes),
    CIRCLET_REPLICAS: String(layout.shape.replicas),
  });
}

function podSpec(
  layout: Layout,
  entry: string,
  name: string,
  env: Readonly<Record<string, string>>,
): ChildSpec {
  const common = {
    CIRCLET_CLUSTER: CLUSTER_ID,
    CIRCLET_SECRETS_FILE: layout.secretsFile,
    CIRCLET_NATS_SERVERS: natsUrls(layout).join(','),
    CIRCLET_INSECURE_DEV: 'true',
  };
  return {
    name,
    command: process.execPath,
    args: [...flagsOf(join(ROOT, entry)), join(ROOT, entry)],
    env: { ...common, CIRCLET_NAME: name, ...env },
    logFile: logFileOf(layout, name),
  };
}

function logFileOf({ shape }: Layout, name: string): string {
  return join(shape.dataDir, 'logs', `${name}.log`);
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
