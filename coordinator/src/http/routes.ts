/**
 * Every route there is. The application mounts this table and `/openapi.json` describes it; the compiler refuses one
 * without the other. HEAD is served by the handler of GET.
 */
export const ROUTES = [
  { id: 'getObject', method: 'GET', path: '/v1/kv/{bucket}/{key}' },
  { id: 'headObject', method: 'HEAD', path: '/v1/kv/{bucket}/{key}' },
  { id: 'putObject', method: 'PUT', path: '/v1/kv/{bucket}/{key}' },
  { id: 'deleteObject', method: 'DELETE', path: '/v1/kv/{bucket}/{key}' },
  { id: 'batch', method: 'POST', path: '/v1/batch' },
  { id: 'cluster', method: 'GET', path: '/v1/cluster' },
  { id: 'nodes', method: 'GET', path: '/v1/cluster/nodes' },
  { id: 'ring', method: 'GET', path: '/v1/cluster/ring' },
  { id: 'locate', method: 'GET', path: '/v1/cluster/locate/{bucket}/{key}' },
  { id: 'startup', method: 'GET', path: '/healthz/startup' },
  { id: 'live', method: 'GET', path: '/healthz/live' },
  { id: 'ready', method: 'GET', path: '/healthz/ready' },
  { id: 'openapi', method: 'GET', path: '/openapi.json' },
] as const;

/** Of the admin listener alone. */
export const ADMIN_ROUTES = [
  { id: 'move', method: 'GET', path: '/v1/changes' },
  { id: 'plan', method: 'POST', path: '/v1/changes' },
  { id: 'cancel', method: 'DELETE', path: '/v1/changes' },
  { id: 'commit', method: 'POST', path: '/v1/changes/{digest}' },
] as const;

export interface AnyRoute<Id extends string = string> {
  readonly id: Id;
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE' | 'POST';
  readonly path: string;
}

export type Route = (typeof ROUTES)[number];
export type RouteId = Route['id'];

/** As Hono matches it. What stands in braces is taken from the raw path by the handler, so all of it is one wildcard. */
export function patternOf({ path }: AnyRoute): string {
  const brace = path.indexOf('{');
  return brace < 0 ? path : `${path.slice(0, brace)}*`;
}

/** For a 405: what can be done with a path, if it is one of ours. */
export function methodsOf(path: string, routes: readonly AnyRoute[]): readonly string[] {
  const covering = routes.filter((route) => covers(patternOf(route), path));
  const methods: string[] = [...new Set(covering.map(({ method }) => method))];
  return methods.includes('GET') && !methods.includes('HEAD') ? [...methods, 'HEAD'] : methods;
}

function covers(pattern: string, path: string): boolean {
  if (!pattern.endsWith('/*')) return path === pattern;
  const prefix = pattern.slice(0, -1);
  return path.startsWith(prefix) || `${path}/` === prefix;
}
