import { BUCKET_BYTES_MAX, KEY_BYTES_MAX } from '@circlet/shared/protocol/limits.ts';
import { positionHex, positionOf, vnodeOf } from '@circlet/shared/ring/position.ts';
import type { Ring } from '@circlet/shared/ring/topology.ts';
import type * as z from 'zod';
import type { Call } from './call.ts';
import type { clusterSchema, locationSchema, nodesSchema, ringSchema } from './cluster-schema.ts';
import { keyInPath } from './key-path.ts';
import { livenessOf, nodeFigures } from './node-figures.ts';
import type { ClusterView } from './port.ts';
import { NOT_READY, Refused } from './problems.ts';
import { jsonReply, type Reply } from './reply.ts';

type Role = z.infer<typeof locationSchema>['preferenceList'][number]['role'];

/** `/v1/cluster` and below: what operators ask, as this coordinator sees it. */
const LOCATE_PREFIX = '/v1/cluster/locate/';

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
    return {
      status: 200,
      headers: { 'Content-Type': 'application/json', ...FRESH },
      body: this.ringText.json,
    };
  }

  locate(call: Call): Reply {
    const { view } = this;
    const position = positionOf(keyInPath(call.path, LOCATE_PREFIX));
    const ring = ringOf(view);
    const vnode = vnodeOf(position, ring.vnodes);
    const { owners, fallbacks } = view.preferences(vnode);
    const inRole = (role: Role, names: readonly string[]) =>
      names.map((node) => ({ node, role, status: livenessOf(view, ring, node) }));
    const preferenceList = [
      ...inRole('primary', owners),
      ...inRole('pending', pendingOf(ring, vnode)),
      ...inRole('fallback', fallbacks),
    ];
    return fresh({ vnode, position: positionHex(position), preferenceList } satisfies z.infer<
      typeof locationSchema
    >);
  }
}

function ringJson(ring: Ring): z.infer<typeof ringSchema> {
  const width = 2 ** 32 / ring.vnodes;
  const vnodes = Array.from({ length: ring.vnodes }, (_, id) => ({
    id,
    start: positionHex([id * width, 0, 0, 0]),
    owners: [...ring.owners(id)],
    pending: pendingOf(ring, id),
  }));
  return { epoch: ring.topology.epoch, vnodes };
}

/** Owners to be. Later in a move the seconds are owners that were: still written, and on their way out. */
function pendingOf(ring: Ring, vnode: number): string[] {
  if (ring.topology.move?.phase !== 'filling') return [];
  return ring.seconds(vnode).filter((name) => name !== undefined);
}

export function ringOf(view: ClusterView): Ring {
  if (view.ring !== undefined) return view.ring;
  throw new Refused(NOT_READY);
}

const FRESH = { 'Cache-Control': 'no-store' };

function fresh(value: unknown): Reply {
  return jsonReply(200, value, FRESH);
}
