import type { Message, MessageOf } from '@circlet/shared/protocol/message.ts';
import { checkFullKey } from '@circlet/shared/ring/key.ts';
import { notice, toPeer, type Turn } from './effects.ts';
import { type HintLedger, NO_KEY } from './hint-ledger.ts';
import { HintPulls } from './hint-pull.ts';
import type { Replicas } from './replicas.ts';
import type { Store } from './store.ts';

export type HintMessage =
  | MessageOf<'hintOffer'>
  | MessageOf<'hintPull'>
  | MessageOf<'hintPage'>
  | MessageOf<'hintAck'>;

export function isHintMessage(message: Message): message is HintMessage {
  const { kind } = message;
  return kind === 'hintOffer' || kind === 'hintPull' || kind === 'hintPage' || kind === 'hintAck';
}

/**
 * Hinted handoff between this node and each other (protocol.md, rules 5 to 7):
 *
 *     holder  --offer-->  owner  --pull-->  holder  --page-->  owner (merges)  --ack-->  holder (discharges)
 */
export class HintExchange {
  private readonly store: Store;
  private readonly replicas: Replicas;
  private readonly pulls: HintPulls;
  private hints: HintLedger | undefined;

  constructor(store: Store, replicas: Replicas, firstPullId: number) {
    this.store = store;
    this.replicas = replicas;
    this.pulls = new HintPulls(firstPullId);
  }

  adopt(hints: HintLedger): void {
    this.hints = hints;
  }

  /** Holders of writes that this node owns and may not have. */
  owedBy({ now }: Turn): readonly string[] {
    return this.pulls.owedBy(now.monoMs);
  }

  /** Tells whoever can hear it that there is something to pull. */
  offerAll(turn: Turn, isAlive: (name: string) => boolean): void {
    if (this.hints === undefined) return;
    const lost = this.hints.observe();
    if (lost > 0) turn.effects.push(notice('alarm', 'hint_lost', { hints: lost }));
    for (const { target } of this.hints.owed()) if (isAlive(target)) this.offer(turn, target);
  }

  /** What this node held for a slot that it has come to own itself: into its own row, some each second. */
  settleOwn(turn: Turn, name: string): void {
    if (this.hints === undefined || this.store.readOnly || this.hints.owedToNode(name) === 0) return;
    for (const { entries } of this.hints.page(name, NO_KEY)) {
      const taken = this.replicas.takeStates(turn, name, entries) ?? [];
      for (const { entry } of taken)
        if (entry.part === entry.parts - 1) this.hints.discharge(name, entry.key, entry.digest);
    }
  }

  offer(turn: Turn, target: string): void {
    const keys = this.hints?.owedToNode(target) ?? 0;
    if (keys > 0 && !this.store.readOnly) turn.effects.push(toPeer(target, { kind: 'hintOffer', keys }));
  }

  /** From a member of the topology. */
  receive(turn: Turn, from: string, message: HintMessage): void {
    switch (message.kind) {
      case 'hintOffer': {
        const pull = this.pulls.offered(from, message.keys, turn.now.monoMs);
        if (pull !== undefined) turn.effects.push(toPeer(from, { kind: 'hintPull', ...pull }));
        return;
      }
      case 'hintPull':
        if (message.after.length > 0) checkFullKey(message.after);
        for (const page of this.hints?.page(from, message.after) ?? []) {
          turn.effects.push(toPeer(from, { kind: 'hintPage', id: message.id, ...page }));
        }
        return;
      case 'hintPage':
        this.take(turn, from, message);
        return;
      case 'hintAck':
        // Discharging writes: on a full disk it would discard this machine, and the reads with it. It is offered anew.
        if (this.store.readOnly) return;
        for (const { key, digest } of message.entries) this.hints?.discharge(from, key, digest);
        if (this.hints?.owedToNode(from) === 0)
          turn.effects.push(toPeer(from, { kind: 'hintOffer', keys: 0 }));
    }
  }

  private take(turn: Turn, from: string, page: MessageOf<'hintPage'>): void {
    if (!this.pulls.expects(from, page) || this.store.readOnly) return;
    const taken = this.replicas.takeStates(turn, from, page.entries);
    if (taken === undefined) return;
    const entries = taken.map(({ entry }) => entry);
    const { ack, pull } = this.pulls.merged(from, page, entries, turn.now.monoMs);
    if (ack.entries.length > 0) turn.effects.push(toPeer(from, { kind: 'hintAck', ...ack }));
    if (pull !== undefined) turn.effects.push(toPeer(from, { kind: 'hintPull', ...pull }));
  }
}
