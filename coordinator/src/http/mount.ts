import { type Context, Hono } from 'hono';
import { type Bindings, type Call, callOf, routedPath } from './call.ts';
import type { ProblemReporter } from './problem-reporter.ts';
import { type Handled, type Problem, problemOf, Refused } from './problems.ts';
import { toResponse } from './reply.ts';
import type { BodyIntake } from './request-body.ts';
import { type AnyRoute, patternOf } from './routes.ts';
import { unrouted } from './unrouted.ts';

/**
 * A route table as one function from Request to Response. Hono routes by the raw path and finds exactly one handler: no
 * middleware runs, so a request costs one match and one promise. What every answer has in common happens in `serve`.
 */
export type App = Hono<{ Bindings: Bindings }>;
export type Handler = (call: Call) => Handled | Promise<Handled>;

export interface MountOptions<Id extends string> {
  readonly routes: readonly AnyRoute<Id>[];
  readonly handlers: Readonly<Record<Id, Handler>>;
  readonly intake: BodyIntake;
  readonly reporter: ProblemReporter;
  readonly draining: () => boolean;
}

export function mount<Id extends string>({
  routes,
  handlers,
  intake,
  reporter,
  draining,
}: MountOptions<Id>): App {
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

  for (const route of routes) {
    const { id, method } = route;
    const handler = handlers[id];
    if (method === 'HEAD') continue;
    app.on(method, patternOf(route), (c) => serve(c, id, handler));
  }
  app.notFound((c) => serve(c, 'none', (call) => unrouted(call.path, routes)));
  return app;
}

function problemFrom(error: unknown, { method }: Call, reporter: ProblemReporter): Problem {
  if (error instanceof Refused) return error.problem;
  reporter.alarm('http_handler_failed', error);
  const isRead = method === 'GET' || method === 'HEAD';
  return problemOf({ code: 'internal', outcome: undefined }, isRead ? 'get' : 'write');
}
