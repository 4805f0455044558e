import { CommanderError } from 'commander';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { createProgram } from './program.ts';
import { catchSignals } from './signals.ts';
import { surviveClosedPipes, sayError } from './terminal.ts';

/** Turns whatever a command ended with into an exit code and at most one line. */
function conclude(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof Failure) {
    sayError(error.message);
    return error.exit;
  }
  const debug = process.env['CIRCLET_DEBUG'] !== undefined && error instanceof Error;
  sayError(
    debug
      ? String(error.stack)
      : `internal error: ${String(error)}. This is a bug; CIRCLET_DEBUG=1 says more.`,
  );
  return EXIT.failure;
}

surviveClosedPipes();
catchSignals();
process.on('uncaughtException', (error) => process.exit(conclude(error)));

try {
  await createProgram().parseAsync();
} catch (error) {
  process.exitCode = conclude(error);
}
