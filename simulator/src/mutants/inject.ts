import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { MUTANTS } from './mutants.ts';

/** `node --import .../inject.ts`: loads one file of the product with the bug that CIRCLET_MUTANT names. */
const wanted = process.env['CIRCLET_MUTANT'];
const mutant = MUTANTS.find(({ name }) => name === wanted);
if (mutant === undefined) throw new Error(`there is no mutant "${wanted}"`);
const mutated = new URL(`../../../${mutant.file}`, import.meta.url).href;

registerHooks({
  load: (url, context, next) => {
    if (url !== mutated) return next(url, context);
    const source = readFileSync(new URL(url), 'utf8').replace(mutant.from, () => mutant.to);
    return { format: 'module-typescript', source, shortCircuit: true };
  },
});
