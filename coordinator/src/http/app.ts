import { assert } from '@circlet/shared/assert.ts';
import type { Notice } from '@circlet/shared/machine.ts';
import type { SipKey } from '@circlet/shared/hash/siphash.ts';
import { VALUE_BYTES_MAX } from '@circlet/shared/protocol/limits.ts';
import { Batch } from './batch.ts';
import { Cluster } from './cluster.ts';
import { ContextTokens } from './context-token.ts';
import { Health, healthReply } from './health.ts';
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from './limits.ts';
import { type App, type Handler, mount } from './mount.ts';
import { ObjectRequests } from './object-requests.ts';
import { Objects } from './objects.ts';
import { OpenApi } from './openapi.ts';
import type { CoordinatorPort } from './port.ts';
import { ProblemReporter } from './problem-reporter.ts';
import { BodyIntake } from './request-body.ts';
import { type RouteId, ROUTES } from './routes.ts';
import { WriteIds } from './write-id.ts';

/**
 * The HTTP surface as one function from Request to Response. Everything that it needs from outside is handed in, so tests
 * call it without a socket and with a clock of their own.
 */
export interface AppOptions {
  readonly port: CoordinatorPort;
  /** Keys the etags: the same on every coordinator of the cluster. */
  readonly clusterKey: SipKey;
  readonly contextKeys: ReadonlyMap<string, SipKey>;
  readonly signWith: string;
  readonly wallClockMs: () => number;
  readonly monotonicMs: () => number;
  readonly randomBytes: (n: number) => Uint8Array;
  /** Whether the pod is shutting down: it is not ready, and asks clients to close their connections. */
  readonly draining: () => boolean;
  readonly log: (notice: Notice) => void;
  readonly limits?: Partial<HttpLimits>;
  /** Whose idempotency keys these are. There is only one principal until there is authentication. */
  readonly principal?: string;
}

export function createApp(options: AppOptions): App {
  const reporter = new ProblemReporter(options);
  const limits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
  assert(limits.valueBytes <= VALUE_BYTES_MAX, 'a value fits a frame');
  return mount({
    routes: ROUTES,
    handlers: handlersOf(options, limits, reporter),
    intake: new BodyIntake(limits.bodyBytesUnderWay),
    reporter,
    draining: options.draining,
  });
}

function handlersOf(
  options: AppOptions,
  limits: HttpLimits,
  reporter: ProblemReporter,
): Record<RouteId, Handler> {
  const { port, clusterKey, randomBytes } = options;
  const replicas = () => port.cluster.replicas;
  const requests = new ObjectRequests({
    port,
    etagKey: clusterKey,
    tokens: new ContextTokens({ ...options, clusterId: port.cluster.clusterId }),
    writeIds: new WriteIds(randomBytes, options.principal ?? 'anonymous'),
    wallClockMs: options.wallClockMs,
    alarm: (event, error) => reporter.alarm(event, error),
  });
  const objects = new Objects({ requests, limits, replicas, randomBytes });
  const batch = new Batch({
    requests,
    limits,
    replicas,
    monotonicMs: options.monotonicMs,
    problemBodies: (call, problems) => reporter.batch(call, problems),
  });
  const cluster = new Cluster(port.cluster, limits.valueBytes);
  const openapi = new OpenApi(port.cluster);
  return {
    getObject: (call) => objects.get(call),
    headObject: (call) => objects.get(call),
    putObject: (call) => objects.put(call),
    deleteObject: (call) => objects.delete(call),
    batch: (call) => batch.post(call),
    cluster: () => cluster.summary(),
    nodes: () => cluster.nodes(),
    ring: () => cluster.ring(),
    locate: (call) => cluster.locate(call),
    ...healthHandlers(new Health(port.cluster, options.draining)),
    openapi: () => openapi.document(),
  };
}

function healthHandlers(health: Health): Pick<Record<RouteId, Handler>, 'startup' | 'live' | 'ready'> {
  return {
    startup: () => healthReply(health.startup()),
    live: () => healthReply(health.live()),
    ready: () => healthReply(health.ready()),
  };
}
