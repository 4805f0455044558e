import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

/** One pod or server as an operating system process, its output in a log file. */
export interface ChildSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
}

export class Child {
  readonly spec: ChildSpec;
  private readonly process: ChildProcess;
  /** Settles when the process is gone. */
  readonly exited: Promise<void>;
  hasExited = false;

  constructor(spec: ChildSpec, onExit: () => void) {
    this.spec = spec;
    const log = openSync(spec.logFile, 'a');
    // A process group of its own: Ctrl-C in the terminal reaches the supervisor alone, which stops pods in order.
    this.process = spawn(spec.command, spec.args, {
      env: { ...process.env, ...spec.env },
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    this.exited = new Promise((resolve) => {
      const gone = () => {
        if (this.hasExited) return;
        this.hasExited = true;
        resolve();
        onExit();
      };
      this.process.once('exit', gone);
      this.process.once('error', gone);
    });
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.hasExited) this.process.kill(signal);
  }

  /** SIGTERM, and SIGKILL if that was not enough after `withinMs`. A frozen process is woken first. */
  async stop(withinMs: number): Promise<void> {
    if (this.hasExited) return;
    this.signal('SIGTERM');
    this.signal('SIGCONT');
    const timer = setTimeout(() => this.signal('SIGKILL'), withinMs);
    await this.exited;
    clearTimeout(timer);
  }
}
