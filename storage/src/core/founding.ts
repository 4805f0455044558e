import { must } from '@circlet/shared/assert.ts';
import { Reader, Writer } from '@circlet/shared/codec/bytes.ts';
import { id, struct } from '@circlet/shared/codec/schema.ts';
import type { SipKey } from '@circlet/shared/hash/siphash.ts';
import {
  configDigest,
  type FoundingConfig,
  found,
  isGenuine,
  type Presence,
  type Roster,
  rosterDigest,
  rosterSchema,
  sealed,
  UNSIGNED,
} from '@circlet/shared/ring/founding.ts';
import type { Topology } from '@circlet/shared/ring/topology.ts';
import type { Store } from './store.ts';

/**
 * This node's part in founding a cluster (`shared/ring/founding.ts`): it learns everybody's disk, signs that roster once
 * and durably, and waits until all others have signed the same. Only a store that never held a topology gets here.
 */
export class Founding {
  private readonly store: Store;
  private readonly key: SipKey;
  private readonly config: FoundingConfig;
  private readonly self: string;
  private readonly configDigest: string;
  private readonly disks = new Map<string, string>();
  private readonly signers = new Set<string>();
  private signed: { readonly roster: Roster; readonly digest: string } | undefined;

  /** Throws {@link FoundingRefused} when this store signed for another configuration, or this node is not in it. */
  constructor(store: Store, key: SipKey, config: FoundingConfig, self: string) {
    if (!config.members.some((member) => member.name === self)) {
      throw new FoundingRefused(
        `${self} is not among the initial members: it can only join an existing cluster`,
      );
    }
    this.store = store;
    this.key = key;
    this.config = config;
    this.self = self;
    this.configDigest = configDigest(key, config);
    this.disks.set(self, store.disk);
    this.restore();
    this.signIfAllPresent();
  }

  get others(): readonly string[] {
    return this.config.members.map((member) => member.name).filter((name) => name !== this.self);
  }

  /** What this node says of itself; what it says of its signature is durable with the turn that made it. */
  get presence(): Presence {
    const { configDigest: config, self: name, signed } = this;
    return sealed(this.key, { config, name, disk: this.store.disk, roster: signed?.digest ?? UNSIGNED });
  }

  /** Takes what another says of itself; anything but `taken` is worth a warning. */
  hear(
    from: string,
    said: Presence,
  ): 'taken' | 'forged' | 'other configuration' | 'other disk' | 'other roster' {
    if (said.name !== from || !isGenuine(this.key, said)) return 'forged';
    if (said.config !== this.configDigest) return 'other configuration';
    if (this.signed === undefined) {
      this.disks.set(from, said.disk);
      this.signIfAllPresent();
    }
    if (this.disks.get(from) !== said.disk) return 'other disk';
    if (said.roster === UNSIGNED) return 'taken';
    if (this.signed !== undefined && said.roster !== this.signed.digest) return 'other roster';
    if (this.signed !== undefined) this.signers.add(from);
    return 'taken';
  }

  /** Epoch 1, once everybody has signed what this node has signed. */
  topology(): Topology | undefined {
    const { signed } = this;
    if (signed === undefined || this.config.members.some(({ name }) => !this.signers.has(name)))
      return undefined;
    return found(this.config, signed.roster);
  }

  private signIfAllPresent(): void {
    const { members } = this.config;
    if (this.signed !== undefined || members.some(({ name }) => !this.disks.has(name))) return;
    const roster = members.map(({ name }) => must(this.disks.get(name), 'everybody is present'));
    const writer = new Writer();
    signature.write(writer, { config: this.configDigest, roster });
    this.store.writeMeta('signature', writer.finish());
    this.accept(roster);
  }

  private restore(): void {
    const stored = this.store.readMeta('signature');
    if (stored === undefined) return;
    const { config, roster } = signature.read(new Reader(stored));
    if (config !== this.configDigest) {
      throw new FoundingRefused(
        'this store has signed for another list of initial members (or other vnodes, replicas or secret): ' +
          'restore that configuration, or start with an empty data directory',
      );
    }
    this.config.members.forEach(({ name }, i) =>
      this.disks.set(name, must(roster[i], 'a whole roster was signed')),
    );
    this.accept(roster);
  }

  private accept(roster: Roster): void {
    this.signed = { roster, digest: rosterDigest(this.key, this.config, roster) };
    this.signers.add(this.self);
  }
}

export class FoundingRefused extends Error {
  override name = 'FoundingRefused';
}

const signature = struct({ config: id(16), roster: rosterSchema });
