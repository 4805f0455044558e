import { identityOf, newBoot } from '@circlet/shared/adapters/identity.ts';
import type { Secrets } from '@circlet/shared/adapters/secrets.ts';
import { systemClock, systemScheduler } from '@circlet/shared/adapters/system-clock.ts';
import { Host } from '@circlet/shared/host/host.ts';
import type { Transport } from '@circlet/shared/host/ports.ts';
import type { Notice } from '@circlet/shared/machine.ts';
import type { TopologyDigest } from '@circlet/shared/ring/topology.ts';
import type { Change, ChangeAnswer } from './core/changes.ts';
import type { Answer, ClientAnswer, ClientRequest } from './core/client.ts';
import {
  type AskedEvent,
  Coordinator,
  type CoordinatorOptions,
  type CoordinatorTimer,
} from './core/coordinator.ts';
import { InFlight } from './core/in-flight.ts';
import type { AdminPort, ClusterView, CoordinatorPort, Submission } from './http/port.ts';

/** A coordinator pod without its HTTP server: the machine, the bus, and requests as promises. */
export interface CoordinatorPodOptions extends Omit<CoordinatorOptions, 'clusterKey'> {
  readonly name: string;
  readonly secrets: Secrets;
  readonly version: string;
  readonly transport: Transport;
  readonly notice: (notice: Notice) => void;
}

interface Waiting {
  readonly id: number;
  readonly resolve: (answer: ClientAnswer) => void;
}

/** Shown until a topology is known. */
const REPLICAS_UNKNOWN = 3;

export class CoordinatorPod implements CoordinatorPort, AdminPort {
  readonly cluster: ClusterView;
  private readonly host: Host<AskedEvent, CoordinatorTimer, Answer>;
  private machine: Coordinator;
  private readonly waiting = new InFlight<Waiting>();
  /** Of operators, by id. */
  private readonly changing = new Map<number, (answer: ChangeAnswer) => void>();
  private lastId = 0;

  constructor(options: CoordinatorPodOptions) {
    const { clusterKey } = options.secrets;
    const identity = identityOf(options.cluster, clusterKey, 'coordinator', options.name);
    const build = () => new Coordinator({ ...options, clusterKey });
    this.machine = build();
    this.cluster = this.view(options);
    this.host = new Host({
      identity,
      build: (boot) => {
        if (boot !== identity.boot) this.machine = build();
        return this.machine;
      },
      transport: options.transport,
      clock: systemClock,
      scheduler: systemScheduler(),
      respond: (id, answer) => this.settle(id, answer),
      notice: options.notice,
      newBoot,
      isFatal: () => false,
      fatal: () => undefined,
      dropped: (event) => {
        if (event.kind === 'request') this.settle(event.request.id, INTERNAL_UNSENT);
        if (event.kind === 'change') this.settle(event.request.id, CHANGE_FAILED);
      },
      discarded: () => {
        for (const { id } of this.waiting.values()) this.settle(id, INTERNAL);
        for (const id of this.changing.keys()) this.settle(id, CHANGE_FAILED);
      },
    });
  }

  submit(request: Submission): Promise<ClientAnswer> {
    const id = ++this.lastId;
    return new Promise((resolve) => {
      this.waiting.set({ id, resolve });
      this.host.deliver({ kind: 'request', request: { ...request, id } as ClientRequest });
    });
  }

  change(change: Change, commits: TopologyDigest | undefined): Promise<ChangeAnswer> {
    const id = ++this.lastId;
    return new Promise((resolve) => {
      this.changing.set(id, resolve);
      this.host.deliver({ kind: 'change', request: { id, change, commits } });
    });
  }

  stop(): void {
    this.host.stop();
  }

  private settle(id: number, answer: Answer): void {
    if (answer.kind === 'told' || answer.kind === 'untold') {
      this.changing.get(id)?.(answer);
      this.changing.delete(id);
      return;
    }
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    waiting?.resolve(answer);
  }

  private view({ cluster, version }: CoordinatorPodOptions): ClusterView {
    const machine = () => this.machine;
    return {
      clusterId: cluster,
      version,
      get replicas() {
        return machine().topology?.topology.replicas ?? REPLICAS_UNKNOWN;
      },
      get ring() {
        return machine().topology;
      },
      get connected() {
        return machine().isConnected;
      },
      node: (name) => ({ reachable: machine().isAlive(name), pulse: machine().pulseOf(name) }),
      preferences: (vnode) => machine().preferences(vnode),
    };
  }
}

/** The machine broke on the request itself, before it sent anything, or with others under way. */
const INTERNAL_UNSENT: ClientAnswer = { kind: 'failed', failure: { code: 'internal', outcome: 'none' } };
const INTERNAL: ClientAnswer = { kind: 'failed', failure: { code: 'internal', outcome: 'unknown' } };
const CHANGE_FAILED: ChangeAnswer = { kind: 'untold', why: 'internal' };
