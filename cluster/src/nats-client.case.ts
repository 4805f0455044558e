import { connect, type Socket } from 'node:net';
import { until } from './http.case.ts';

/** The NATS protocol as bytes on a socket: somebody on the bus who is no pod. */
export class NatsClient {
  /** The subjects of what arrived, in order. */
  readonly heard: string[] = [];
  isClosed = false;
  private readonly socket: Socket;
  private received = '';
  private subscriptions = 0;
  private pongs = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString('latin1');
      this.read();
    });
    // A reset is a way to be closed.
    socket.on('error', () => undefined);
    socket.on('close', () => (this.isClosed = true));
    socket.write('CONNECT {"verbose":false,"pedantic":false,"lang":"test","version":"0","headers":true}\r\n');
  }

  static open(port: number): Promise<NatsClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('error', reject);
      socket.once('connect', () => resolve(new NatsClient(socket)));
    });
  }

  subscribe(subject: string): void {
    this.socket.write(`SUB ${subject} ${++this.subscriptions}\r\n`);
  }

  publish(subject: string, payload: Uint8Array, reply = ''): void {
    this.socket.write(`PUB ${subject} ${reply} ${payload.length}\r\n`);
    this.socket.write(payload);
    this.socket.write('\r\n');
  }

  /** Until the server has taken all that was sent. */
  async flush(): Promise<void> {
    const pongs = this.pongs;
    this.socket.write('PING\r\n');
    await until('the server answers', () => Promise.resolve(this.pongs > pongs), 5_000);
  }

  close(): void {
    this.socket.destroy();
  }

  private read(): void {
    for (;;) {
      const end = this.received.indexOf('\r\n');
      if (end < 0) return;
      const [verb = '', subject = '', ...rest] = this.received.slice(0, end).split(' ');
      if (verb === 'MSG') {
        const length = Number(rest.at(-1));
        if (this.received.length < end + 2 + length + 2) return;
        this.heard.push(subject);
        this.received = this.received.slice(end + 2 + length + 2);
        continue;
      }
      if (verb === 'PING') this.socket.write('PONG\r\n');
      if (verb === 'PONG') this.pongs++;
      this.received = this.received.slice(end + 2);
    }
  }
}
