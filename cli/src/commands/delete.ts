import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { explaining } from '../failure.ts';
import {
  type GlobalOptions,
  type QuorumOptions,
  addIdempotencyOption,
  addQuorumOptions,
  addRetryOption,
  clientFrom,
  parseHeaderText,
} from '../settings.ts';
import { onSignalSay } from '../signals.ts';
import { sayError } from '../terminal.ts';
import { checkedName } from './names.ts';
import { patiently } from './patience.ts';
import { writeWritten } from './written.ts';

interface Options extends GlobalOptions, QuorumOptions {
  readonly context?: string;
  readonly idempotencyKey?: string;
  readonly retryFor: number;
}

export function addDelete(program: Command): void {
  const command = program
    .command('delete')
    .summary('delete a key')
    .description(
      'Delete a key: with --context exactly what that context has seen, otherwise what the coordinator finds. ' +
        'Concurrent writes survive. Deleting what is not there succeeds.',
    )
    .argument('<bucket>')
    .argument('<key>')
    .option('--context <token>', 'delete exactly what this context has seen', parseHeaderText);
  addIdempotencyOption(command);
  addQuorumOptions(command);
  addRetryOption(command, '0s');
  command.action(async (bucket: string, key: string) => {
    process.exitCode = await remove(bucket, key, command.optsWithGlobals<Options>());
  });
}

async function remove(bucket: string, key: string, options: Options): Promise<ExitCode> {
  const name = checkedName(bucket, key);
  const idempotencyKey = options.idempotencyKey ?? randomUUID();
  const client = clientFrom(options);
  const repeatHint = `Run it again with --idempotency-key ${idempotencyKey}: however often that is, it stays one delete.`;
  onSignalSay(() => sayError(`interrupted. The delete may have happened, or appear later. ${repeatHint}`));
  const attempt = async () => await client.delete(bucket, key, { context: options.context, idempotencyKey });
  try {
    const deleted = await explaining(`delete ${name}`, patiently(attempt, options.retryFor), repeatHint);
    if (options.o === 'json') await writeWritten(bucket, key, deleted, idempotencyKey);
    return EXIT.ok;
  } finally {
    client.close();
  }
}
