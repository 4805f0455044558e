import { chaos } from './chaos.ts';

/** `node simulator/src/main.ts [first seed] [last seed]`: runs seeds and prints those that end badly. */
const first = Number(process.argv[2] ?? 1);
const last = Number(process.argv[3] ?? first);
const startedMs = performance.now();
let operations = 0;
let bad = 0;
let virtualMs = 0;
const answered: Record<string, number> = {};
const faults: Record<string, number> = {};
for (let seed = first; seed <= last; seed++) {
  let violations: readonly string[];
  try {
    const outcome = chaos(seed);
    violations = outcome.violations;
    operations += outcome.operations;
    virtualMs += outcome.virtualMs;
    for (const [what, n] of Object.entries(outcome.answered)) answered[what] = (answered[what] ?? 0) + n;
    for (const [what, n] of Object.entries(outcome.faults)) faults[what] = (faults[what] ?? 0) + n;
  } catch (error) {
    violations = [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  }
  if (violations.length === 0) continue;
  bad++;
  process.stdout.write(
    `seed ${seed}:\n${violations
      .slice(0, 12)
      .map((line) => `  ${line}\n`)
      .join('')}`,
  );
}
const seconds = (performance.now() - startedMs) / 1000;
process.stdout.write(
  `${last - first + 1} seeds, ${bad} bad, ${operations} operations in ${seconds.toFixed(1)} s ` +
    `(${Math.round(operations / seconds)}/s, ${Math.round(virtualMs / 1000 / seconds)}x real time)\n` +
    `${JSON.stringify(answered)}\n${JSON.stringify(faults)}\n`,
);
process.exitCode = bad > 0 ? 1 : 0;
