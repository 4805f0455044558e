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
  readonly metricsPort: number;
}

export interface Layout {
  readonly shape: ClusterShape;
  readonly secretsFile: string;
  readonly nats: readonly NatsPlan[];
  readonly storage: readonly StoragePlan[];
  readonly coordinators: readonly CoordinatorPlan[];
}

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
  const ports = [...(await freePorts(2 * shape.nats + shape.storage + shape.coordinators))];
  const take = () => ports.pop() ?? 0;
  return {
    shape,
    secretsFile: join(dataDir, 'secrets'),
    nats: range(shape.nats).map((i) => ({
      name: `nats-${i}`,
      ports: { client: take(), route: take() },
      configFile: join(dataDir, `nats-${i}.conf`),
    })),
    storage: range(shape.storage).map((i) => ({
      name: `storage-${i}`,
      zone: `zone-${i % shape.zones}`,
      dataDir: join(dataDir, `storage-${i}`),
      metricsPort: take(),
    })),
    coordinators: httpPorts.map((httpPort, i) => ({
      name: `coordinator-${i}`,
      port: httpPort,
      metricsPort: take(),
    })),
  };
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
