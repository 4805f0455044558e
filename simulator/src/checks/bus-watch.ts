import type { Message } from '@circlet/shared/protocol/message.ts';
import { isReplicaRequest } from '@circlet/shared/protocol/message.ts';
import type { Frame } from '../tap.ts';
import type { Invariant } from './violation.ts';

/** What coordinators ask of storage pods and are answered, as the bus carries it. */
export class BusWatch {
  private readonly blame: (invariant: Invariant, what: string) => void;
  /** By life of the coordinator and request id: of whom something was asked and under which topology, until it is answered. */
  private readonly asked = new Map<
    string,
    { readonly boot: string | undefined; readonly topology: string }
  >();
  /** By pod and write. */
  private readonly deadlines = new Map<string, number>();

  constructor(blame: (invariant: Invariant, what: string) => void) {
    this.blame = blame;
  }

  /** Until when, by its own clock, the pod was asked to lead the write; undefined when it never was. */
  leadsUntilMs(pod: string, writeId: string): number | undefined {
    return this.deadlines.get(`${pod}/${writeId}`);
  }

  fromCoordinator(message: Message, { to, header }: Frame): void {
    if (!isReplicaRequest(message)) return;
    this.asked.set(`${header.boot}/${message.id}`, { boot: header.toBoot, topology: header.topology });
    if (message.kind !== 'lead') return;
    const place = `${to}/${message.writeId}`;
    this.deadlines.set(place, Math.max(message.deadlineMs, this.deadlines.get(place) ?? 0));
  }

  /** What is asked under one topology is not done under another (I10), nor by another life of the pod (rule 15). */
  toCoordinator(message: Message, { from, header }: Frame): void {
    if (message.kind !== 'found' && message.kind !== 'led' && message.kind !== 'merged') return;
    const place = `${header.toBoot}/${message.id}`;
    const asked = this.asked.get(place);
    this.asked.delete(place);
    if (asked === undefined) return;
    if (asked.boot !== header.boot) this.blame('I11', `${from} does what an earlier life of it was asked`);
    if (asked.topology !== header.topology)
      this.blame(
        'I10',
        `${from} does under one topology (epoch ${header.epoch}) what was asked under another`,
      );
  }
}
