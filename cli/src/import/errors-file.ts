import { closeSync, openSync, writeSync } from 'node:fs';
import { type CircletError, ProblemError } from '../client/errors.ts';
import { fileFailure, reasonOf } from '../failure.ts';
import type { AnyRecord } from './record.ts';

/**
 * The failed records, one JSON object a line. `input` is the record as JSON, so that
 * `jq -r .input FILE | circlet import BUCKET - --format ndjson --key ...` tries them again under the same names.
 */
export interface ErrorEntry {
  readonly line: number;
  readonly record: number;
  readonly key: string | null;
  readonly code: string;
  readonly status: number | null;
  readonly outcome: 'none' | 'unknown';
  readonly message: string;
  readonly traceId: string | null;
  readonly input: string;
}

/** No error: the record was malformed, and nothing was sent. */
export function errorEntry(record: AnyRecord, error: CircletError | undefined): ErrorEntry {
  const problem = error instanceof ProblemError ? error.problem : undefined;
  return {
    line: record.line,
    record: record.number,
    key: record.kind === 'record' ? record.key : null,
    code: error?.code ?? 'malformed',
    status: problem?.status ?? null,
    outcome: error?.outcome ?? 'none',
    message: error === undefined ? (record.kind === 'malformed' ? record.reason : '') : reasonOf(error),
    traceId: problem?.traceId ?? null,
    input: record.source.toString(),
  };
}

/** Written at once, entry by entry: failures are few, and a crash must not lose those that are known. */
export class ErrorsFile {
  readonly #path: string;
  readonly #file: number;

  constructor(path: string, { append }: { append: boolean }) {
    this.#path = path;
    try {
      this.#file = openSync(path, append ? 'a' : 'w');
    } catch (error) {
      throw fileFailure(`write ${path}`, error);
    }
  }

  add(entry: ErrorEntry): void {
    try {
      writeSync(this.#file, `${JSON.stringify(entry)}\n`);
    } catch (error) {
      throw fileFailure(`write ${this.#path}`, error);
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}
