import { latin1, Writer } from '../codec/bytes.ts';
import { type Infer, id, list, struct, u8, varint } from '../codec/schema.ts';
import { nodeName } from '../causality/dot.ts';
import { type SipKey, siphash } from '../hash/siphash.ts';
import { NODES_MAX } from '../protocol/limits.ts';
import { planPlacement } from './planner.ts';
import { clusterId, diskId, type Topology, zoneName } from './topology.ts';

/**
 * How a cluster begins, without a leader (protocol.md, rule 12). Every configured initial member with an empty store
 * signs the configuration durably, once. Who has the signatures of *all* of them computes epoch 1, which is a
 * function of the configuration and the disk ids, so everybody computes the same. A member that ever held a
 * topology never signs, so two pods that lost their disks cannot found a second cluster beside the old one.
 */
const foundingMember = struct({ name: nodeName, zone: zoneName, weight: u8 });

const configuration = struct({
  cluster: clusterId,
  vnodes: varint,
  replicas: u8,
  /** Sorted by name. */
  members: list(foundingMember, NODES_MAX),
});

export type FoundingMember = Infer<typeof foundingMember>;
export type FoundingConfig = Infer<typeof configuration>;

export const signature = struct({
  /** Digest of the configuration that is signed. */
  config: id(16),
  name: nodeName,
  disk: diskId,
  /** Keyed with the cluster secret over the fields above: only a pod of this cluster can sign. */
  seal: id(16),
});

export type Signature = Infer<typeof signature>;

export function configDigest(key: SipKey, config: FoundingConfig): string {
  const writer = new Writer();
  configuration.write(writer, config);
  return latin1(siphash(key, writer.finish()));
}

export function sign(key: SipKey, config: FoundingConfig, name: string, disk: string): Signature {
  const unsealed = { config: configDigest(key, config), name, disk };
  return { ...unsealed, seal: sealOf(key, unsealed) };
}

export function isGenuine(key: SipKey, signature: Signature): boolean {
  return sealOf(key, signature) === signature.seal;
}

/** Epoch 1, once every configured member has signed this configuration; undefined before. */
export function found(key: SipKey, config: FoundingConfig, signatures: readonly Signature[]): Topology | undefined {
  const wanted = configDigest(key, config);
  const disks = new Map(signatures.filter((s) => s.config === wanted).map((s) => [s.name, s.disk]));
  if (config.members.some((member) => !disks.has(member.name))) return undefined;
  const names = config.members.map((member) => member.name);
  const placement = planPlacement(undefined, config.members, {
    vnodes: config.vnodes,
    replicas: config.replicas,
  });
  return {
    cluster: config.cluster,
    epoch: 1,
    replicas: config.replicas,
    members: config.members.map((member) => ({
      ...member,
      disk: disks.get(member.name) ?? '',
      state: 'active' as const,
    })),
    owners: placement.map((owners) => owners.map((name) => names.indexOf(name))),
  };
}

function sealOf(key: SipKey, { config, name, disk }: Omit<Signature, 'seal'>): string {
  const writer = new Writer();
  writer.latin1(`founding/${name}/${disk}/`);
  writer.latin1(config);
  return latin1(siphash(key, writer.finish()));
}
