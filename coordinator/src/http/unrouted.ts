import type { ProblemWithHeaders } from './problems.ts';
import { type AnyRoute, methodsOf, ROUTES } from './routes.ts';

/** What a request is told that no route takes: another method would do, or there is nothing. */
export function unrouted(path: string, routes: readonly AnyRoute[] = ROUTES): ProblemWithHeaders {
  const methods = methodsOf(path, routes);
  if (methods.length > 0) {
    const allow = methods.join(', ');
    return {
      problem: { code: 'method_not_allowed', detail: `This path takes ${allow}.` },
      headers: { Allow: allow },
    };
  }
  const detail = path.startsWith('/')
    ? 'There is nothing at this path. GET /openapi.json of the public port lists what there is.'
    : 'This server is no proxy: ask for a path, not for a URL.';
  return { problem: { code: 'not_found', detail }, headers: {} };
}
