/**
 * A budget for hedged reads: each read earns a tenth of one, so that a cluster that is slow because it is overloaded is
 * not asked for twice as much (Dean and Barroso, "The Tail at Scale", 2013).
 */
export class Hedges {
  private tokens = BURST;

  earn(): void {
    this.tokens = Math.min(BURST, this.tokens + SHARE);
  }

  spend(): boolean {
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }
}

const SHARE = 0.1;
const BURST = 16;
