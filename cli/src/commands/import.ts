import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { nameFault } from '../client/names.ts';
import type { CircletError } from '../client/errors.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { Failure, explain, usageFailure } from '../failure.ts';
import { plural } from '../human.ts';
import { BATCH_OPERATIONS_MAX } from '../import/batches.ts';
import { CsvReader } from '../import/csv-reader.ts';
import { showProgress } from '../import/display.ts';
import { ErrorsFile, errorEntry } from '../import/errors-file.ts';
import { type Ending, Importer } from '../import/importer.ts';
import { NdjsonReader } from '../import/ndjson.ts';
import { type AnyRecord, InputError, type RecordReader } from '../import/record.ts';
import { formatReport, reportOf } from '../import/report.ts';
import { resumeCommand } from '../import/resume.ts';
import { senderFor } from '../import/sender.ts';
import { openSource } from '../import/source.ts';
import { Tally } from '../import/tally.ts';
import {
  type GlobalOptions,
  type QuorumOptions,
  addQuorumOptions,
  addRetryOption,
  clientFrom,
  wholeNumber,
} from '../settings.ts';
import { onFirstSignal } from '../signals.ts';
import { systemClock } from '../system-clock.ts';
import { say, sayError, sayWarning, writeData, writeJson } from '../terminal.ts';

interface Options extends GlobalOptions, QuorumOptions {
  readonly key: string;
  readonly value?: string;
  readonly format?: 'ndjson' | 'csv';
  readonly concurrency?: number;
  readonly batch?: number;
  readonly ifAbsent?: boolean;
  readonly errors?: string;
  readonly skip: number;
  readonly retryFor: number;
}

const CONCURRENCY_DEFAULT = 64;
/** Eight batches of 100 keep a small cluster as busy as 64 do, and 64 make it refuse most of them (measured). */
const BATCH_CONCURRENCY_DEFAULT = 8;

export function addImport(program: Command): void {
  const command = program
    .command('import')
    .summary('store the records of a file')
    .description(
      'Store the records of an NDJSON or CSV file (- for stdin), each as JSON under the key that one of its fields ' +
        'holds. Run it again after an interruption or a failure: no record is stored twice, because each carries an ' +
        'idempotency key made of its key and content (the cluster remembers those for at least 24 hours).',
    )
    .argument('<bucket>')
    .argument('<file>')
    .requiredOption(
      '--key <field>',
      'field or column that holds the key; for NDJSON also a JSON pointer such as /a/b',
    )
    .option('--value <field>', 'store this field or column instead of the whole record')
    .addOption(
      new Option('--format <format>', 'format of the input (default: by the name of the file)').choices([
        'ndjson',
        'csv',
      ]),
    )
    .addOption(
      number(
        '--concurrency <n>',
        `requests at the same time (default: ${CONCURRENCY_DEFAULT}; with --batch, ${BATCH_CONCURRENCY_DEFAULT})`,
        1,
        1024,
      ),
    )
    .addOption(number('--batch <n>', 'put so many records into one request', 2, BATCH_OPERATIONS_MAX))
    .option('--if-absent', 'leave keys alone that have another value, and count them')
    .option('--errors <file>', 'write the failed records to a file, as NDJSON')
    .addOption(
      number(
        '--skip <n>',
        'pass over the first records, which are known to be stored',
        0,
        Number.MAX_SAFE_INTEGER,
      ).default(0),
    );
  addQuorumOptions(command);
  addRetryOption(command, '120s');
  command.action(async (bucket: string, file: string) => {
    process.exitCode = await runImport(bucket, file, command.optsWithGlobals<Options>());
  });
}

function number(flags: string, description: string, min: number, max: number): Option {
  return new Option(flags, description).argParser(wholeNumber(min, max));
}

/** Failures that are also told on stderr; the others are in the counts, and in the file of `--errors`. */
const FAILURES_TOLD = 5;

