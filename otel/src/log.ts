import { type Logger, pino } from 'pino';

/**
 * Structured logs: one JSON line for each notable thing. Never keys, values or tokens: the fields are those of a
 * notice, which the machines make from names, reasons and counts only.
 */
export type { Logger };

export interface LogOptions {
  readonly role: string;
  /** Left out where one process runs several pods: each has a child that names it. */
  readonly name?: string;
  readonly level: string;
}

export function createLogger({ role, name, level }: LogOptions): Logger {
  return pino({
    level,
    base: name === undefined ? { role } : { role, node: name },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}

const LEVELS = { debug: 'debug', info: 'info', warn: 'warn', alarm: 'error' } as const;

export interface Noticed {
  readonly level: keyof typeof LEVELS;
  readonly event: string;
  readonly fields?: Readonly<Record<string, string | number | boolean>>;
}

export function logNotice(logger: Logger, { level, event, fields }: Noticed): void {
  logger[LEVELS[level]](fields ?? {}, event);
}
