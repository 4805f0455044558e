import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { MUTANTS } from './mutants.ts';

/** `node --import .../inject.ts`: loads one file of the product with the bug that CIRCLET_MUTANT names. */
const wanted = process.env['CIRCLET_MUTANT'];
const mutant = MUTANTS.find(({ name }) => name === wanted);
if (mutant === undefined) throw new Error(`there is no mutant "${wanted}"`);
const edits = [mutant, mutant.and ?? []]
  .flat()
  .map((edit) => ({ ...edit, url: new URL(`../../../${edit.file}`, import.meta.url).href }));

registerHooks({
  load: (url, context, next) => {
    const its = edits.filter((edit) => edit.url === url);
    if (its.length === 0) return next(url, context);
    const source = its.reduce(
      (text, { from, to }) => text.replace(from, () => to),
      readFileSync(new URL(url), 'utf8'),
    );
    return { format: 'module-typescript', source, shortCircuit: true };
  },
});
