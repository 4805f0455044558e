import { MemoryStore } from '@circlet/storage/core/memory-store.ts';
import type { Store } from '@circlet/storage/core/store.ts';

/** What survives a pod's process. Opened anew after each crash; only committed turns are in it. */
export interface Disk {
  open(): Store;
  /** A copy of what is committed now, under the same disk id. */
  snapshot?(): Disk;
  /** Remembers where the log ends, for a commit that is to be torn. */
  markLog?(): void;
  /** The power failed while the last commit was synced. */
  tearLastCommit?(random: () => number): boolean;
  /** One bit near the end of the log is flipped: for the engine it ends there. */
  flipLog?(random: () => number): boolean;
  /** One bit of one row is flipped in the closed file. */
  flipRow?(random: () => number): boolean;
  /** The process ended for this reason: an engine may have to remember it. */
  failed?(error: unknown): void;
  remove?(): void;
}

export type NewDisk = (diskId: string) => Disk;

export const memoryDisk: NewDisk = (diskId) => {
  const store = new MemoryStore(diskId);
  return {
    open: () => {
      store.rollback();
      return store;
    },
  };
};

const META = ['topology', 'signature'];

/** A copy of what a store holds now, under the same disk id: a backup, or a volume that was cloned. */
export function copyOf(store: Store, onto: NewDisk): Disk {
  const disk = onto(store.disk);
  const copy = disk.open();
  copy.begin();
  for (const table of ['rows', 'hints'] as const) {
    for (const entry of store.scan(table, undefined, Number.MAX_SAFE_INTEGER)) {
      if (entry.kind === 'found') copy.put(table, entry.at, entry.value);
    }
  }
  for (const name of META) {
    const value = store.readMeta(name);
    if (value !== undefined) copy.writeMeta(name, value);
  }
  copy.commit();
  return disk;
}
