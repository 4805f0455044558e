import { randomBytes } from 'node:crypto';
import type { Secrets } from '@circlet/shared/adapters/secrets.ts';
import type { Notice } from '@circlet/shared/machine.ts';
import { createAdminApp } from './http/admin-app.ts';
import { createApp } from './http/app.ts';
import { Health } from './http/health.ts';
import { serveHttp } from './http/server.ts';
import type { CoordinatorPod } from './pod.ts';

/** A coordinator pod's HTTP API on a port: the same for a process of its own and for a cluster in one process. */
export interface ApiOptions {
  readonly pod: CoordinatorPod;
  readonly secrets: Secrets;
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly connectionsMax: number;
  readonly notice: (notice: Notice) => void;
}

export interface Api {
  readonly port: number;
  readonly health: Health;
  /** Not ready at once; then takes no new connection and lets requests finish for `graceMs`. */
  close(graceMs: number): Promise<void>;
}

export async function serveApi({
  pod,
  secrets,
  host,
  port,
  connectionsMax,
  notice,
}: ApiOptions): Promise<Api> {
  let isDraining = false;
  const draining = () => isDraining;
  const app = createApp({
    port: pod,
    clusterKey: secrets.clusterKey,
    contextKeys: secrets.contextKeys,
    signWith: secrets.signWith,
    wallClockMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    randomBytes,
    draining,
    log: notice,
  });
  const server = await serveHttp(app, { host, port, log: notice, randomBytes, bounds: { connectionsMax } });
  return {
    port: server.port,
    health: new Health(pod.cluster, draining),
    close: (graceMs) => {
      isDraining = true;
      return server.close(graceMs);
    },
  };
}

/** Few operators, each with one connection or two; whoever opens more has lost track of them. */
const ADMIN_CONNECTIONS_MAX = 32;

export interface Admin {
  readonly port: number;
  close(graceMs: number): Promise<void>;
}

/** Membership changes, on a port of their own. */
export async function serveAdmin({
  pod,
  host,
  port,
  notice,
}: Pick<ApiOptions, 'pod' | 'host' | 'port' | 'notice'>): Promise<Admin> {
  let isDraining = false;
  const app = createAdminApp({ port: pod, randomBytes, draining: () => isDraining, log: notice });
  const bounds = { connectionsMax: ADMIN_CONNECTIONS_MAX };
  const server = await serveHttp(app, { host, port, log: notice, randomBytes, bounds });
  return {
    port: server.port,
    close: (graceMs) => {
      isDraining = true;
      return server.close(graceMs);
    },
  };
}
