/** What a script can tell from the exit code alone. They are part of the command's interface: never renumber one. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  siblings: 4,
  unavailable: 5,
  degraded: 6,
  precondition: 7,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_CODES_HELP = `
Exit codes:
  0    done
  1    failed: the cluster refused, a file could not be read, or records failed
  2    the command line, or a name or value in it, is wrong
  3    get: no such key
  4    get: several concurrent values (siblings)
  5    no answer, no quorum or overloaded; a write's outcome may be unknown (the message says)
  6    status: a node is down
  7    put: --if-absent or --if-match did not hold; nothing was written
  130  interrupted (SIGINT)
  143  terminated (SIGTERM)`;
