import { resolve } from 'node:path';
import { Command } from 'commander';
import { stopOnSignal } from '@circlet/shared/adapters/signals.ts';
import { createLogger, logNotice } from '@circlet/otel/log.ts';
import { banner } from './banner.ts';
import { startEmbedded } from './embedded.ts';
import { isFree } from './free-ports.ts';
import { ADMIN_PORT_AFTER } from './layout.ts';
import { wholeNumber } from './whole-number.ts';
import { VERSION } from './version.ts';

/** `npm start`: a cluster in one process, for trying things out. */
const STOP_WITHIN_MS = 15_000;

const program = new Command('start')
  .description('Run a Circlet cluster in this process: three storage pods and a coordinator')
  .option('--data <dir>', 'directory for the data', '.circlet')
  .option('--port <n>', 'port of the HTTP API on 127.0.0.1', wholeNumber(0, 65_535), 8080)
  .option('--log-level <level>', 'least severe level that is logged', 'warn');

async function main(): Promise<void> {
  const { data, port, logLevel } = program.parse().opts<{ data: string; port: number; logLevel: string }>();
  const dataDir = resolve(data);
  if (port !== 0 && !(await isFree(port))) {
    throw new Error(
      `port ${port} on 127.0.0.1 is in use: stop what uses it, or choose another with "npm start -- --port N"`,
    );
  }
  const logger = createLogger({ role: 'local', level: logLevel });
  const starting = startEmbedded({
    dataDir,
    port,
    adminPort: await adminPortFor(port),
    version: VERSION,
    notice: (pod, notice) => logNotice(logger.child({ node: pod }), notice),
    fatal: (error) => {
      logger.fatal({ error: String(error) }, 'store_failed');
      process.exit(70);
    },
  });
  // From the first moment on: a signal while it starts stops it as cleanly as any other.
  stopOnSignal(async () => (await starting).stop(), STOP_WITHIN_MS);
  process.stdout.write(banner(await starting, dataDir));
}

/** Any free one where the usual is taken: whoever asked for a port did not ask for two. */
async function adminPortFor(port: number): Promise<number> {
  const usual = port + ADMIN_PORT_AFTER;
  return port !== 0 && usual <= 65_535 && (await isFree(usual)) ? usual : 0;
}

main().catch((error: unknown) => {
  process.stderr.write(`circlet: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
