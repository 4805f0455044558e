import { connectNats } from '@circlet/shared/adapters/nats-transport.ts';
import { readSecrets, SecretsError } from '@circlet/shared/adapters/secrets.ts';
import { stopOnSignal } from '@circlet/shared/adapters/signals.ts';
import { foundingConfig } from '@circlet/shared/cluster-options.ts';
import { helpText, OptionError, readOptions } from '@circlet/shared/options.ts';
import { type HealthReport, OK, serveHealth } from '@circlet/otel/health-server.ts';
import { createLogger, logNotice } from '@circlet/otel/log.ts';
import { Telemetry } from '@circlet/otel/telemetry.ts';
import { storageOptions } from './options.ts';
import { StoragePod } from './pod.ts';
import { StoreUnusable } from './sqlite/sqlite-store.ts';
import { VERSION } from './version.ts';

/** The storage process: options, bus, pod, signals. */
const STOP_WITHIN_MS = 20_000;

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    process.stdout.write(`circlet storage pod ${VERSION}\n\n${helpText(storageOptions)}\n`);
    return;
  }
  const options = readOptions(storageOptions, process.argv.slice(2), process.env);
  if (!options.insecureDev) throw new OptionError(NO_CREDENTIALS);
  const secrets = readSecrets(options.secretsFile);
  const founding = foundingConfig(options.cluster, options.initialMembers, options.vnodes, options.replicas);
  const logger = createLogger({ role: 'storage', name: options.name, level: options.logLevel });
  const telemetry = new Telemetry();
  const transport = await connectNats({
    servers: options.natsServers,
    cluster: options.cluster,
    role: 'storage',
    name: options.name,
  });
  const pod = new StoragePod({
    name: options.name,
    cluster: options.cluster,
    secrets,
    founding,
    dataDir: options.dataDir,
    cacheKiB: options.cacheKib,
    hintKeysMax: options.hintKeysMax,
    joins: { zone: options.zone, weight: options.weight },
    repair:
      options.antiEntropySeconds === 0
        ? undefined
        : {
            everyMs: options.antiEntropySeconds * 1000,
            bytesPerSecond: options.repairKibPerSecond * 1024,
            scrubRowsPerSecond: options.scrubRowsPerSecond,
          },
    version: VERSION,
    transport,
    notice: (notice) => {
      telemetry.count(notice.event);
      logNotice(logger, notice);
    },
    fatal: (error) => {
      // Nothing after the failed commit was acknowledged; a restart finds out what the disk really holds.
      logger.fatal({ error: String(error) }, 'store_failed');
      process.exit(70);
    },
  });
  const ready = () => ({
    checks: Object.fromEntries(
      Object.entries(pod.readiness.checks).map(([check, holds]) => [check, holds ? OK : 'not yet']),
    ),
  });
  const health = await serveHealth(
    { startup: isRunning, live: isRunning, ready },
    telemetry,
    '127.0.0.1',
    options.metricsPort,
  );
  logger.info({ metricsPort: health.port }, 'started');
  stopOnSignal(async () => {
    await transport.quiesce();
    pod.stop();
    await transport.close();
    health.close();
    logger.info('stopped');
  }, STOP_WITHIN_MS);
}

/** That it answers is the check. */
function isRunning(): HealthReport {
  return { checks: { process: OK } };
}

const NO_CREDENTIALS =
  'there are no credentials to run with yet: give --insecure-dev to run without, on loopback only';

main().catch((error: unknown) => {
  const isExpected =
    error instanceof OptionError || error instanceof SecretsError || error instanceof StoreUnusable;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`circlet-storage: ${message}\n`);
  process.exit(isExpected ? 78 : 1);
});
