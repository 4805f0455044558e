import type { Transport, TransportListener } from '../host/ports.ts';
import { PAYLOAD_BYTES_MAX } from '../protocol/limits.ts';
import { listenSubjects } from '../protocol/subjects.ts';
import type { Role } from '../machine.ts';

/** The embedded bus: every pod of a cluster in one process. Frames arrive in order, after the sender's turn. */
export class MemoryBus {
  private readonly listeners = new Map<string, Set<TransportListener>>();

  connect(cluster: string, role: Role, name: string): Transport & { close(): void } {
    const subjects = listenSubjects(cluster, role, name);
    let listener: TransportListener | undefined;
    return {
      payloadBytesMax: PAYLOAD_BYTES_MAX,
      listen: (own) => {
        listener = own;
        for (const subject of subjects) this.on(subject).add(own);
        setImmediate(() => own.connected(true));
      },
      send: (subject, frame, token) => {
        setImmediate(() => {
          const to = this.listeners.get(subject);
          if (to === undefined || to.size === 0) listener?.undelivered(token);
          // A broadcast reaches its sender too, as it does on NATS.
          for (const other of to ?? []) other.frame(frame);
        });
      },
      close: () => {
        for (const subject of subjects) if (listener !== undefined) this.on(subject).delete(listener);
      },
    };
  }

  private on(subject: string): Set<TransportListener> {
    let listeners = this.listeners.get(subject);
    if (listeners === undefined) {
      listeners = new Set();
      this.listeners.set(subject, listeners);
    }
    return listeners;
  }
}
