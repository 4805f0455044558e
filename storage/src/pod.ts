import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { identityOf, newBoot } from '@circlet/shared/adapters/identity.ts';
import { systemClock, systemScheduler } from '@circlet/shared/adapters/system-clock.ts';
import type { Secrets } from '@circlet/shared/adapters/secrets.ts';
import { Host } from '@circlet/shared/host/host.ts';
import type { Transport } from '@circlet/shared/host/ports.ts';
import type { Notice } from '@circlet/shared/machine.ts';
import type { FoundingConfig } from '@circlet/shared/ring/founding.ts';
import type { RepairOptions } from './core/anti-entropy/anti-entropy.ts';
import type { StorageEvent, StorageTimer } from './core/effects.ts';
import { StorageNode } from './core/node.ts';
import { openOrSetAside, remember } from './sqlite/set-aside.ts';
import { isDiskFull, isFatalStoreError, SqliteStore } from './sqlite/sqlite-store.ts';

/** A storage pod: the machine, its SQLite file and the bus, wired together. `main.ts` runs one in a process of its own. */
export interface StoragePodOptions {
  readonly name: string;
  readonly cluster: string;
  readonly secrets: Secrets;
  readonly founding: FoundingConfig | undefined;
  readonly dataDir: string;
  readonly cacheKiB: number;
  readonly hintKeysMax: number;
  /** Where it stands and how much it is to have, when it is to join. */
  readonly joins: { readonly zone: string; readonly weight: number };
  readonly repair: RepairOptions | undefined;
  readonly version: string;
  readonly transport: Transport;
  readonly notice: (notice: Notice) => void;
  /** The store cannot be trusted any more: acknowledging stops, and so must the process. */
  readonly fatal: (error: unknown) => void;
}

/** How often a pod whose disk was full looks whether there is room again. */
const FULL_RETRY_MS = 5_000;

export class StoragePod {
  private readonly host: Host<StorageEvent, StorageTimer, never>;
  private readonly store: SqliteStore;
  private node: StorageNode;
  private readonly fullProbe: NodeJS.Timeout;

  /** Opens the store, which throws StoreUnusable on a file that is not ours, and begins to find its cluster. */
  constructor(options: StoragePodOptions) {
    const { name, cluster, secrets, transport } = options;
    const { clusterKey } = secrets;
    const path = join(options.dataDir, 'store.sqlite');
    const { cacheKiB } = options;
    const setAside = (to: string, reason: string) =>
      options.notice({ level: 'alarm', event: 'store_set_aside', fields: { to, reason } });
    const store = openOrSetAside(path, () => new SqliteStore({ path, cacheKiB }), setAside);
    this.store = store;
    const build = (boot: string) => {
      const { founding, hintKeysMax, joins, repair, version } = options;
      const seed = randomInt(2 ** 32);
      return new StorageNode({
        name,
        boot,
        cluster,
        clusterKey,
        store,
        seed,
        founding,
        hintKeysMax,
        joins,
        repair,
        version,
      });
    };
    const identity = identityOf(cluster, clusterKey, 'storage', name);
    this.node = build(identity.boot);
    this.host = new Host({
      identity,
      build: (life) => {
        if (life !== identity.boot) this.node = build(life);
        return this.node;
      },
      transport,
      clock: systemClock,
      scheduler: systemScheduler(),
      transaction: {
        begin: () => store.begin(),
        commit: () => store.commit(),
        rollback: () => store.rollback(),
      },
      respond: () => undefined,
      notice: options.notice,
      newBoot,
      isFatal: (error) => {
        if (isDiskFull(error)) store.readOnly = true;
        return isFatalStoreError(error);
      },
      fatal: (error) => {
        remember(path, error);
        options.fatal(error);
      },
    });
    this.fullProbe = setInterval(() => this.probeSpace(options), FULL_RETRY_MS);
    this.fullProbe.unref();
  }

  get readiness(): StorageNode['readiness'] {
    return this.node.readiness;
  }

  /** What has arrived is finished and answered; then the store is closed, which empties its log. */
  stop(): void {
    clearInterval(this.fullProbe);
    this.host.stop();
    this.store.close();
  }

  private probeSpace({ notice, fatal }: StoragePodOptions): void {
    try {
      if (!this.store.readOnly || !this.store.hasRoom()) return;
    } catch (error) {
      fatal(error);
      return;
    }
    this.store.readOnly = false;
    notice({ level: 'info', event: 'disk_has_room' });
  }
}
