/**
 * One table for each process says what can be configured: from it come the environment names, the flags, `--help` and
 * the typed, frozen result. A flag beats the environment, the environment beats the default.
 *
 *     --hint-keys-max 5000      CIRCLET_HINT_KEYS_MAX=5000
 *
 * `cluster` options must be the same in every pod and are compared when a pod meets the others; `process` options are
 * its own business.
 */
export interface Option<T> {
  readonly parse: (text: string) => T;
  /** Undefined: must be given. */
  readonly fallback: T | undefined;
  readonly scope: 'cluster' | 'process';
  /** What it does, and how to choose a value. */
  readonly help: string;
  readonly kind: 'flag' | 'value';
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>;
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]: T[K] extends Option<infer V> ? V : never;
};

/** The configuration is wrong; the message says which option, what was given and what is needed. */
export class OptionError extends Error {
  override name = 'OptionError';
}

interface Spec<T> {
  readonly fallback?: T;
  readonly scope?: 'cluster' | 'process';
  readonly help: string;
}

export function text(
  spec: Spec<string> & { readonly pattern?: RegExp; readonly expected?: string },
): Option<string> {
  return option(spec, 'value', (given) => {
    if (spec.pattern !== undefined && !spec.pattern.test(given))
      throw new OptionError(`expected ${spec.expected ?? spec.pattern.source}`);
    return given;
  });
}

export function integer(spec: Spec<number> & { readonly min: number; readonly max: number }): Option<number> {
  return option(spec, 'value', (given) => {
    const value = Number(given);
    if (!/^\d+$/.test(given) || value < spec.min || value > spec.max) {
      throw new OptionError(`expected a whole number from ${spec.min} to ${spec.max}`);
    }
    return value;
  });
}

export function flag(spec: { readonly help: string }): Option<boolean> {
  return option({ ...spec, fallback: false }, 'flag', (given) => {
    if (given === '1' || given === 'true') return true;
    if (given === '0' || given === 'false' || given === '') return false;
    throw new OptionError('expected true or false');
  });
}

/** Words separated by commas. */
export function words(spec: Spec<readonly string[]>): Option<readonly string[]> {
  return option(spec, 'value', (given) =>
    given
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== ''),
  );
}

function option<T>(spec: Spec<T>, kind: Option<T>['kind'], parse: (given: string) => T): Option<T> {
  return { parse, fallback: spec.fallback, scope: spec.scope ?? 'process', help: spec.help, kind };
}

/** Throws {@link OptionError} on anything unknown, missing or out of range. */
export function readOptions<T extends OptionTable>(
  table: T,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): OptionValues<T> {
  const given = parseArgs(table, args);
  const values: Record<string, unknown> = {};
  for (const [name, of] of Object.entries(table)) {
    const fromFlag = given.get(name);
    const raw = fromFlag ?? env[envName(name)];
    const source = fromFlag === undefined ? envName(name) : `--${flagName(name)}`;
    if (raw === undefined) {
      if (of.fallback === undefined)
        throw new OptionError(`--${flagName(name)} or ${envName(name)} is needed: ${of.help}`);
      values[name] = of.fallback;
      continue;
    }
    try {
      values[name] = of.parse(raw);
    } catch (error) {
      if (!(error instanceof OptionError)) throw error;
      throw new OptionError(`${source}: ${error.message}, not "${raw}"`);
    }
  }
  return Object.freeze(values) as OptionValues<T>;
}

export function helpText(table: OptionTable): string {
  return Object.entries(table)
    .map(([name, of]) => {
      const argument = of.kind === 'flag' ? '' : ' VALUE';
      const fallback =
        of.fallback === undefined || of.fallback === false ? '' : ` (default ${describe(of.fallback)})`;
      return `  --${flagName(name)}${argument}, ${envName(name)}\n      ${of.help}${fallback}`;
    })
    .join('\n');
}

function describe(fallback: unknown): string {
  return Array.isArray(fallback) ? fallback.join(',') || 'none' : `${fallback as string | number}`;
}

function parseArgs(table: OptionTable, args: readonly string[]): ReadonlyMap<string, string> {
  const names = new Map(Object.keys(table).map((name) => [flagName(name), name]));
  const given = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const [flagged, inline] = split(args[i] ?? '');
    const name = names.get(flagged);
    if (name === undefined) throw new OptionError(`unknown argument "${args[i]}": see --help`);
    if (given.has(name)) throw new OptionError(`--${flagged} is given twice`);
    if (table[name]?.kind === 'flag') {
      given.set(name, inline ?? 'true');
      continue;
    }
    const value = inline ?? args[++i];
    if (value === undefined) throw new OptionError(`--${flagged} needs a value`);
    given.set(name, value);
  }
  return given;
}

function split(argument: string): readonly [flag: string, value: string | undefined] {
  if (!argument.startsWith('--')) return ['', undefined];
  const at = argument.indexOf('=');
  return at < 0 ? [argument.slice(2), undefined] : [argument.slice(2, at), argument.slice(at + 1)];
}

function flagName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function envName(name: string): string {
  return `CIRCLET_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}
