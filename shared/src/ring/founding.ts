import { must } from '../assert.ts';
import { latin1, Writer } from '../codec/bytes.ts';
import { type Infer, id, list, struct, u8, varint } from '../codec/schema.ts';
import { nodeName } from '../causality/dot.ts';
import { type SipKey, siphash } from '../hash/siphash.ts';
import { NODES_MAX } from '../protocol/limits.ts';
import { planPlacement } from './planner.ts';
import { clusterId, diskId, type Topology, zoneName } from './topology.ts';

/**
 * How a cluster begins, without a leader (protocol.md, rule 12).
 *
 *     present, with a disk  --all are present-->  signed: these members on these disks  --all signed the same-->  epoch 1
 *
 * A store signs once, durably, and never after it held a topology. The signature names every member's *disk*: were it only
 * for the configured names, a member could found with one disk of a peer while others, still holding its signature,
 * found a second cluster with the disk that replaced it. Epoch 1 is a function of what was signed, so everybody who
 * has all signatures computes the same.
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

/** What a member says of itself while there is no topology. */
export const presence = struct({
  /** Digest of the configuration it was started with. */
  config: id(16),
  name: nodeName,
  disk: diskId,
  /** Digest of the roster it has signed; {@link UNSIGNED} before. */
  roster: id(16),
  /** Keyed with the cluster secret over the fields above: only a pod of this cluster can say it. */
  seal: id(16),
});

export type Presence = Infer<typeof presence>;
export const UNSIGNED = '\0'.repeat(16);

/** The disk of each configured member, in the order of the configuration. */
export const rosterSchema = list(diskId, NODES_MAX);
export type Roster = Infer<typeof rosterSchema>;

export function configDigest(key: SipKey, config: FoundingConfig): string {
  const writer = new Writer();
  configuration.write(writer, config);
  return latin1(siphash(key, writer.finish()));
}

export function rosterDigest(key: SipKey, config: FoundingConfig, roster: Roster): string {
  const writer = new Writer();
  configuration.write(writer, config);
  rosterSchema.write(writer, roster);
  return latin1(siphash(key, writer.finish()));
}

export function sealed(key: SipKey, said: Omit<Presence, 'seal'>): Presence {
  return { ...said, seal: sealOf(key, said) };
}

export function isGenuine(key: SipKey, said: Presence): boolean {
  return sealOf(key, said) === said.seal;
}

/** Epoch 1 of the members on these disks. */
export function found(config: FoundingConfig, roster: Roster): Topology {
  const { cluster, vnodes, replicas, members } = config;
  const names = members.map((member) => member.name);
  const placement = planPlacement(undefined, members, { vnodes, replicas });
  return {
    cluster,
    epoch: 1,
    replicas,
    members: members.map((member, i) => ({
      ...member,
      disk: must(roster[i], 'a roster names the disk of every member'),
      state: 'active' as const,
    })),
    owners: placement.map((owners) => owners.map((name) => names.indexOf(name))),
    move: undefined,
  };
}

function sealOf(key: SipKey, { config, name, disk, roster }: Omit<Presence, 'seal'>): string {
  const writer = new Writer();
  writer.latin1(`founding/${name}/${disk}/`);
  writer.latin1(config);
  writer.latin1(roster);
  return latin1(siphash(key, writer.finish()));
}
