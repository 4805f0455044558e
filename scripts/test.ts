import { spawnSync } from 'node:child_process';
import { ensureNatsServer } from './ensure-nats.ts';

/** `npm test`: everything. Unit tests in parallel, then those with real processes one after the other. */
try {
  ensureNatsServer();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
for (const project of ['unit', 'cluster']) {
  const { status } = spawnSync('vitest', ['run', '--project', project, ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
