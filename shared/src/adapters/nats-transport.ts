import { connect, type NatsConnection, type Status, type Subscription } from '@nats-io/transport-node';
import type { Transport, TransportListener } from '../host/ports.ts';
import type { Role } from '../machine.ts';
import { PAYLOAD_BYTES_MAX } from '../protocol/limits.ts';
import { listenSubjects, undeliveredPrefix } from '../protocol/subjects.ts';

export interface NatsOptions {
  readonly servers: readonly string[];
  readonly cluster: string;
  readonly role: Role;
  readonly name: string;
}

/** Carries frames over core NATS, at most once. */
export interface NatsTransport extends Transport {
  /** Listens no more; what has arrived is still handed over, and answers still go out. */
  quiesce(): Promise<void>;
  /** Sends what is queued, then disconnects. */
  close(): Promise<void>;
}

/**
 * Waits for a first server as long as it takes. The settings are measured ones (invariants.md, section 4): a killed
 * server costs about 100 ms, a frozen one some 4 s, because a hung connection shows only in missed pings.
 */
export async function connectNats(options: NatsOptions): Promise<NatsTransport> {
  const { cluster, role, name } = options;
  const connection = await connect({
    servers: [...options.servers],
    name: `circlet ${role} ${name}`,
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    reconnectJitter: 50,
    pingInterval: 1_000,
    maxPingOut: 2,
    timeout: 2_000,
    noAsyncTraces: true,
  });
  const payloadBytesMax = connection.info?.max_payload ?? 0;
  if (payloadBytesMax < PAYLOAD_BYTES_MAX) {
    await connection.close();
    throw new Error(
      `the NATS server takes messages of at most ${payloadBytesMax} bytes; Circlet needs max_payload: ${PAYLOAD_BYTES_MAX} or more`,
    );
  }
  return new Connected(
    connection,
    listenSubjects(cluster, role, name),
    undeliveredPrefix(cluster, role, name),
    payloadBytesMax,
  );
}

class Connected implements NatsTransport {
  readonly payloadBytesMax: number;
  private readonly connection: NatsConnection;
  private readonly subjects: readonly string[];
  private readonly undelivered: string;
  private readonly subscriptions: Subscription[] = [];
  private up = true;

  constructor(
    connection: NatsConnection,
    subjects: readonly string[],
    undelivered: string,
    payloadBytesMax: number,
  ) {
    this.connection = connection;
    this.subjects = subjects;
    this.undelivered = undelivered;
    this.payloadBytesMax = payloadBytesMax;
  }

  listen(listener: TransportListener): void {
    for (const subject of this.subjects) {
      const subscription = this.connection.subscribe(subject, {
        callback: (error, message) => {
          // Frames say who sent them; a reply subject that a peer chose is never used.
          if (error === null) listener.frame(message.data);
        },
      });
      this.subscriptions.push(subscription);
    }
    this.connection.subscribe(`${this.undelivered}*`, {
      callback: (error, message) => {
        // Only the server's own 503 status, an empty message, says "no responders".
        if (error !== null || message.data.length > 0 || message.headers?.code !== 503) return;
        listener.undelivered(Number(message.subject.slice(this.undelivered.length)));
      },
    });
    void this.watch(listener);
  }

  send(subject: string, frame: Uint8Array, token: number): void {
    // While disconnected the client drops what is published without a word; the machine knows and fails fast.
    if (!this.up) return;
    this.connection.publish(subject, frame, { reply: `${this.undelivered}${token}` });
  }

  async quiesce(): Promise<void> {
    await Promise.all(this.subscriptions.map((subscription) => subscription.drain()));
  }

  async close(): Promise<void> {
    await this.connection.drain();
  }

  private async watch(listener: TransportListener): Promise<void> {
    await this.announce(listener);
    for await (const status of this.connection.status()) {
      const up = connectedAfter(status);
      if (up === undefined || up === this.up) continue;
      this.up = up;
      if (up) void this.announce(listener);
      else listener.connected(false);
    }
  }

  /** Subscriptions go out with the connection; the round trip proves that the server has taken them. */
  private async announce(listener: TransportListener): Promise<void> {
    await this.connection.flush();
    if (this.up) listener.connected(true);
  }
}

function connectedAfter(status: Status): boolean | undefined {
  if (status.type === 'reconnect') return true;
  return status.type === 'disconnect' || status.type === 'staleConnection' || status.type === 'close'
    ? false
    : undefined;
}
