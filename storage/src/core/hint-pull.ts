import { must } from '@circlet/shared/assert.ts';
import { toHex } from '@circlet/shared/codec/bytes.ts';
import type { HintAck, HintPage, HintPull } from '@circlet/shared/protocol/hint.ts';
import { NO_KEY } from './hint-ledger.ts';

/**
 * The recovered side of hinted handoff: this node pulls what others hold for it, one page at a time from each, at its own
 * pace. A pull that hears nothing for a while is abandoned; the holder's next offer starts a new one, and merging a
 * state twice changes nothing.
 */
export class HintPulls {
  private readonly pulls = new Map<string, Pull>();
  /** Who said lately that it holds hints for us, and when. */
  private readonly offers = new Map<string, number>();
  private lastId: number;

  constructor(firstId: number) {
    this.lastId = firstId;
  }

  /** Holders of writes that this node owns and may not have (protocol.md, rule 7). */
  owedBy(nowMs: number): readonly string[] {
    if (this.offers.size === 0) return NOBODY;
    for (const [holder, atMs] of this.offers) if (nowMs - atMs > OFFER_LIFE_MS) this.offers.delete(holder);
    return [...this.offers.keys()].toSorted();
  }

  /** A holder offers; the request that begins a pull, unless one is running. */
  offered(holder: string, keys: number, nowMs: number): HintPull | undefined {
    if (keys === 0) {
      this.offers.delete(holder);
      return undefined;
    }
    this.offers.set(holder, nowMs);
    const running = this.pulls.get(holder);
    if (running !== undefined && nowMs - running.heardMs < STALL_MS) return undefined;
    return this.ask(holder, NO_KEY, new Map(), nowMs);
  }

  /** Whether a page answers the pull that is running. */
  expects(holder: string, page: HintPage): boolean {
    return this.pulls.get(holder)?.id === page.id;
  }

  /** After the states of a page were merged, those in `taken`: what to acknowledge, and what to ask for next. */
  merged(
    holder: string,
    page: HintPage,
    taken: HintPage['entries'],
    nowMs: number,
  ): { ack: HintAck; pull: HintPull | undefined } {
    const { parts } = must(this.pulls.get(holder), 'only expected pages are merged');
    const whole = taken.filter((entry) => {
      if (entry.parts === 1) return true;
      const of = `${toHex(entry.key)}/${entry.digest}`;
      const have = parts.get(of) ?? new Set();
      have.add(entry.part);
      parts.set(of, have);
      return have.size === entry.parts;
    });
    const ack = { entries: whole.map(({ key, digest }) => ({ key, digest })) };
    if (page.more) this.pulls.set(holder, { id: page.id, heardMs: nowMs, parts });
    else if (page.next.length > 0) return { ack, pull: this.ask(holder, page.next, parts, nowMs) };
    else this.pulls.delete(holder);
    return { ack, pull: undefined };
  }

  private ask(holder: string, after: Uint8Array, parts: Map<string, Set<number>>, nowMs: number): HintPull {
    const id = ++this.lastId;
    // The cursor outlives the frame it came in.
    const pull = { id, after: after.slice() };
    this.pulls.set(holder, { id, heardMs: nowMs, parts });
    return pull;
  }
}

interface Pull {
  readonly id: number;
  readonly heardMs: number;
  /** Parts merged so far of states that came in several. */
  readonly parts: Map<string, Set<number>>;
}

const NOBODY: readonly string[] = [];
const STALL_MS = 2_000;
/** Holders repeat their offers every second. */
const OFFER_LIFE_MS = 5_000;
