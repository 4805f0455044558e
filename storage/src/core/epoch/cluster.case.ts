import { must } from '@circlet/shared/assert.ts';
import { TimerQueue } from '@circlet/shared/host/timer-queue.ts';
import { Prng } from '@circlet/shared/prng.ts';
import type { Topology } from '@circlet/shared/ring/topology.ts';
import { type Disk, EpochPod, podOf, type PodEvent, type Said, type Turn } from './pod.case.ts';

interface Post {
  readonly to: EpochPod;
  readonly event: PodEvent;
}

/** Pods on a network of 1 to 20 ms, each of which looks at its clock ten times a second. */
export class EpochCluster {
  static readonly TICK_MS = 100;
  nowMs = 0;
  sent = 0;
  /** Messages that do not arrive. */
  loses: (from: string, to: string, message: Said) => boolean = () => false;
  private readonly pods = new Map<string, EpochPod>();
  private readonly disks = new Map<string, Disk>();
  private readonly queue = new TimerQueue<Post>();
  private readonly prng: Prng;

  constructor(topology: Topology, seed: number) {
    this.prng = new Prng(seed);
    for (const { name } of topology.members) {
      this.disks.set(name, podOf(name, topology).store);
      this.start(name);
    }
  }

  get alive(): readonly EpochPod[] {
    return [...this.pods.values()];
  }

  pod(name: string): EpochPod {
    return must(this.pods.get(name), `${name} runs`);
  }

  start(name: string): void {
    const disk = must(this.disks.get(name), `${name} has a disk`);
    const pod = new EpochPod(name, disk, this.prng.next, this.nowMs);
    this.pods.set(name, pod);
    this.queue.push(this.nowMs + this.prng.next() * EpochCluster.TICK_MS, {
      to: pod,
      event: { kind: 'tick' },
    });
  }

  crash(name: string): void {
    this.pods.delete(name);
  }

  propose(name: string, document: Topology): Turn {
    return this.handle(this.pod(name), { kind: 'propose', document });
  }

  /** Until it holds, or for so long; when it held. */
  runUntil(holds: () => boolean, atMostMs: number): number | undefined {
    const endMs = this.nowMs + atMostMs;
    while (!holds()) {
      const dueMs = this.queue.nextMs;
      if (dueMs === undefined || dueMs > endMs) return undefined;
      this.nowMs = dueMs;
      const { to, event } = must(this.queue.pop(dueMs), 'something is due');
      if (this.pods.get(to.name) !== to) continue;
      this.handle(to, event);
      if (event.kind === 'tick') this.queue.push(this.nowMs + EpochCluster.TICK_MS, { to, event });
    }
    return this.nowMs;
  }

  private handle(pod: EpochPod, event: PodEvent): Turn {
    const turn = pod.handle(event, this.nowMs);
    for (const { to, message } of turn.said) {
      this.sent++;
      const receiver = this.pods.get(to);
      if (receiver === undefined || this.loses(pod.name, to, message)) continue;
      const atMs = this.nowMs + 1 + this.prng.next() * 19;
      this.queue.push(atMs, { to: receiver, event: { kind: 'message', from: pod.name, message } });
    }
    return turn;
  }
}
