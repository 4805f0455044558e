/** The command line of an interrupted import, as one would type it to go on. */
export function resumeCommand(args: readonly string[], skip: number | undefined): string {
  const kept: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? '';
    if (arg === '--skip') i++;
    else if (!arg.startsWith('--skip=')) kept.push(arg);
  }
  if (skip !== undefined && skip > 0) kept.push('--skip', String(skip));
  return ['circlet', ...kept].map(quoted).join(' ');
}

/** For a POSIX shell. */
export function quoted(arg: string): string {
  return /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", String.raw`'\''`)}'`;
}
