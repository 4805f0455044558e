import { clusterOptions, foundingOptions, podName } from '@circlet/shared/cluster-options.ts';
import { integer, text } from '@circlet/shared/options.ts';
import { WEIGHT_MAX, ZONE } from '@circlet/shared/ring/topology.ts';

export const storageOptions = {
  name: podName,
  ...clusterOptions,
  ...foundingOptions,
  zone: text({
    pattern: ZONE,
    expected: 'letters, digits, dots and dashes, 63 at most',
    fallback: 'default',
    help: 'Where this pod stands, when it is to join a cluster that exists: copies of a key lie in different zones.',
  }),
  weight: integer({
    min: 1,
    max: WEIGHT_MAX,
    fallback: 1,
    help: 'How much this pod is to have when it joins, as a multiple of what one of weight 1 has.',
  }),
  dataDir: text({ help: 'Directory of this pod alone; it is created, and must survive restarts.' }),
  cacheKib: integer({
    min: 1024,
    max: 64 * 1024 * 1024,
    fallback: 64 * 1024,
    help: 'SQLite page cache, KiB. Reads of keys outside it cost a disk read; it is most of what the pod takes.',
  }),
  hintKeysMax: integer({
    min: 0,
    max: 1_000_000_000,
    fallback: 1_000_000,
    help: 'Keys held for other nodes before this one answers busy to further hints. A held one is never dropped.',
  }),
  antiEntropySeconds: integer({
    min: 0,
    max: 86_400,
    fallback: 5,
    help: 'How often one of the other owners is compared with; 0 turns background repair and scrub off.',
  }),
  repairKibPerSecond: integer({
    min: 1,
    max: 1024 * 1024,
    fallback: 8 * 1024,
    help: 'What anti-entropy may send to other nodes, KiB a second.',
  }),
  scrubRowsPerSecond: integer({
    min: 1,
    max: 1_000_000,
    fallback: 500,
    help: 'Rows that are read again to verify their checksums, a second: a million take half an hour. Large rows take longer: 1 MiB a second, or 2 KiB for each of these.',
  }),
  metricsPort: integer({
    min: 0,
    max: 65535,
    fallback: 0,
    help: 'Port for health and metrics; 0 takes any free one and logs it.',
  }),
} as const;