async function runImport(bucket: string, path: string, options: Options): Promise<ExitCode> {
  check(bucket, path, options);
  const reader = readerFor(path, options);
  const source = await openSource(path);
  const errorsFile =
    options.errors === undefined ? undefined : new ErrorsFile(options.errors, { append: options.skip > 0 });
  const client = clientFrom(options);
  const tally = new Tally();
  const stop = new AbortController();
  const ifAbsent = options.ifAbsent === true;
  const importer = new Importer({
    bucket,
    skip: options.skip,
    concurrency:
      options.concurrency ?? (options.batch === undefined ? CONCURRENCY_DEFAULT : BATCH_CONCURRENCY_DEFAULT),
    batch: options.batch ?? 1,
    retryForMs: options.retryFor,
    clock: systemClock,
    send: senderFor(client, { bucket, ifAbsent }),
    tally,
    stop: stop.signal,
    onFailed: (record, error) => {
      errorsFile?.add(errorEntry(record, error));
      if (tally.failed <= FAILURES_TOLD) tellFailure(record, error);
      if (tally.failed === FAILURES_TOLD && options.errors === undefined) {
        say('Further failures are only counted; --errors FILE keeps them all.');
      }
    },
  });
  let exitWhenStopped: ExitCode = EXIT.interrupted;
  onFirstSignal((exit) => {
    exitWhenStopped = exit;
    say('Stopping: waiting for the requests under way. Once more to quit at once.');
    stop.abort();
  });

  const startedMs = performance.now();
  const display = showProgress(() => ({ ...readingOf(tally), totalBytes: source.totalBytes }));
  try {
    const ending = await importer.run(source.chunks(reader, importer.halted));
    display.stop();
    const report = reportOf({
      bucket,
      source: path,
      ending: ending.kind,
      ifAbsent,
      tally,
      unsettled: importer.unsettled,
      settledUpTo: importer.settledUpTo,
      elapsedMs: performance.now() - startedMs,
    });
    if (options.o === 'json') await writeJson(report);
    else await writeData(formatReport(report));
    return conclude(ending, tally, importer, path, exitWhenStopped);
  } catch (error) {
    if (error instanceof InputError)
      throw new Failure(`cannot import ${path}: ${error.message}.`, EXIT.failure);
    throw error;
  } finally {
    display.stop();
    errorsFile?.close();
    client.close();
  }
}

function check(bucket: string, path: string, { batch, ifAbsent, errors }: Options): void {
  const fault = nameFault('bucket', bucket);
  if (fault !== undefined) throw usageFailure(`${fault}. Give another.`);
  if (batch !== undefined && ifAbsent === true) {
    throw usageFailure(
      '--batch and --if-absent exclude each other: a batch cannot ask for absence. Leave out one.',
    );
  }
  if (errors !== undefined && path !== '-' && isSameFile(errors, path)) {
    throw usageFailure('--errors would overwrite the input. Name another file.');
  }
}

/** By whatever names: one of them may be a link. */
function isSameFile(a: string, b: string): boolean {
  const [left, right] = [a, b].map((path) => statSync(path, { throwIfNoEntry: false }));
  if (left === undefined || right === undefined) return resolve(a) === resolve(b);
  return left.dev === right.dev && left.ino === right.ino;
}

function readerFor(path: string, { key, value, format }: Options): RecordReader {
  const found =
    format ?? (/\.csv$/i.test(path) ? 'csv' : /\.(ndjson|jsonl|json)$/i.test(path) ? 'ndjson' : undefined);
  if (found === undefined)
    throw usageFailure(`the format of ${path} is not clear from its name. Give --format ndjson or csv.`);
  return found === 'csv' ? new CsvReader({ key, value }) : new NdjsonReader({ key, value });
}

function readingOf({ settled, failed, position, trouble }: Tally) {
  return { settled, failed, position, trouble };
}

function tellFailure(record: AnyRecord, error: CircletError | undefined): void {
  if (record.kind === 'malformed') sayWarning(`line ${record.line}: ${record.reason}.`);
  else if (error !== undefined) sayWarning(explain(`store line ${record.line}`, error).message);
}

function conclude(
  ending: Ending,
  tally: Tally,
  importer: Importer,
  path: string,
  exitWhenStopped: ExitCode,
): ExitCode {
  if (ending.kind === 'finished') {
    if (tally.failed === 0) return EXIT.ok;
    const malformed = tally.failures.get('malformed') ?? 0;
    const advice =
      malformed === tally.failed
        ? 'Correct them and run it again: what is stored already is not stored twice.'
        : 'Run it again to try them again: what is stored already is not stored twice.';
    sayError(`${plural(tally.failed, 'record')} of ${path} failed. ${advice}`);
    return EXIT.failure;
  }
  let exit = exitWhenStopped;
  if (ending.kind === 'stopped') sayError('interrupted.');
  else {
    const failure = explain(`import ${path}`, ending.error);
    sayError(failure.message);
    exit = failure.exit;
  }
  // A failed record before the mark would be passed over with the stored ones.
  const skip = tally.failed === 0 ? importer.settledUpTo : undefined;
  const same = path === '-' ? ' (give it the same input)' : '';
  say(`To go on${same}: ${resumeCommand(process.argv.slice(2), skip)}`);
  if (skip !== undefined && skip > 0)
    say('Without --skip it sends everything again, and nothing is stored twice either.');
  return exit;
}
