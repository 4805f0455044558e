import type { Notice } from '@circlet/shared/machine.ts';
import { CHANGE_BYTES_MAX, ChangeRequests } from './changes.ts';
import { type App, mount } from './mount.ts';
import type { AdminPort } from './port.ts';
import { ProblemReporter } from './problem-reporter.ts';
import { BodyIntake } from './request-body.ts';
import { ADMIN_ROUTES } from './routes.ts';

/** What operators change, on a listener of its own: nobody who may only read and write values can reach it. */
export interface AdminAppOptions {
  readonly port: AdminPort;
  readonly randomBytes: (n: number) => Uint8Array;
  readonly draining: () => boolean;
  readonly log: (notice: Notice) => void;
}

export function createAdminApp(options: AdminAppOptions): App {
  const changes = new ChangeRequests(options.port);
  return mount({
    routes: ADMIN_ROUTES,
    handlers: {
      plan: (call) => changes.plan(call),
      commit: (call) => changes.commit(call),
      cancel: (call) => changes.cancel(call),
      move: () => changes.move(),
    },
    intake: new BodyIntake(BODIES_UNDER_WAY * CHANGE_BYTES_MAX),
    reporter: new ProblemReporter(options),
    draining: options.draining,
  });
}

const BODIES_UNDER_WAY = 16;
