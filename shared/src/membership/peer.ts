import {
  asHearsay,
  INCARNATION_JUMP_MAX,
  isIncarnation,
  type Liveness,
  type MemberUpdate,
  overrides,
} from './member.ts';
import { newSuspicion, type Suspicion } from './suspicion.ts';

/**
 * What became of a claim: `adopted` (our mind changed), `confirmed` (one more accuser of a suspect), `outdated` (an
 * accusation its member has since refuted), `known` (nothing new), or why it was refused.
 */
export type Hearing = 'adopted' | 'confirmed' | 'outdated' | 'known' | 'malformed' | 'version jump refused';

/** One other member in our view. */
export class Peer {
  readonly name: string;
  status: Liveness = 'alive';
  incarnation = 0;
  /** Present exactly while the status is `suspect`. */
  suspicion: Suspicion | undefined;
  /** The highest incarnation it told us itself: lies about it never run further ahead than it can follow in one step. */
  private proven = 0;
  private readonly changed: (name: string, status: Liveness) => void;

  constructor(name: string, changed: (name: string, status: Liveness) => void) {
    this.name = name;
    this.changed = changed;
  }

  get claim(): MemberUpdate {
    return { name: this.name, status: this.status, incarnation: this.incarnation };
  }

  adopt(status: Liveness, incarnation: number): void {
    const isChange = status !== this.status;
    this.status = status;
    this.incarnation = incarnation;
    this.suspicion = status === 'suspect' ? newSuspicion() : undefined;
    if (isChange) this.changed(this.name, status);
  }

  /** Forgets the case so far: we have had a sign of life, or cannot vouch for its absence. It stays suspect. */
  reopenCase(): void {
    if (this.suspicion !== undefined) this.suspicion = newSuspicion();
  }

  /** A claim about this peer by `from`, another member or itself. */
  hear(from: string, update: MemberUpdate): Hearing {
    if (!isIncarnation(update.incarnation)) return 'malformed';
    if (update.incarnation > this.proven + INCARNATION_JUMP_MAX) return 'version jump refused';
    const claim = asHearsay(update);
    if (overrides(claim, this)) {
      this.adopt(claim.status, claim.incarnation);
      this.suspicion?.accusers.add(from);
      return 'adopted';
    }
    if (claim.status === 'alive') return 'known';
    if (claim.incarnation < this.incarnation) return this.status === 'alive' ? 'outdated' : 'known';
    if (this.suspicion === undefined || this.suspicion.accusers.has(from)) return 'known';
    this.suspicion.accusers.add(from);
    return 'confirmed';
  }

  /**
   * Its own incarnation, in a message from itself. Beyond the limit it is believed step by step, not refused: a node
   * that knows nothing yet must be able to catch up with a member that refuted thousands of times. The limit is one
   * higher than for hearsay, so that the highest possible lie can be refuted in one step. False if the limit bit.
   */
  hearItself(incarnation: number): boolean {
    const credible = Math.min(incarnation, this.proven + INCARNATION_JUMP_MAX + 1);
    this.proven = Math.max(this.proven, credible);
    if (credible > this.incarnation) this.adopt('alive', credible);
    return credible === incarnation;
  }
}
