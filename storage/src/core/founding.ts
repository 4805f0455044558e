import { Reader, Writer } from '@circlet/shared/codec/bytes.ts';
import type { SipKey } from '@circlet/shared/hash/siphash.ts';
import {
  configDigest,
  type FoundingConfig,
  found,
  isGenuine,
  type Signature,
  sign,
  signature,
} from '@circlet/shared/ring/founding.ts';
import type { Topology } from '@circlet/shared/ring/topology.ts';
import type { Store } from './store.ts';

/**
 * This node's part in founding a cluster (protocol.md, rule 12): it signs one configuration, once and durably, and
 * collects the others' signatures until all are there. Only a store that never held a topology gets here.
 */
export class Founding {
  readonly own: Signature;
  private readonly key: SipKey;
  private readonly config: FoundingConfig;
  private readonly signatures = new Map<string, Signature>();

  /** Throws {@link FoundingRefused} when this store has signed another configuration, or this node is not in it. */
  constructor(store: Store, key: SipKey, config: FoundingConfig, self: string) {
    if (!config.members.some((member) => member.name === self)) {
      throw new FoundingRefused(`${self} is not among the initial members: it can only join an existing cluster`);
    }
    this.key = key;
    this.config = config;
    this.own = signOnce(store, key, config, self);
    this.signatures.set(self, this.own);
  }

  get others(): readonly string[] {
    return this.config.members.map((member) => member.name).filter((name) => name !== this.own.name);
  }

  get missing(): readonly string[] {
    return this.config.members.map((member) => member.name).filter((name) => !this.signatures.has(name));
  }

  /** Why a signature is not for this cluster to be. */
  flawOf(from: string, theirs: Signature): 'forged' | 'other configuration' | undefined {
    if (theirs.name !== from || !isGenuine(this.key, theirs)) return 'forged';
    return theirs.config === this.own.config ? undefined : 'other configuration';
  }

  add(theirs: Signature): void {
    this.signatures.set(theirs.name, theirs);
  }

  /** Epoch 1, once everybody has signed. */
  topology(): Topology | undefined {
    return found(this.key, this.config, [...this.signatures.values()]);
  }
}

export class FoundingRefused extends Error {
  override name = 'FoundingRefused';
}

function signOnce(store: Store, key: SipKey, config: FoundingConfig, self: string): Signature {
  const stored = store.readMeta('signature');
  if (stored === undefined) {
    const fresh = sign(key, config, self, store.disk);
    const writer = new Writer();
    signature.write(writer, fresh);
    store.writeMeta('signature', writer.finish());
    return fresh;
  }
  const before = signature.read(new Reader(stored));
  if (before.config !== configDigest(key, config)) {
    throw new FoundingRefused(
      'this store has already signed another list of initial members (or other vnodes, replicas or secret): ' +
        'restore that configuration, or start with an empty data directory',
    );
  }
  return before;
}
