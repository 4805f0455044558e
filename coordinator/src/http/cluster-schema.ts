import * as z from 'zod';

/** The JSON of `/v1/cluster` and below. Figures that a coordinator does not have are null, not zero. */
const liveness = z.enum(['alive', 'suspect', 'down']);

export const clusterSchema = z
  .object({
    clusterId: z.string(),
    epoch: z.int(),
    partitions: z.int(),
    replicas: z.int(),
    limits: z.object({ valueBytes: z.int(), keyBytes: z.int(), bucketBytes: z.int() }),
    nodes: z
      .object({ up: z.int(), down: z.int(), joining: z.int(), leaving: z.int() })
      .describe('Counts. `up` and `down` are all members; `joining` and `leaving` are among them.'),
    version: z.string().describe('Of the coordinator that answers.'),
  })
  .meta({ id: 'Cluster' });

export const nodesSchema = z
  .object({
    nodes: z.array(
      z.object({
        name: z.string(),
        id: z.string().describe('Of its disk: a node that lost its disk has another.'),
        zone: z.string(),
        state: z.enum(['active', 'joining', 'leaving', 'refilling']),
        status: liveness,
        vnodes: z.int(),
        keys: z.int().nullable(),
        bytes: z.int().nullable(),
        hints: z.object({
          held: z.int().nullable().describe('Keys that it keeps for others.'),
          owed: z.int().nullable().describe('Keys that others keep for it, as far as they are known.'),
          oldestAgeMs: z.int().nullable(),
        }),
        version: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'Nodes' });

export const ringSchema = z
  .object({
    epoch: z.int(),
    vnodes: z.array(
      z.object({
        id: z.int(),
        start: z.string(),
        owners: z.array(z.string()),
        pending: z.array(z.string()).describe('Owners to be, while they fetch what they lack.'),
      }),
    ),
  })
  .meta({ id: 'Ring' });

export const locationSchema = z
  .object({
    vnode: z.int(),
    position: z.string(),
    preferenceList: z.array(
      z.object({ node: z.string(), role: z.enum(['primary', 'pending', 'fallback']), status: liveness }),
    ),
  })
  .meta({ id: 'Location' });
