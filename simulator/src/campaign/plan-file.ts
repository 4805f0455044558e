import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Plan } from '../swarm/plan.ts';

export function writePlan(path: string, plan: Plan): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(plan, undefined, 2)}\n`);
}

export function readPlan(path: string): Plan {
  const plan = parse(path, textOf(path));
  const missing = ['seed', 'shape', 'network', 'steps', 'busyMs'].filter((name) => !(name in plan));
  if (missing.length > 0) {
    throw new Error(`${path} has no ${missing.join(', ')}: give a file that --minimise wrote.`);
  }
  return plan;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(
      `${path} cannot be read (${(error as NodeJS.ErrnoException).code}): see where --minimise wrote it.`,
      {
        cause: error,
      },
    );
  }
}

/** JSON has no `undefined`: a condition that is missing says the same. */
function parse(path: string, text: string): Plan {
  try {
    return Object(JSON.parse(text)) as Plan;
  } catch (error) {
    throw new Error(`${path} is not JSON: give a file that --minimise wrote.`, { cause: error });
  }
}
