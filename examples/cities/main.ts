import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Command } from 'commander';
import { type CitiesReport, runCities } from './run.ts';

/** `npm run example:cities` */
const { records, report: reportFile } = new Command('cities')
  .description(
    'Import 138,000 places into a cluster while it is being broken, and prove that nothing is lost',
  )
  .option('--records <n>', 'only the first n places', Number)
  .option('--report <file>', 'where the report goes', '.reports/cities.md')
  .parse()
  .opts<{ records?: number; report: string }>();

const say = (line: string) => process.stdout.write(`${line}\n`);

function format(report: CitiesReport): string {
  const { import: done } = report;
  const errors = Object.entries(done.errors).map(([code, n]) => `${code} ${n}`);
  return `# Cities

${report.records} records into 5 storage pods and 2 coordinators over one nats-server; storage-1 killed with SIGKILL,
storage-3 frozen with SIGSTOP, the NATS server restarted in the middle.

| | |
| --- | --- |
| acknowledged | ${done.stored} of ${report.records}, ${done.failed} failed |
| rate | ${Math.round(done.recordsPerSecond)} records/s over ${done.seconds.toFixed(1)} s |
| latency | p50 ${done.latencyMs.p50.toFixed(1)} ms, p99 ${done.latencyMs.p99.toFixed(1)} ms, max ${done.latencyMs.max.toFixed(0)} ms |
| errors by code | ${errors.length === 0 ? 'none' : errors.join(', ')} |
| retries | ${done.retries} |
| hints held late in the import | ${report.hintsAtPeak} |
| healed | ${(report.healedInMs / 1000).toFixed(1)} s after the dead pod was started; ${report.hintsLeft} hints left |
| read back at r=all | ${report.reads} reads, ${Math.round(report.readsPerSecond)}/s, ${report.different.length} different |
`;
}

const report = await runCities({
  ...(records === undefined ? {} : { records }),
  feedMs: 15_000,
  frozenMs: 10_000,
  say,
});
const text = format(report);
mkdirSync(dirname(reportFile), { recursive: true });
writeFileSync(reportFile, text);
say(`\n${text}`);
for (const line of report.different.slice(0, 20)) say(line);
if (report.different.length > 0 || report.hintsLeft > 0) process.exit(1);
