import { EXIT, type ExitCode } from './exit-codes.ts';

/**
 * The first Ctrl-C may be taken over by a command that wants to stop in order; the next one, and every one of a
 * command that does not, ends the process at once.
 */
export type StopHandler = (exit: ExitCode) => void;

let handler: StopHandler | undefined;

export function onFirstSignal(take: StopHandler): void {
  handler = take;
}

/** For a command that writes: who interrupts it should not believe that nothing was written. */
export function onSignalSay(tell: () => void): void {
  onFirstSignal((exit) => {
    tell();
    process.exit(exit);
  });
}

export function catchSignals(): void {
  process.on('SIGINT', () => stop(EXIT.interrupted));
  process.on('SIGTERM', () => stop(EXIT.terminated));
}

function stop(exit: ExitCode): void {
  const take = handler;
  handler = undefined;
  if (take === undefined) process.exit(exit);
  take(exit);
}
