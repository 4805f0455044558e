import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { PutOptions } from '../client/client.ts';
import { CircletError } from '../client/errors.ts';
import type { WriteResult } from '../client/results.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { explain, explaining, usageFailure } from '../failure.ts';
import { readValue } from '../input.ts';
import {
  type GlobalOptions,
  type QuorumOptions,
  addIdempotencyOption,
  addQuorumOptions,
  addRetryOption,
  clientFrom,
  parseHeaderText,
  parseMeta,
} from '../settings.ts';
import { onSignalSay } from '../signals.ts';
import { sayError } from '../terminal.ts';
import { checkedName } from './names.ts';
import { patiently } from './patience.ts';
import { writeWritten } from './written.ts';

interface Options extends GlobalOptions, QuorumOptions {
  readonly file?: string;
  readonly contentType?: string;
  readonly meta?: Readonly<Record<string, string>>;
  readonly context?: string;
  readonly ifAbsent?: boolean;
  readonly ifMatch?: string;
  readonly idempotencyKey?: string;
  readonly retryFor: number;
}

export function addPut(program: Command): void {
  const command = program
    .command('put')
    .summary('write a value')
    .description(
      'Write a value: the VALUE argument (after -- when it begins with a dash), --file, or - for stdin. ' +
        'Without --context the write is concurrent with what is there, and both stay as siblings.',
    )
    .argument('<bucket>')
    .argument('<key>')
    .argument('[value]')
    .option('--file <file>', 'read the value from a file')
    .option(
      '--content-type <type>',
      'kept with the value (default: application/octet-stream)',
      parseHeaderText,
    )
    .option('--meta <name=value>', 'metadata kept with the value; repeat it for more', parseMeta)
    .option(
      '--context <token>',
      'replace what this context has seen (from get or put with -o json)',
      parseHeaderText,
    )
    .option('--if-absent', 'only if a read finds no live value (a check, not a lock)')
    .option('--if-match <etag>', 'only if a read finds this ETag (a check, not a lock)', parseHeaderText);
  addIdempotencyOption(command);
  addQuorumOptions(command);
  addRetryOption(command, '0s');
  command.action(async (bucket: string, key: string, value: string | undefined) => {
    process.exitCode = await put(bucket, key, value, command.optsWithGlobals<Options>());
  });
}

async function put(
  bucket: string,
  key: string,
  argument: string | undefined,
  options: Options,
): Promise<ExitCode> {
  const name = checkedName(bucket, key);
  if (options.ifAbsent === true && options.ifMatch !== undefined) {
    throw usageFailure('--if-absent and --if-match exclude each other. Give one.');
  }
  const value = await valueOf(argument, options.file);
  const idempotencyKey = options.idempotencyKey ?? randomUUID();
  const client = clientFrom(options);
  const repeatHint = `Run it again with --idempotency-key ${idempotencyKey}: however often that is, it stays one write.`;
  onSignalSay(() => sayError(`interrupted. The write may have happened, or appear later. ${repeatHint}`));
  const putOptions = putOptionsFrom(options, idempotencyKey);
  let doubt: CircletError | undefined;
  const attempt = async (): Promise<WriteResult> => {
    try {
      return await client.put(bucket, key, value, putOptions);
    } catch (error) {
      if (!(error instanceof CircletError)) throw error;
      // What does not hold any more may be our own earlier attempt: then this refusal says nothing about that one.
      if (error.code === 'precondition_failed' && doubt !== undefined) {
        throw explain(`write ${name}`, doubt, 'Read the key to find out.');
      }
      if (error.outcome === 'unknown') doubt = error;
      throw error;
    }
  };
  try {
    const written = await explaining(`write ${name}`, patiently(attempt, options.retryFor), repeatHint);
    if (options.o === 'json') await writeWritten(bucket, key, written, idempotencyKey);
    return EXIT.ok;
  } finally {
    client.close();
  }
}

function putOptionsFrom(options: Options, idempotencyKey: string): PutOptions {
  return {
    contentType: options.contentType,
    context: options.context,
    idempotencyKey,
    ifMatch: options.ifMatch,
    ...(options.meta === undefined ? {} : { meta: options.meta }),
    ...(options.ifAbsent === true ? { ifAbsent: true } : {}),
  };
}

async function valueOf(argument: string | undefined, file: string | undefined): Promise<Buffer> {
  if (argument !== undefined && file !== undefined)
    throw usageFailure('VALUE and --file exclude each other. Give one.');
  if (file !== undefined) return await readValue(file);
  if (argument === '-') return await readValue('-');
  if (argument === undefined)
    throw usageFailure('no value. Give VALUE, --file FILE, or - to read standard input.');
  return Buffer.from(argument);
}
