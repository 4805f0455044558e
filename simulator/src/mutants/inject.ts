import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { MUTANTS } from './mutants.ts';

/** `node --import .../inject.ts`: loads one file of the product with the bug that CIRCLET_MUTANT names. */
const wanted = process.env['CIRCLET_MUTANT'];
const mutant = MUTANTS.find(({ name }) => name === wanted);
if (mutant === undefined) throw new Error(`there is no mutant "${wanted}"`);
const edits = new Map<string, { readonly from: string; readonly to: string }>();
for (const edit of [mutant, mutant.and ?? []].flat())
  edits.set(new URL(`../../../${edit.file}`, import.meta.url).href, edit);

registerHooks({
  load: (url, context, next) => {
    const edit = edits.get(url);
    if (edit === undefined) return next(url, context);
    const source = readFileSync(new URL(url), 'utf8').replace(edit.from, () => edit.to);
    return { format: 'module-typescript', source, shortCircuit: true };
  },
});
