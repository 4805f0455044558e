import { assert } from '@circlet/shared/assert.ts';
import type { Notice } from '@circlet/shared/machine.ts';
import type { SipKey } from '@circlet/shared/hash/siphash.ts';
import { VALUE_BYTES_MAX } from '@circlet/shared/protocol/limits.ts';
import { type Context, Hono } from 'hono';
import { Batch } from './batch.ts';
import { type Bindings, type Call, callOf, routedPath } from './call.ts';
import { Cluster } from './cluster.ts';
import { ContextTokens } from './context-token.ts';
import { Health, healthReply } from './health.ts';
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from './limits.ts';
import { ObjectRequests } from './object-requests.ts';
import { Objects } from './objects.ts';
import { OpenApi } from './openapi.ts';
import type { CoordinatorPort } from './port.ts';
import { ProblemReporter } from './problem-reporter.ts';
import { type Handled, type Problem, problemOf, Refused } from './problems.ts';
import { toResponse } from './reply.ts';
import { BodyIntake } from './request-body.ts';
import { patternOf, type RouteId, ROUTES } from './routes.ts';
import { unrouted } from './unrouted.ts';
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

export type App = Hono<{ Bindings: Bindings }>;
type Handler = (call: Call) => Handled | Promise<Handled>;

export function createApp(options: AppOptions): App {
  const reporter = new ProblemReporter(options);
  const limits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
  assert(limits.valueBytes <= VALUE_BYTES_MAX, 'a value fits a frame');
  return mount(
    handlersOf(options, limits, reporter),
    new BodyIntake(limits.bodyBytesUnderWay),
    reporter,
    options,
  );
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

/**
 * Hono routes by the raw path and finds exactly one handler: no middleware runs, so a request costs one match and one
 * promise. What every answer has in common happens in `serve`.
 */
function mount(
  handlers: Record<RouteId, Handler>,
  intake: BodyIntake,
  reporter: ProblemReporter,
  { draining }: Pick<AppOptions, 'draining'>,
): App {
  const app: App = new Hono({
    getPath: (request, options) => routedPath(request, options?.env),
  });

  const serve = async (
    c: Context<{ Bindings: Bindings }>,
    route: string,
    handler: Handler,
  ): Promise<Response> => {
    const call = callOf(c, intake);
    let handled: Handled;
    try {
      handled = await handler(call);
    } catch (error) {
      handled = { problem: problemFrom(error, call, reporter), headers: {} };
    }
    const reply =
      'problem' in handled ? reporter.reply(call, route, handled.problem, handled.headers) : handled;
    return toResponse(reply, call.method === 'HEAD', draining());
  };

  for (const route of ROUTES) {
    const { id, method } = route;
    const handler = handlers[id];
    if (method === 'HEAD') continue;
    app.on(method, patternOf(route), (c) => serve(c, id, handler));
  }
  app.notFound((c) => serve(c, 'none', (call) => unrouted(call.path, ROUTES)));
  return app;
}

function problemFrom(error: unknown, { method }: Call, reporter: ProblemReporter): Problem {
  if (error instanceof Refused) return error.problem;
  reporter.alarm('http_handler_failed', error);
  const isRead = method === 'GET' || method === 'HEAD';
  return problemOf({ code: 'internal', outcome: undefined }, isRead ? 'get' : 'write');
}
