import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs the real command in a process of its own. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly done: Promise<Ran>;
  /** Of stderr, so far. */
  said(): string;
}

const BIN = join(import.meta.dirname, '..', 'bin', 'circlet.mjs');

interface RunOptions {
  /** Null: the test writes to it and ends it. */
  readonly stdin?: Buffer | string | null;
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[];
  /** A file descriptor that takes stdout, which is empty for the test then. */
  readonly stdout?: number;
}

export function startCli(
  args: readonly string[],
  { stdin, env, nodeArgs, stdout }: RunOptions = {},
): Running {
  const child = spawn(process.execPath, [...(nodeArgs ?? []), BIN, ...args], {
    // Nothing from the machine that runs the tests: a CIRCLET_URL there must not matter.
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['pipe', stdout ?? 'pipe', 'pipe'],
  });
  const out: Buffer[] = [];
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  // A command that ends without reading its input is no failure of the test.
  child.stdin?.on('error', () => undefined);
  if (stdin !== null) child.stdin?.end(stdin ?? '');
  const done = new Promise<Ran>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout: Buffer.concat(out), stderr: said }));
  });
  return { child, done, said: () => said };
}

export async function runCli(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return await startCli(args, options).done;
}

/** A folder that is gone with the block that holds it. */
export function temporaryFolder(): { path: string; file: (name: string) => string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'circlet-cli-'));
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** Stdout as JSON, for matchers. */
export function jsonOf(ran: Ran): unknown {
  return JSON.parse(ran.stdout.toString());
}
