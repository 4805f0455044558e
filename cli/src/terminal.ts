import { styleText } from 'node:util';
import { fileFailure } from './failure.ts';
import { printable } from './human.ts';

/** The only place that writes: stdout is data, stderr is messages. */
export type Style = Parameters<typeof styleText>[0];

/**
 * Resolves when the bytes are out of our hands, so that a slow reader slows us instead of filling memory. Where they
 * cannot go (a full disk), {@link surviveClosedPipes} ends the process.
 */
export async function writeData(data: Uint8Array | string): Promise<void> {
  await new Promise<void>((resolve) => {
    process.stdout.write(data, (error) => (error && !isClosedPipe(error) ? undefined : resolve()));
  });
}

/** A document that is stable for scripts: two-space JSON and a newline. */
export async function writeJson(document: unknown): Promise<void> {
  await writeData(`${JSON.stringify(document, null, 2)}\n`);
}

/** One line, whatever the text contains. */
export function say(message: string): void {
  process.stderr.write(`${printable(message)}\n`);
}

/** Text that is already safe and laid out: help, a progress line with its control codes. */
export function sayRaw(text: string): void {
  process.stderr.write(text);
}

export function sayError(message: string): void {
  process.stderr.write(`${styleText('red', 'circlet:', { stream: process.stderr })} ${printable(message)}\n`);
}

export function sayWarning(message: string): void {
  process.stderr.write(
    `${styleText('yellow', 'circlet:', { stream: process.stderr })} ${printable(message)}\n`,
  );
}

/** Colours for stdout: only on a terminal, and not against NO_COLOR (styleText looks at both). */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

export const stdoutIsTerminal = (): boolean => process.stdout.isTTY;
export const stdoutSize = (): { columns: number; rows: number } => ({
  columns: process.stdout.columns || 80,
  rows: process.stdout.rows || 24,
});
export const stderrIsTerminal = (): boolean => process.stderr.isTTY;
export const stderrColumns = (): number => process.stderr.columns || 80;

/**
 * `circlet get ... | head` closes the pipe early. The reader has what it wanted, and the command goes on to its own
 * end and exit code: an import must not stop half way because nobody reads its messages any more. Data that is lost for
 * another reason is an error; messages are nothing to fail for, and there is nowhere left to say so.
 */
export function surviveClosedPipes(): void {
  process.stdout.on('error', (error) => {
    if (!isClosedPipe(error)) throw fileFailure('write to stdout', error);
  });
  process.stderr.on('error', () => undefined);
}

function isClosedPipe(error: Error): boolean {
  return 'code' in error && (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED');
}
