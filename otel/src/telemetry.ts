/**
 * Where pods report what is worth measuring. It counts events by name and shows the counts to Prometheus; traces and
 * instruments plug in here.
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

  /** Prometheus text exposition. Event names are ours, so there are as many series as names in the code. */
  prometheus(): string {
    const memory = process.memoryUsage();
    const lines = [
      '# HELP circlet_events_total Notable things, by name.',
      '# TYPE circlet_events_total counter',
      ...[...this.counts]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([event, n]) => `circlet_events_total{event="${event}"} ${n}`),
      '# HELP process_resident_memory_bytes Resident memory.',
      '# TYPE process_resident_memory_bytes gauge',
      `process_resident_memory_bytes ${memory.rss}`,
      '# HELP nodejs_memory_bytes Memory of the JavaScript engine, by kind.',
      '# TYPE nodejs_memory_bytes gauge',
      `nodejs_memory_bytes{kind="heap_total"} ${memory.heapTotal}`,
      `nodejs_memory_bytes{kind="heap_used"} ${memory.heapUsed}`,
      `nodejs_memory_bytes{kind="external"} ${memory.external}`,
      `nodejs_memory_bytes{kind="array_buffers"} ${memory.arrayBuffers}`,
    ];
    return `${lines.join('\n')}\n`;
  }
}
