import { connect, type Socket } from 'node:net';

/** HTTP as bytes on a socket: for what no proper client would send. */
export class RawClient {
  /** Everything received, as Latin-1. */
  received = '';
  isClosed = false;
  private readonly socket: Socket;
  private readonly watchers = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    const notify = () => {
      for (const watcher of this.watchers) watcher();
    };
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString('latin1');
      notify();
    });
    // A reset is a way to be closed.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
      notify();
    });
  }

  static open(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        socket.setNoDelay(true);
        resolve(new RawClient(socket));
      });
    });
  }

  send(bytes: string | Uint8Array): void {
    if (!this.socket.destroyed)
      this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** The next whole answer, removed from what was received. */
  async answer(timeoutMs = 5_000): Promise<RawAnswer> {
    let answer: RawAnswer | undefined;
    await this.until(() => (answer = this.take()) !== undefined || this.isClosed, timeoutMs);
    if (answer === undefined)
      throw new Error(`closed without a whole answer: ${JSON.stringify(this.received)}`);
    return answer;
  }

  async closed(timeoutMs = 5_000): Promise<void> {
    await this.until(() => this.isClosed, timeoutMs);
  }

  end(): void {
    this.socket.destroy();
  }

  private take(): RawAnswer | undefined {
    const head = this.received.indexOf('\r\n\r\n');
    if (head < 0) return undefined;
    const [line = '', ...lines] = this.received.slice(0, head).split('\r\n');
    const headers = Object.fromEntries(
      lines.map((each) => [
        each.slice(0, each.indexOf(':')).toLowerCase(),
        each.slice(each.indexOf(':') + 2),
      ]),
    );
    const status = Number(line.split(' ')[1]);
    const length = Number(headers['content-length'] ?? 0);
    const end = head + 4 + length;
    if (this.received.length < end) return undefined;
    const body = this.received.slice(head + 4, end);
    this.received = this.received.slice(end);
    return { status, headers, body };
  }

  private until(isDone: () => boolean, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (error?: Error) => {
        clearTimeout(timer);
        this.watchers.delete(watcher);
        if (error === undefined) resolve();
        else reject(error);
      };
      const watcher = () => {
        if (isDone()) finish();
      };
      const timer = setTimeout(
        () => finish(new Error(`nothing within ${timeoutMs} ms; so far ${JSON.stringify(this.received)}`)),
        timeoutMs,
      );
      this.watchers.add(watcher);
      watcher();
    });
  }
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
