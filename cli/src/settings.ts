import { type Command, InvalidArgumentError, Option } from 'commander';
import { CircletClient, type Quorum } from './client/client.ts';
import { parseDuration } from './duration.ts';

/** The options that commands share, from text to types, checked before anything is sent. */
export type Format = 'table' | 'json';

export interface GlobalOptions {
  readonly url?: readonly string[];
  readonly timeout?: number;
  readonly o: Format;
}

export interface QuorumOptions {
  readonly r?: string;
  readonly w?: string;
  readonly pr?: string;
  readonly pw?: string;
  readonly sloppy?: boolean;
}

const URL_DEFAULT = 'http://127.0.0.1:8080';
/** Of the local cluster: "npm start" and "npm run cluster -- up". */
const ADMIN_URL_DEFAULT = 'http://127.0.0.1:8180';
const EVERY_MS_MIN = 50;
const TIMEOUT_MS_MIN = 10;
const TIMEOUT_MS_MAX = 60_000;

export function addGlobalOptions(program: Command): void {
  program
    .addOption(
      new Option(
        '--url <url>',
        `coordinator; repeat it or use commas to name several (default: ${URL_DEFAULT})`,
      )
        .env('CIRCLET_URL')
        .argParser(parseUrls),
    )
    .addOption(
      new Option(
        '--timeout <duration>',
        'deadline of one call, 10ms to 60s (default: that of the cluster, 5s)',
      ).argParser(parseTimeout),
    )
    .addOption(
      new Option('-o <format>', 'output for people or for programs')
        .choices(['table', 'json'])
        .default('table'),
    );
}

export function addQuorumOptions(command: Command): void {
  command
    .addOption(countOption('--r <n>', 'replies a read needs: a number, one, quorum or all'))
    .addOption(countOption('--w <n>', 'durable copies a write needs'))
    .addOption(countOption('--pr <n>', 'how many of those replies must come from owners'))
    .addOption(countOption('--pw <n>', 'how many of those copies must be on owners'))
    .addOption(
      new Option('--sloppy <bool>', 'whether a fallback may stand in for an owner: true or false').argParser(
        parseBoolean,
      ),
    );
}

function countOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(parseCount);
}

export function addIdempotencyOption(command: Command): void {
  command.option(
    '--idempotency-key <key>',
    'name of this write, to repeat it safely (default: a random one)',
    parseIdempotencyKey,
  );
}

export function addRetryOption(command: Command, defaultText: string): void {
  command.addOption(
    new Option('--retry-for <duration>', 'repeat a call that failed for the moment for so long, such as 30s')
      .argParser(parseRetryFor)
      .default(must(parseDuration(defaultText)), defaultText),
  );
}

export function addAdminOption(command: Command): void {
  command.addOption(
    new Option('--admin <url>', 'admin listener of a coordinator')
      .env('CIRCLET_ADMIN')
      .default(ADMIN_URL_DEFAULT)
      .argParser(baseOf),
  );
}

export function clientFrom(options: GlobalOptions & QuorumOptions): CircletClient {
  return new CircletClient({
    urls: options.url ?? [URL_DEFAULT],
    timeoutMs: options.timeout,
    quorum: quorumFrom(options),
  });
}

function quorumFrom({ r, w, pr, pw, sloppy }: QuorumOptions): Quorum {
  return {
    ...(r === undefined ? {} : { r }),
    ...(w === undefined ? {} : { w }),
    ...(pr === undefined ? {} : { pr }),
    ...(pw === undefined ? {} : { pw }),
    ...(sloppy === undefined ? {} : { sloppy }),
  };
}

/** One `--url` may hold several, and several add up. */
function parseUrls(text: string, previous: readonly string[] | undefined): string[] {
  const urls = text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
    .map(baseOf);
  if (urls.length === 0) throw new InvalidArgumentError(`Give a URL such as ${URL_DEFAULT}.`);
  return [...new Set([...(previous ?? []), ...urls])];
}

function baseOf(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new InvalidArgumentError(`Give a URL such as ${URL_DEFAULT}.`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new InvalidArgumentError('A user name or password in the URL would not be used; leave it out.');
  }
  if (url.search !== '' || url.hash !== '')
    throw new InvalidArgumentError('Leave out what follows the path.');
  return (url.origin + url.pathname).replace(/\/+$/, '');
}

/** A bare number is milliseconds, as in the HTTP parameter of the same name. */
function parseTimeout(text: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) : parseDuration(text);
  if (ms === undefined || ms < TIMEOUT_MS_MIN || ms > TIMEOUT_MS_MAX) {
    throw new InvalidArgumentError('Give a duration from 10ms to 60s, such as 2s.');
  }
  return ms;
}

export function parseEvery(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < EVERY_MS_MIN)
    throw new InvalidArgumentError('Give a duration of 50ms or more, such as 5s.');
  return ms;
}

function parseRetryFor(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('Give a duration with its unit, such as 120s or 5m.');
  return ms;
}

/** Only the form: how many replicas there are is for the cluster to know. */
function parseCount(text: string): string {
  if (!/^(\d{1,3}|one|quorum|all)$/.test(text))
    throw new InvalidArgumentError('Give a number, one, quorum or all.');
  return text;
}

function parseBoolean(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new InvalidArgumentError('Give true or false.');
  return text === 'true';
}

/** A parser for a whole number within bounds. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      throw new InvalidArgumentError(
        max === Number.MAX_SAFE_INTEGER
          ? `Give a whole number, ${min} or more.`
          : `Give a whole number from ${min} to ${max}.`,
      );
    }
    return value;
  };
}

/** Visible ASCII and inner spaces: the part of a header value that every proxy leaves alone. */
export function parseHeaderText(text: string): string {
  if (!/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text)) {
    throw new InvalidArgumentError('It may hold only visible ASCII characters.');
  }
  return text;
}

function parseIdempotencyKey(text: string): string {
  const key = parseHeaderText(text);
  if (key.length > 128 || key.includes(' '))
    throw new InvalidArgumentError('It is 1 to 128 visible ASCII characters.');
  return key;
}

export function parseMeta(
  text: string,
  previous: Readonly<Record<string, string>> | undefined,
): Record<string, string> {
  const match = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+)=(.*)$/s.exec(text);
  if (match === null) throw new InvalidArgumentError('Give NAME=VALUE.');
  const [, name = '', value = ''] = match;
  return { ...previous, [name.toLowerCase()]: value === '' ? '' : parseHeaderText(value) };
}

function must(value: number | undefined): number {
  if (value === undefined) throw new Error('a default must parse');
  return value;
}
