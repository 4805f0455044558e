import type { Echoed } from '@circlet/shared/protocol/echo.ts';
import type { PreferenceList } from '@circlet/shared/ring/preference-list.ts';
import type { Ring, TopologyDigest } from '@circlet/shared/ring/topology.ts';
import type { Change, ChangeAnswer } from '../core/changes.ts';
import type { ClientAnswer, ClientRequest } from '../core/client.ts';

/**
 * What the HTTP layer needs of a coordinator. The pod implements it over the machine; tests implement it in memory.
 * Nothing here knows HTTP, so what a request means is decided in one place only.
 */
export interface CoordinatorPort {
  /** Always settles, at the latest with the request's own timeout; a rejection is a bug. */
  submit(request: Submission): Promise<ClientAnswer>;
  readonly cluster: ClusterView;
}

/** What the admin listener needs of it. */
export interface AdminPort {
  /** Without a digest, what would come of the change; with the one that was told, the change itself. Always settles. */
  change(change: Change, commits: TopologyDigest | undefined): Promise<ChangeAnswer>;
  readonly cluster: ClusterView;
}

type WithoutId<R> = R extends ClientRequest ? Omit<R, 'id'> : never;
/** A request whose number among those of the process is the pod's business. */
export type Submission = WithoutId<ClientRequest>;

/** The cluster as this coordinator sees it at this moment. */
export interface ClusterView {
  readonly clusterId: string;
  /** Of this process. */
  readonly version: string;
  /** Copies of every key, N: from the topology, and from the configuration until one is known. */
  readonly replicas: number;
  /** Undefined until a topology was learnt. */
  readonly ring: Ring | undefined;
  /** Whether the bus is there. */
  readonly connected: boolean;
  node(name: string): NodeStatus;
  preferences(vnode: number): PreferenceList;
}

export interface NodeStatus {
  /** Judged by this coordinator's own exchanges with it. */
  readonly reachable: boolean;
  /** What it last said of itself; undefined until it was heard. */
  readonly pulse: Echoed | undefined;
}
