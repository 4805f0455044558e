import { spawnSync } from 'node:child_process';
import { findNatsServer, NATS_SERVER_MISSING } from '../cluster/src/nats-server.ts';

/**
 * The tests run against real nats-server processes. Where it is missing and we may install it (Debian, root), we do;
 * elsewhere one line says how.
 */
export function ensureNatsServer(): void {
  if (findNatsServer() !== undefined) return;
  const mayInstall = process.getuid?.() === 0 && spawnSync('apt-get', ['--version']).status === 0;
  if (!mayInstall) throw new Error(NATS_SERVER_MISSING);
  process.stdout.write('nats-server is missing: installing it with apt-get\n');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', 'nats-server'],
  ]) {
    const { status } = spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
    if (status !== 0) throw new Error(`apt-get ${args[0]} failed. ${NATS_SERVER_MISSING}`);
  }
}
