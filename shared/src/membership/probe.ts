/**
 * One probe cycle (SWIM 3.1):
 *
 *   ping target --(no ack in probeTimeout, or "no responders")--> ask helpers --(period over)--> failed
 *        \______________ ack ______________/\___________ ack, or one helper reached it __________/--> answered
 *
 * A late direct ack still counts. The cycle is over when the machine drops the object.
 */
export class Probe {
  readonly target: string;
  /** Ties acks, helpers' reports and the timeout to this cycle. */
  readonly seq: number;
  private helpers: readonly string[] | undefined;
  private wasHelped = false;

  constructor(target: string, seq: number) {
    this.target = target;
    this.seq = seq;
  }

  get isIndirect(): boolean {
    return this.helpers !== undefined;
  }

  askedHelpers(names: readonly string[]): void {
    this.helpers = names;
  }

  /** Whether `from` was asked to help in this cycle, and so may report. */
  reportedBy(from: string, seq: number): boolean {
    if (seq !== this.seq || !this.helpers?.includes(from)) return false;
    this.wasHelped = true;
    return true;
  }

  /**
   * Whether nobody at all spoke to us in this cycle, so that we may be the deaf one. One report, even of failure,
   * clears us. (Lifeguard counts every missed nack; then helpers that died too would make us slow just when many do.)
   */
  get isUnheard(): boolean {
    return !this.wasHelped;
  }
}
