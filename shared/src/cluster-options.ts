import { CLUSTER_ID, WEIGHT_MAX, ZONE } from './ring/topology.ts';
import { NODE_NAME } from './causality/dot.ts';
import { flag, integer, OptionError, text, words } from './options.ts';
import { REPLICAS_MAX } from './protocol/limits.ts';
import type { FoundingConfig, FoundingMember } from './ring/founding.ts';
import { VNODES_MAX } from './ring/position.ts';

/** What every pod must be told, and told alike. */
export const clusterOptions = {
  cluster: text({
    pattern: CLUSTER_ID,
    expected: 'lower-case letters, digits and dashes, 32 at most',
    fallback: 'circlet',
    scope: 'cluster',
    help: 'Cluster id. Two clusters that share a NATS must have different ones.',
  }),
  secretsFile: text({
    scope: 'cluster',
    help: 'File with the cluster key and the context keys; the same content in every pod (docs/operations/secrets.md).',
  }),
  natsServers: words({
    fallback: ['nats://127.0.0.1:4222'],
    help: 'NATS servers, comma-separated. Any of them is enough to start.',
  }),
  insecureDev: flag({
    help: 'Run without credentials: no HTTP authentication, no NATS credentials. HTTP then binds to loopback only.',
  }),
  logLevel: text({
    pattern: /^(?:trace|debug|info|warn|error|silent)$/,
    expected: 'trace, debug, info, warn, error or silent',
    fallback: 'info',
    help: 'Least severe level that is logged.',
  }),
} as const;

export const podName = text({
  pattern: NODE_NAME,
  expected: 'a DNS label: lower-case letters, digits and dashes, 63 at most',
  help: 'Name of this pod, stable over restarts: a node is known by it, never by its address.',
});

/** What decides the ring. Only storage pods found a cluster; all others learn the result. */
export const foundingOptions = {
  initialMembers: words({
    fallback: [],
    scope: 'cluster',
    help: 'The storage pods that found the cluster, as name[=zone[:weight]], comma-separated. Empty: join an existing one only.',
  }),
  vnodes: integer({
    min: 1,
    max: VNODES_MAX,
    fallback: 256,
    scope: 'cluster',
    help: 'Parts of the ring, a power of two, fixed for the life of the cluster: at least ten for each node you may ever have.',
  }),
  replicas: integer({
    min: 1,
    max: REPLICAS_MAX,
    fallback: 3,
    scope: 'cluster',
    help: 'Copies of every key (N).',
  }),
} as const;

/** Undefined when no initial members are configured. Throws OptionError. */
export function foundingConfig(
  cluster: string,
  initialMembers: readonly string[],
  vnodes: number,
  replicas: number,
): FoundingConfig | undefined {
  if (initialMembers.length === 0) return undefined;
  if ((vnodes & (vnodes - 1)) !== 0)
    throw new OptionError(`--vnodes: expected a power of two, not ${vnodes}`);
  const members = initialMembers.map(parseMember).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const twice = members.find((member, i) => member.name === members[i - 1]?.name);
  if (twice !== undefined) throw new OptionError(`--initial-members: ${twice.name} is there twice`);
  return { cluster, vnodes, replicas, members };
}

function parseMember(word: string): FoundingMember {
  const [, name = '', zone = 'default', weightText = '1'] =
    /^([^=]+)(?:=([^:]+)(?::(\d+))?)?$/.exec(word) ?? [];
  const weight = Number(weightText);
  if (!NODE_NAME.test(name) || !ZONE.test(zone) || weight < 1 || weight > WEIGHT_MAX) {
    throw new OptionError(
      `--initial-members: expected name[=zone[:weight]] with a weight from 1 to ${WEIGHT_MAX}, not "${word}"`,
    );
  }
  return { name, zone, weight };
}
