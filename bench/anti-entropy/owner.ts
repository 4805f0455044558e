import { join } from 'node:path';
import { FrameBuilder, type FrameHeader } from '@circlet/shared/protocol/frame.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';
import { NO_TOPOLOGY } from '@circlet/shared/ring/topology.ts';
import { isAntiEntropyMessage, type RepairOptions } from '@circlet/storage/core/anti-entropy/anti-entropy.ts';
import type { StorageEffect, StorageEvent } from '@circlet/storage/core/effects.ts';
import { StorageNode } from '@circlet/storage/core/node.ts';
import { SqliteStore } from '@circlet/storage/sqlite/sqlite-store.ts';
import { CLUSTER_KEY } from './states.ts';

/**
 * One storage machine on its SQLite file, and what its turns cost. The options are the defaults of a pod but
 * for the scrub: it reads rows whether owners differ or not, so here it reads hardly any.
 */
export const REPAIR: RepairOptions = {
  everyMs: 5_000,
  bytesPerSecond: 8 * 1024 * 1024,
  scrubRowsPerSecond: 1,
};
const CACHE_KIB = 64 * 1024;

export class Owner {
  readonly name: string;
  readonly boot: string;
  readonly store: SqliteStore;
  epoch = 0;
  topology = NO_TOPOLOGY;
  /** CPU of the process, all its threads, in turns that are about anti-entropy. */
  turnsUs = 0;
  /** The same for frames that are: their encoding at the sender and their decoding at the receiver. */
  framesUs = 0;
  private readonly seed: number;
  private node: StorageNode | undefined;
  private readonly builder = new FrameBuilder();
  private frames = 0;

  constructor(name: string, directory: string, seed: number) {
    this.name = name;
    this.boot = `thislife${String(seed).padStart(3, '0')}`;
    this.seed = seed;
    const newDisk = () => Buffer.from(name.padEnd(16, '0'));
    this.store = new SqliteStore({
      path: join(directory, name, 'store.sqlite'),
      cacheKiB: CACHE_KIB,
      newDisk,
    });
  }

  /** The machine reads its store when it begins: what is in there must be in there by now. */
  begin(): void {
    this.node = new StorageNode({
      name: this.name,
      boot: this.boot,
      cluster: 'bench',
      clusterKey: CLUSTER_KEY,
      store: this.store,
      seed: this.seed,
      founding: undefined,
      hintKeysMax: 1_000_000,
      joins: { zone: 'default', weight: 1 },
      repair: REPAIR,
      version: '0.0.0',
    });
  }

  /** One transaction, as in a host. */
  turn(events: readonly StorageEvent[], monoMs: number): readonly StorageEffect[] {
    const { node, store } = this;
    if (node === undefined) throw new Error(`${this.name} has not begun`);
    const now = { monoMs, wallMs: 1_700_000_000_000 + monoMs };
    const beganUs = ownCpuUs();
    store.begin();
    const effects = events.flatMap((event) => node.handle(event, now));
    store.commit();
    if (events.some(isRepair)) this.turnsUs += ownCpuUs() - beganUs;
    return effects;
  }

  /** A turn's messages to one receiver share a frame, as long as they fit. */
  framesOf(messages: readonly Message[]): readonly Uint8Array[] {
    const beganUs = ownCpuUs();
    const { builder } = this;
    const finished: Uint8Array[] = [];
    builder.begin(this.header());
    for (const message of messages) {
      if (builder.add(message)) continue;
      finished.push(builder.finish());
      builder.begin(this.header());
      builder.add(message);
    }
    finished.push(builder.finish());
    if (messages.some(isAntiEntropyMessage)) this.framesUs += ownCpuUs() - beganUs;
    return finished;
  }

  private header(): FrameHeader {
    const { name, boot, epoch, topology } = this;
    const sender = { cluster: 'cluster!', role: 'storage' as const, name, boot };
    return { ...sender, toBoot: undefined, number: this.frames++, epoch, topology };
  }
}

/** User and system time of this process in microseconds. */
export function ownCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Rounds begin with the timer of the hints. */
function isRepair(event: StorageEvent): boolean {
  if (event.kind === 'message') return isAntiEntropyMessage(event.message);
  return event.kind === 'timer' && (event.timer.kind === 'repair' || event.timer.kind === 'hints');
}
