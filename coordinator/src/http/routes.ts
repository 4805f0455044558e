/**
 * Every route there is. The application mounts this table and `/openapi.json` describes it; the compiler refuses one
 * without the other. HEAD is served by the handler of GET.
 */
export const ROUTES = {
  getObject: { method: 'GET', path: '/v1/kv/{bucket}/{key}' },
  headObject: { method: 'HEAD', path: '/v1/kv/{bucket}/{key}' },
  putObject: { method: 'PUT', path: '/v1/kv/{bucket}/{key}' },
  deleteObject: { method: 'DELETE', path: '/v1/kv/{bucket}/{key}' },
  batch: { method: 'POST', path: '/v1/batch' },
  cluster: { method: 'GET', path: '/v1/cluster' },
  nodes: { method: 'GET', path: '/v1/cluster/nodes' },
  ring: { method: 'GET', path: '/v1/cluster/ring' },
  locate: { method: 'GET', path: '/v1/cluster/locate/{bucket}/{key}' },
  startup: { method: 'GET', path: '/healthz/startup' },
  live: { method: 'GET', path: '/healthz/live' },
  ready: { method: 'GET', path: '/healthz/ready' },
  openapi: { method: 'GET', path: '/openapi.json' },
} as const satisfies Record<string, { readonly method: string; readonly path: string }>;

export type RouteId = keyof typeof ROUTES;
export const ROUTE_IDS = Object.keys(ROUTES) as RouteId[];

/** As Hono matches it. What stands in braces is taken from the raw path by the handler, so all of it is one wildcard. */
export function patternOf(id: RouteId): string {
  const { path } = ROUTES[id];
  const brace = path.indexOf('{');
  return brace < 0 ? path : `${path.slice(0, brace)}*`;
}

/** For a 405: what can be done with a path, if it is one of ours. */
export function methodsOf(path: string): readonly string[] {
  const methods = ROUTE_IDS.filter((id) => covers(patternOf(id), path)).map((id) => ROUTES[id].method);
  return methods.includes('GET') && !methods.includes('HEAD') ? [...methods, 'HEAD'] : methods;
}

function covers(pattern: string, path: string): boolean {
  if (!pattern.endsWith('/*')) return path === pattern;
  const prefix = pattern.slice(0, -1);
  return path.startsWith(prefix) || `${path}/` === prefix;
}
