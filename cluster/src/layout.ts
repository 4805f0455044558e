import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts, isFree } from './free-ports.ts';
import type { NatsPorts } from './nats-server.ts';

/** What a local cluster consists of, decided once when it comes up: pods keep names, ports and directories. */
export interface ClusterShape {
  readonly dataDir: string;
  readonly storage: number;
  readonly coordinators: number;
  readonly nats: number;
  readonly zones: number;
  readonly port: number;
  readonly replicas: number;
  readonly vnodes: number;
}

export interface NatsPlan {
  readonly name: string;
  readonly ports: NatsPorts;
  readonly configFile: string;
}

export interface StoragePlan {
  readonly name: string;
  readonly zone: string;
  readonly dataDir: string;
  readonly metricsPort: number;
}

export interface CoordinatorPlan {
  readonly name: string;
  readonly port: number;
  readonly adminPort: number;
  readonly metricsPort: number;
}

export interface Layout {
  readonly shape: ClusterShape;
  readonly secretsFile: string;
  readonly nats: readonly NatsPlan[];
  /** They found the cluster. */
  readonly storage: readonly StoragePlan[];
  /** They came later: with an empty disk such a pod serves when it is asked to join, and not before. */
  readonly added: readonly StoragePlan[];
  readonly coordinators: readonly CoordinatorPlan[];
}

/** What the command line takes for its admin listener when a coordinator serves at its default port. */
export const ADMIN_PORT_AFTER = 100;

/** A port that is asked for is taken by something else. */
export class PortTaken extends Error {
  override name = 'PortTaken';
}

export async function planLayout(shape: ClusterShape): Promise<Layout> {
  const { dataDir, port } = shape;
  const httpPorts = range(shape.coordinators).map((i) => port + i);
  for (const wanted of httpPorts) {
    if (!(await isFree(wanted))) {
      throw new PortTaken(
        `port ${wanted} on 127.0.0.1 is in use: stop what uses it, or choose another with --port`,
      );
    }
  }
  const added = readAdded(dataDir);
  const count = 2 * shape.nats + shape.storage + added.length + 2 * shape.coordinators;
  const ports = [...(await freePorts(count))];
  const take = () => ports.pop() ?? 0;
  const adminPorts: number[] = [];
  for (const httpPort of httpPorts) {
    const wanted = httpPort + ADMIN_PORT_AFTER;
    adminPorts.push(!ports.includes(wanted) && (await isFree(wanted)) ? wanted : take());
  }
  return {
    shape,
    secretsFile: join(dataDir, 'secrets'),
    nats: range(shape.nats).map((i) => ({
      name: `nats-${i}`,
      ports: { client: take(), route: take() },
      configFile: join(dataDir, `nats-${i}.conf`),
    })),
    storage: range(shape.storage).map((i) =>
      storagePlan(dataDir, { name: `storage-${i}`, zone: `zone-${i % shape.zones}` }, take()),
    ),
    added: added.map((each) => storagePlan(dataDir, each, take())),
    coordinators: httpPorts.map((httpPort, i) => ({
      name: `coordinator-${i}`,
      port: httpPort,
      adminPort: adminPorts[i] ?? 0,
      metricsPort: take(),
    })),
  };
}

type Added = Pick<StoragePlan, 'name' | 'zone'>;

export function storagePlan(dataDir: string, { name, zone }: Added, metricsPort: number): StoragePlan {
  return { name, zone, dataDir: join(dataDir, name), metricsPort };
}

/** Members that joined later have to come up again with the cluster: without them it may miss owners. */
function readAdded(dataDir: string): readonly Added[] {
  try {
    return JSON.parse(readFileSync(addedFile(dataDir), 'utf8')) as readonly Added[];
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

export function writeAdded(dataDir: string, added: readonly Added[]): void {
  const content = added.map(({ name, zone }) => ({ name, zone }));
  writeFileSync(addedFile(dataDir), `${JSON.stringify(content)}\n`);
}

function addedFile(dataDir: string): string {
  return join(dataDir, 'added.json');
}

/** The list that every storage pod is told: `name=zone`. */
export function initialMembers(layout: Layout): string {
  return layout.storage.map(({ name, zone }) => `${name}=${zone}`).join(',');
}

export function natsUrls(layout: Layout): readonly string[] {
  return layout.nats.map(({ ports }) => `nats://127.0.0.1:${ports.client}`);
}

function range(n: number): readonly number[] {
  return Array.from({ length: n }, (_, i) => i);
}
