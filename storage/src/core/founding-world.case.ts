import { must } from '@circlet/shared/assert.ts';
import { toHex } from '@circlet/shared/codec/bytes.ts';
import type { Notice } from '@circlet/shared/machine.ts';
import type { FrameHeader } from '@circlet/shared/protocol/frame.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';
import { decodeTopology, type Topology } from '@circlet/shared/ring/topology.ts';
import type { StorageEvent } from './effects.ts';
import { MemoryStore } from './memory-store.ts';
import { configOf, Pod, wired } from './pods.case.ts';
import { diskOf } from './ring.case.ts';

/**
 * Pods that found a cluster, under somebody who decides everything else: which frame arrives when, how often and how
 * late, who crashes on which side of a commit, and who loses its disk. Frames are kept for ever. Only what bears on
 * topologies is carried.
 */
export const NAMES = ['a', 'b', 'c'];
const CONFIG = configOf(...NAMES);
const CARRIED = new Set<string>(['topologyAsk', 'topologyTold', 'foundingCall', 'foundingAnswer']);

export type Crash = 'beforeCommit' | 'afterCommit';

interface Sent {
  readonly to: string;
  readonly header: FrameHeader;
  readonly message: Message;
}

export class FoundingWorld {
  /** Every frame ever sent. */
  readonly sent: Sent[] = [];
  /** Those that have not arrived, in order. */
  pending: Sent[] = [];
  readonly notices: (Notice & { readonly by: string })[] = [];
  /** Every document that any pod ever adopted, by its bytes. */
  readonly documents = new Map<string, Topology>();
  /** What each disk ever signed, by its id. */
  readonly signatures = new Map<string, Set<string>>();
  /** Events handled so far. */
  events = 0;
  /** Called before each event is handled; what it says happens around the commit. */
  fate: (name: string) => Crash | undefined = () => undefined;
  private readonly pods = new Map<string, Pod>();
  private readonly disks = new Map<string, MemoryStore>();
  private fresh = 0;
  private boots = 0;

  start(name: string): void {
    const store = this.disks.get(name) ?? this.freshDisk(name);
    const boot = `boot-${String(this.boots++).padStart(6, '0')}`;
    this.pods.set(name, new Pod(name, boot, { store, founding: CONFIG }));
    this.handle(name, { kind: 'start' });
    this.handle(name, { kind: 'bus', up: true });
  }

  startAll(): void {
    for (const name of NAMES) if (!this.pods.has(name)) this.start(name);
  }

  restart(name: string): void {
    this.pods.delete(name);
    this.start(name);
  }

  /** The pod goes on with another, empty disk. */
  wipe(name: string): void {
    this.freshDisk(name);
    this.restart(name);
  }

  call(name: string): void {
    this.handle(name, { kind: 'timer', timer: { kind: 'founding' } });
  }

  deliverNext(): void {
    const next = this.pending.shift();
    if (next !== undefined) this.deliver(next);
  }

  deliver({ to, header, message }: Sent): void {
    this.handle(to, { kind: 'message', from: header, message });
  }

  /** Takes the i-th, modulo, out of those that are under way. */
  take(i: number): Sent | undefined {
    return this.pending.splice(i % Math.max(1, this.pending.length), 1)[0];
  }

  /** Everybody is up and every frame arrives, until nothing new can come of it. */
  settle(): void {
    for (let round = 0; round < 8; round++) {
      this.startAll();
      for (const name of NAMES) this.call(name);
      while (this.pending.length > 0) this.deliverNext();
    }
  }

  epochs(): readonly (number | undefined)[] {
    return NAMES.map((name) => this.pods.get(name)?.epoch);
  }

  mismatches(by: string): readonly string[] {
    return this.notices.flatMap(({ by: noticed, event, fields }) =>
      noticed === by && event === 'founding_mismatch' ? [`${fields?.['from']}: ${fields?.['reason']}`] : [],
    );
  }

  disk(name: string): string {
    return must(this.disks.get(name), `${name} has a disk`).disk;
  }

  private freshDisk(name: string): MemoryStore {
    const store = new MemoryStore(diskOf(`${name}-${this.fresh++}.`));
    this.disks.set(name, store);
    return store;
  }

  private handle(name: string, event: StorageEvent): void {
    const pod = this.pods.get(name);
    if (pod === undefined) return;
    const crash = this.fate(name);
    this.events++;
    pod.store.begin();
    const effects = pod.node.handle(event, { monoMs: this.events, wallMs: 1_700_000_000_000 });
    if (crash === 'beforeCommit') {
      pod.store.rollback();
      this.pods.delete(name);
      return;
    }
    pod.store.commit();
    this.observe(pod);
    if (crash === 'afterCommit') {
      this.pods.delete(name);
      return;
    }
    for (const effect of effects) {
      if (effect.kind === 'epoch') Object.assign(pod, { epoch: effect.epoch, topology: effect.topology });
      else if (effect.kind === 'notify') this.notices.push({ ...effect.notice, by: name });
      else if (effect.kind === 'send' && effect.to.role === 'storage' && CARRIED.has(effect.message.kind)) {
        const others = NAMES.filter((other) => other !== name);
        const receivers = effect.to.name === '*' ? others : [effect.to.name];
        const header = { ...pod.header, toBoot: effect.to.boot };
        for (const to of receivers) {
          for (const heard of wired(header, effect.message)) {
            const frame = { to, ...heard };
            this.sent.push(frame);
            this.pending.push(frame);
          }
        }
      }
    }
  }

  /** What is durable now. */
  private observe({ store }: Pod): void {
    const document = store.readMeta('topology');
    if (document !== undefined) this.documents.set(toHex(document), decodeTopology(document));
    const signature = store.readMeta('signature');
    if (signature === undefined) return;
    const signed = this.signatures.get(store.disk) ?? new Set();
    this.signatures.set(store.disk, signed.add(toHex(signature)));
  }
}
