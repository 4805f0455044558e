import { connectNats } from '@circlet/shared/adapters/nats-transport.ts';
import { readSecrets, SecretsError } from '@circlet/shared/adapters/secrets.ts';
import { stopOnSignal } from '@circlet/shared/adapters/signals.ts';
import { helpText, OptionError, readOptions } from '@circlet/shared/options.ts';
import { serveHealth } from '@circlet/otel/health-server.ts';
import { createLogger, logNotice } from '@circlet/otel/log.ts';
import { Telemetry } from '@circlet/otel/telemetry.ts';
import { adminAddress, checkLoopback, coordinatorOptions } from './options.ts';
import { CoordinatorPod } from './pod.ts';
import { serveAdmin, serveApi } from './serve.ts';
import { VERSION } from './version.ts';

/** The coordinator process: options, bus, pod, HTTP, signals. */
const STOP_WITHIN_MS = 20_000;
/** Requests under way when we are told to stop have their default timeout to finish. */
const DRAIN_MS = 5_000;

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    process.stdout.write(`circlet coordinator pod ${VERSION}\n\n${helpText(coordinatorOptions)}\n`);
    return;
  }
  const options = readOptions(coordinatorOptions, process.argv.slice(2), process.env);
  if (!options.insecureDev) throw new OptionError(NO_CREDENTIALS);
  checkLoopback('host', options.host);
  const adminAt = adminAddress(options.adminListen);
  if (adminAt !== undefined) checkLoopback('admin-listen', adminAt.host);
  const secrets = readSecrets(options.secretsFile);
  const logger = createLogger({ role: 'coordinator', name: options.name, level: options.logLevel });
  const telemetry = new Telemetry();
  const notice = (noticed: Parameters<typeof logNotice>[1]) => {
    telemetry.count(noticed.event);
    logNotice(logger, noticed);
  };
  const { name, cluster } = options;
  const transport = await connectNats({ servers: options.natsServers, cluster, role: 'coordinator', name });
  const pod = new CoordinatorPod({
    name,
    cluster,
    secrets,
    version: VERSION,
    transport,
    notice,
    requestsMax: options.requestsMax,
    bytesMax: options.bytesMax,
    siblingsMax: options.siblingsMax,
  });
  const api = await serveApi({
    pod,
    secrets,
    host: options.host,
    port: options.port,
    connectionsMax: options.connectionsMax,
    notice,
  });
  const admin = adminAt === undefined ? undefined : await serveAdmin({ pod, ...adminAt, notice });
  const health = await serveHealth(api.health, telemetry, '127.0.0.1', options.metricsPort);
  logger.info({ port: api.port, adminPort: admin?.port, metricsPort: health.port }, 'started');
  stopOnSignal(async () => {
    await Promise.all([api.close(DRAIN_MS), admin?.close(DRAIN_MS)]);
    pod.stop();
    await transport.close();
    health.close();
    logger.info('stopped');
  }, STOP_WITHIN_MS);
}

const NO_CREDENTIALS =
  'there are no credentials to run with yet: give --insecure-dev to run without, on loopback only';

main().catch((error: unknown) => {
  const isExpected = error instanceof OptionError || error instanceof SecretsError;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`circlet-coordinator: ${message}\n`);
  process.exit(isExpected ? 78 : 1);
});
