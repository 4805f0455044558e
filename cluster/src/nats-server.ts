import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The nats-server binary: `CIRCLET_NATS_SERVER`, or the first one on the path. Debian puts it where users have no path. */
export function findNatsServer(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = env['CIRCLET_NATS_SERVER'];
  if (named !== undefined) return isExecutable(named) ? named : undefined;
  const folders = [...(env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin'];
  return folders.map((folder) => join(folder, 'nats-server')).find(isExecutable);
}

export const NATS_SERVER_MISSING =
  'nats-server is not installed: on Debian run "apt-get install nats-server" as root, elsewhere download it from nats.io, or name it in CIRCLET_NATS_SERVER';

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface NatsPorts {
  readonly client: number;
  readonly route: number;
}

/**
 * Core NATS only: no JetStream, nothing on disk. Short pings on both sides, because a frozen peer shows in nothing else.
 * Valid for 2.9, Debian's, which is for tests; run 2.14 or later in production.
 */
export function natsConfig(name: string, own: NatsPorts, all: readonly NatsPorts[]): string {
  const routes = all.filter((other) => other !== own).map((other) => `    nats://127.0.0.1:${other.route}`);
  const cluster =
    all.length === 1
      ? ''
      : `cluster {\n  name: circlet\n  listen: "127.0.0.1:${own.route}"\n  no_advertise: true\n  routes: [\n${routes.join('\n')}\n  ]\n}\n`;
  return `server_name: ${name}
listen: "127.0.0.1:${own.client}"
max_payload: 1MB
ping_interval: "5s"
ping_max: 2
write_deadline: "5s"
${cluster}`;
}
