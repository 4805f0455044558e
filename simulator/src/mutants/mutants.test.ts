import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { MUTANTS } from './mutants.ts';

const ROOT = join(import.meta.dirname, '../../..');

it.each(MUTANTS)('$name: what it replaces occurs once in $file', (mutant) => {
  for (const { file, from, to } of [mutant, mutant.and ?? []].flat()) {
    const source = readFileSync(join(ROOT, file), 'utf8');
    expect(source.split(from).length - 1).toBe(1);
    expect(to).not.toBe(from);
  }
});

it('there are at least forty, each with a name of its own', () => {
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  expect(MUTANTS.length).toBeGreaterThanOrEqual(40);
});
