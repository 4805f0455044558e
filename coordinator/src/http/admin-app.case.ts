import type { Notice } from '@circlet/shared/machine.ts';
import { Prng } from '@circlet/shared/prng.ts';
import { Ring, type Topology, type TopologyDigest } from '@circlet/shared/ring/topology.ts';
import type { Change, ChangeAnswer } from '../core/changes.ts';
import { type AdminAppOptions, createAdminApp } from './admin-app.ts';
import { CLUSTER_KEY, MemoryCluster } from './memory-port.case.ts';
import type { App } from './mount.ts';
import type { AdminPort } from './port.ts';

/** The admin application over members that answer what the test says. */
export class AdminTest implements AdminPort {
  readonly cluster = new MemoryCluster();
  readonly asked: { readonly change: Change; readonly commits: TopologyDigest | undefined }[] = [];
  readonly log: Notice[] = [];
  readonly options: AdminAppOptions;
  readonly app: App;
  /** What the members answer, in order. */
  readonly answers: ChangeAnswer[] = [];

  constructor() {
    const prng = new Prng(1);
    this.options = {
      port: this,
      randomBytes: (n) => Uint8Array.from({ length: n }, () => prng.u32() & 0xff),
      draining: () => false,
      log: (notice) => void this.log.push(notice),
    };
    this.app = createAdminApp(this.options);
  }

  async change(change: Change, commits: TopologyDigest | undefined): Promise<ChangeAnswer> {
    this.asked.push({ change, commits });
    const answer = this.answers.shift();
    if (answer === undefined) throw new Error('asked more than the test expects');
    return await Promise.resolve(answer);
  }

  act(topology: Topology): void {
    this.cluster.ring = new Ring(topology, CLUSTER_KEY);
  }

  async send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    return await this.app.request(path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }
}

export function told(
  status: Extract<ChangeAnswer, { kind: 'told' }>['status'],
  parts: Partial<Extract<ChangeAnswer, { kind: 'told' }>> = {},
): ChangeAnswer {
  return { kind: 'told', status, digest: '', document: undefined, reason: '', epoch: 3, ...parts };
}
