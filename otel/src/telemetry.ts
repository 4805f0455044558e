/**
 * Where pods report what is worth measuring. Inert for now: it counts events by name, so that health and tests can ask,
 * and exports nothing. Traces and metrics plug in here.
 */
export class Telemetry {
  private readonly counts = new Map<string, number>();

  count(event: string): void {
    this.counts.set(event, (this.counts.get(event) ?? 0) + 1);
  }

  /** How often an event was reported since the process started. */
  counted(event: string): number {
    return this.counts.get(event) ?? 0;
  }

  /** All counts, by name. */
  get all(): ReadonlyMap<string, number> {
    return this.counts;
  }
}
