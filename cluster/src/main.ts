import { mkdirSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { type Command as ControlCommand, isUp, sendControl, serveControl } from './control.ts';
import { planLayout, PortTaken } from './layout.ts';
import { findNatsServer, NATS_SERVER_MISSING } from './nats-server.ts';
import { Supervisor } from './supervisor.ts';
import { wholeNumber } from './whole-number.ts';

/** `npm run cluster`: a cluster of real processes over real NATS servers on this machine. */
const say = (text: string) => process.stdout.write(`${text}\n`);

interface UpOptions {
  readonly data: string;
  readonly storage: number;
  readonly coordinators: number;
  readonly nats: number;
  readonly zones: number;
  readonly port: number;
  readonly replicas: number;
  readonly vnodes: number;
}

async function up(options: UpOptions): Promise<void> {
  const natsServer = findNatsServer();
  if (natsServer === undefined) throw new Error(NATS_SERVER_MISSING);
  const dataDir = resolve(options.data);
  mkdirSync(dataDir, { recursive: true });
  if (await isUp(dataDir))
    throw new Error(`a cluster is up in ${dataDir} already: end it first, or give another --data`);
  rmSync(resolve(dataDir, 'cluster.json'), { force: true });
  const supervisor = new Supervisor(await planLayout({ ...options, dataDir }), natsServer);
  process.once('exit', () => supervisor.killAll());
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= supervisor.down().then(() => process.exit(0));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const control = await serveControl(dataDir, (command, name) =>
    command === 'add-storage' ? supervisor.addStorage(name) : supervisor[command](name),
  );
  control.unref();
  await supervisor.up();
  say('ready');
}

const program = new Command('cluster').description('Run a Circlet cluster of real processes on this machine');

program
  .command('up')
  .description('start a cluster and keep it until Ctrl-C; "ready" and DIR/cluster.json say that it serves')
  .requiredOption('--data <dir>', 'directory for data, logs and cluster.json')
  .option('--storage <n>', 'storage pods', wholeNumber(1, 64), 3)
  .option('--coordinators <n>', 'coordinators, on consecutive ports', wholeNumber(1, 16), 1)
  .option('--nats <n>', 'NATS servers', wholeNumber(1, 5), 1)
  .option('--zones <n>', 'zones the storage pods are dealt out to', wholeNumber(1, 16), 1)
  .option('--port <n>', 'port of the first coordinator', wholeNumber(1, 65_000), 8080)
  .option('--replicas <n>', 'copies of every key', wholeNumber(1, 7), 3)
  .option('--vnodes <n>', 'parts of the ring, a power of two', wholeNumber(1, 4096), 256)
  .action(up);

const verbs: Readonly<Record<ControlCommand, string>> = {
  start: 'start a pod that is dead, on its old data; returns when it is ready',
  stop: 'stop a pod with SIGTERM; returns when it is gone',
  kill: 'kill a pod with SIGKILL',
  'add-storage':
    'start one more storage pod, which serves when "circlet cluster" has it join; returns when it runs',
};
for (const [verb, description] of Object.entries(verbs)) {
  program
    .command(`${verb} <name>`)
    .description(description)
    .requiredOption('--data <dir>', 'directory of the running cluster')
    .action(async (name: string, options: { data: string }) => {
      await sendControl(resolve(options.data), verb as ControlCommand, name);
    });
}

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`cluster: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(error instanceof PortTaken ? 69 : 1);
});
