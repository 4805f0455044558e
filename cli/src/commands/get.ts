import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { GetResult, Sibling } from '../client/results.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { explaining, fileFailure } from '../failure.ts';
import { formatBytes } from '../human.ts';
import {
  type GlobalOptions,
  type QuorumOptions,
  addQuorumOptions,
  addRetryOption,
  clientFrom,
  parseHeaderText,
} from '../settings.ts';
import { formatTable } from '../table.ts';
import { say, sayError, writeData, writeJson } from '../terminal.ts';
import { checkedName } from './names.ts';
import { patiently } from './patience.ts';

interface Options extends GlobalOptions, QuorumOptions {
  readonly output?: string;
  readonly context?: string;
  readonly retryFor: number;
}

export function addGet(program: Command): void {
  const command = program
    .command('get')
    .summary('print the value of a key')
    .description(
      'Print the value of a key, byte for byte. Several concurrent values are listed instead (exit code 4).',
    )
    .argument('<bucket>')
    .argument('<key>')
    .option('--output <file>', 'write the value to a file instead of stdout')
    .option('--context <token>', 'answer at least as new as what this context has seen', parseHeaderText);
  addQuorumOptions(command);
  addRetryOption(command, '0s');
  command.action(async (bucket: string, key: string) => {
    process.exitCode = await get(bucket, key, command.optsWithGlobals<Options>());
  });
}

async function get(bucket: string, key: string, options: Options): Promise<ExitCode> {
  const name = checkedName(bucket, key);
  const client = clientFrom(options);
  const attempt = async (): Promise<GetResult> => await client.get(bucket, key, { context: options.context });
  try {
    const result = await explaining(`read ${name}`, patiently(attempt, options.retryFor));
    if (options.output !== undefined && result.kind === 'value')
      await save(options.output, result.sibling.value);
    if (options.o === 'json') await writeJson(documentOf(bucket, key, result));
    return await tell(name, result, options);
  } finally {
    client.close();
  }
}

async function save(file: string, value: Buffer): Promise<void> {
  try {
    await writeFile(file, value);
  } catch (error) {
    throw fileFailure(`write ${file}`, error);
  }
}

async function tell(name: string, result: GetResult, { o, output }: Options): Promise<ExitCode> {
  if (result.kind === 'value') {
    if (o !== 'json' && output === undefined) await writeData(result.sibling.value);
    return EXIT.ok;
  }
  if (result.kind === 'missing') {
    sayError(`${name} not found${result.context === undefined ? '' : ': it was deleted'}.`);
    return EXIT.notFound;
  }
  sayError(`${name} has ${result.siblings.length} concurrent values, and none was chosen.`);
  say(
    'Read them with -o json, decide, and write one with "circlet put ... --context TOKEN" (the token is in the JSON).',
  );
  if (output !== undefined) say(`${output} was not written.`);
  if (o !== 'json') await writeData(formatTable(SIBLING_COLUMNS, result.siblings));
  return EXIT.siblings;
}

const SIBLING_COLUMNS = [
  { title: 'ETAG', value: (sibling: Sibling) => sibling.etag ?? '-' },
  {
    title: 'SIZE',
    value: (sibling: Sibling) => (sibling.deleted ? '-' : formatBytes(sibling.value.length)),
    align: 'right',
  },
  { title: 'TYPE', value: (sibling: Sibling) => (sibling.deleted ? '-' : sibling.contentType) },
  { title: 'TIME', value: (sibling: Sibling) => timeOf(sibling) ?? '-' },
  { title: 'DELETED', value: (sibling: Sibling) => (sibling.deleted ? 'yes' : 'no') },
] as const;

/** One shape for one value, for none and for several: a script always looks at `siblings`. */
function documentOf(bucket: string, key: string, result: GetResult): unknown {
  const siblings =
    result.kind === 'value' ? [result.sibling] : result.kind === 'siblings' ? result.siblings : [];
  return {
    bucket,
    key,
    status: result.kind,
    context: result.context ?? null,
    siblings: siblings.map((sibling) => ({
      etag: sibling.etag ?? null,
      contentType: sibling.contentType,
      lastModified: timeOf(sibling) ?? null,
      meta: sibling.meta,
      deleted: sibling.deleted,
      bytes: sibling.value.length,
      valueBase64: sibling.value.toString('base64'),
    })),
  };
}

/** ISO 8601, whether the coordinator wrote that or the date of a header. */
function timeOf({ lastModified }: Sibling): string | undefined {
  if (lastModified === undefined) return undefined;
  const ms = Date.parse(lastModified);
  return Number.isNaN(ms) ? lastModified : new Date(ms).toISOString();
}
