import { BUCKET_BYTES_MAX, KEY_BYTES_MAX } from '@circlet/shared/protocol/limits.ts';
import { positionHex, positionOf, vnodeOf } from '@circlet/shared/ring/position.ts';
import type { Ring } from '@circlet/shared/ring/topology.ts';
import * as z from 'zod';
import type { Call } from './call.ts';
import { keyInPath } from './key-path.ts';
import { livenessOf, nodeFigures } from './node-figures.ts';
import type { ClusterView } from './port.ts';
import { Refused } from './problems.ts';
import { jsonReply, type Reply } from './reply.ts';

/** What operators ask of the cluster, as this coordinator sees it. Figures that it does not have are null, not zero. */
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
        state: z.enum(['active', 'joining', 'leaving']),
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
      z.object({ id: z.int(), start: z.string(), owners: z.array(z.string()), pending: z.array(z.string()) }),
    ),
  })
  .meta({ id: 'Ring' });

export const locationSchema = z
  .object({
    vnode: z.int(),
    position: z.string(),
    preferenceList: z.array(z.object({ node: z.string(), role: z.enum(['primary', 'fallback']), status: liveness })),
  })
  .meta({ id: 'Location' });

export const LOCATE_PREFIX = '/v1/cluster/locate/';

export class Cluster {
  private readonly view: ClusterView;
  private readonly valueBytesMax: number;
  private ringText: { readonly of: Ring; readonly json: string } | undefined;

  constructor(view: ClusterView, valueBytesMax: number) {
    this.view = view;
    this.valueBytesMax = valueBytesMax;
  }

  summary(): Reply {
    const { view } = this;
    const ring = ringOf(view);
    const { cluster, epoch, replicas, members } = ring.topology;
    const up = members.filter(({ name }) => livenessOf(view, ring, name) === 'alive').length;
    return fresh({
      clusterId: cluster,
      epoch,
      partitions: ring.vnodes,
      replicas,
      limits: { valueBytes: this.valueBytesMax, keyBytes: KEY_BYTES_MAX, bucketBytes: BUCKET_BYTES_MAX },
      nodes: {
        up,
        down: members.length - up,
        joining: members.filter(({ state }) => state === 'joining').length,
        leaving: members.filter(({ state }) => state === 'leaving').length,
      },
      version: view.version,
    } satisfies z.infer<typeof clusterSchema>);
  }

  nodes(): Reply {
    return fresh({ nodes: nodeFigures(this.view, ringOf(this.view)) } satisfies z.infer<typeof nodesSchema>);
  }

  /** Thousands of vnodes that change with the topology only: encoded once for each. */
  ring(): Reply {
    const ring = ringOf(this.view);
    if (this.ringText?.of !== ring) this.ringText = { of: ring, json: JSON.stringify(ringJson(ring)) };
    return { status: 200, headers: { 'Content-Type': 'application/json', ...FRESH }, body: this.ringText.json };
  }

  locate(call: Call): Reply {
    const { view } = this;
    const position = positionOf(keyInPath(call.path, LOCATE_PREFIX));
    const ring = ringOf(view);
    const vnode = vnodeOf(position, ring.vnodes);
    const preferenceList = view
      .preferences(vnode)
      .map(({ node, role }) => ({ node, role, status: livenessOf(view, ring, node) }));
    return fresh({ vnode, position: positionHex(position), preferenceList } satisfies z.infer<typeof locationSchema>);
  }
}

function ringJson(ring: Ring): z.infer<typeof ringSchema> {
  const width = 2 ** 32 / ring.vnodes;
  const vnodes = Array.from({ length: ring.vnodes }, (_, id) => ({
    id,
    start: positionHex([id * width, 0, 0, 0]),
    owners: [...ring.owners(id)],
    // Owners to be, while a vnode moves. This topology has no moves yet.
    pending: [],
  }));
  return { epoch: ring.topology.epoch, vnodes };
}

function ringOf(view: ClusterView): Ring {
  if (view.ring !== undefined) return view.ring;
  throw new Refused({
    code: 'not_ready',
    detail: 'This coordinator has not heard from any storage pod yet. Ask again shortly, or ask another coordinator.',
    retryAfterMs: 1_000,
  });
}

const FRESH = { 'Cache-Control': 'no-store' };

function fresh(value: unknown): Reply {
  return jsonReply(200, value, FRESH);
}
