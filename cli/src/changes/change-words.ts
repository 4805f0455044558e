import type { Change } from '../client/admin.ts';
import { usageFailure } from '../failure.ts';

/** A change as words of the command line, checked before anything is sent: `join n4 n5`, `replace n1 n4`, `weight n2=3`. */
export const VERBS = ['join', 'leave', 'replace', 'weight'] as const;
export type Verb = (typeof VERBS)[number];

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const NAMES_MAX = 32;
const WEIGHT_MAX = 64;

export function changeFrom(verb: Verb, words: readonly string[]): Change {
  if (verb === 'weight') return weightFrom(words);
  const names = words.map(checkedName);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw usageFailure(`"${twice}" is named twice: name each pod once.`);
  if (verb === 'replace' && names.length !== 2)
    throw usageFailure('replace takes two names: the member that goes and the pod that comes.');
  if (names.length > NAMES_MAX)
    throw usageFailure(`${names.length} names are too many: ${verb} at most ${NAMES_MAX} at once.`);
  return { verb, names };
}

function weightFrom(words: readonly string[]): Change {
  const [word = ''] = words;
  const [, name = '', weightText = ''] = /^([^=]*)=(\d{1,3})$/.exec(word) ?? [];
  const weight = Number(weightText);
  if (words.length !== 1 || weight < 1 || weight > WEIGHT_MAX)
    throw usageFailure(`weight takes NAME=N, with N from 1 to ${WEIGHT_MAX}: "weight storage-0=2".`);
  return { verb: 'weight', names: [checkedName(name)], weight };
}

function checkedName(name: string): string {
  if (NAME.test(name)) return name;
  throw usageFailure(`"${name}" is no name of a pod: those have lower-case letters, digits and dashes.`);
}
