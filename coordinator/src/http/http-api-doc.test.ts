import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { HEADERS } from './openapi-operations.ts';
import { type ProblemCode, PROBLEMS, statusOf } from './problems.ts';
import { rulesOf } from './quorum-params.ts';
import { ADMIN_ROUTES, type AnyRoute, ROUTES } from './routes.ts';

/** What people are told (docs/http-api.md) is what programs get. */
const PAGE = readFileSync(new URL('../../../docs/http-api.md', import.meta.url), 'utf8');

/** The first two cells of each row of the table below a heading. */
function rowsBelow(heading: string): readonly (readonly [string, string])[] {
  const [, section = ''] = `\n${PAGE}`.split(`\n${heading}\n`);
  const [text = ''] = section.split(/^#+ /m);
  return [...text.matchAll(/^\| `([^`]+)`\s*\| ([^|]*)\|/gm)].map(([, name = '', second = '']) => [
    name,
    second.trim(),
  ]);
}

/** 429 promises that nothing happened; where that is not known it is a 503. */
const ALSO: Partial<Record<ProblemCode, number>> = { overloaded: 503 };

describe('docs/http-api.md', () => {
  it('lists every problem code there is, with its status, and no other', () => {
    const codes = Object.keys(PROBLEMS) as ProblemCode[];
    const there = codes.map((code) => [
      code,
      [statusOf({ code, detail: '' }), ALSO[code] ?? []].flat().join(', '),
    ]);
    expect(Object.fromEntries(rowsBelow('## Problems'))).toEqual(Object.fromEntries(there));
  });

  it.each<[string, readonly AnyRoute[]]>([
    ['# The HTTP API', ROUTES],
    ['## Membership changes', ADMIN_ROUTES],
  ])('lists every path there is with its methods, and no other: %s', (heading, routes) => {
    const methods = new Map<string, string[]>();
    for (const { path, method } of routes) methods.set(path, [...(methods.get(path) ?? []), method]);
    const there = [...methods].map(([path, of]) => [
      path,
      (of.includes('GET') && !of.includes('HEAD') ? [...of, 'HEAD'] : of).join(', '),
    ]);
    expect(Object.fromEntries(rowsBelow(heading))).toEqual(Object.fromEntries(there));
  });

  it('lists every query parameter there is, and no other', () => {
    const names = rowsBelow('### Quorum parameters').map(([name]) => name);
    expect(names.toSorted()).toEqual(Object.keys(rulesOf(3).object.shape).toSorted());
  });

  it('names every header of ours', () => {
    const missing = Object.keys(HEADERS).filter((name) => !PAGE.includes(name));
    expect(missing).toEqual([]);
    const ours = new Set([...PAGE.matchAll(/Circlet-[A-Z][A-Za-z-]*/g)].map(([name]) => name));
    const known = Object.keys(HEADERS).filter((name) => name.startsWith('Circlet-') && !name.endsWith('*'));
    expect([...ours].filter((name) => !name.startsWith('Circlet-Meta-')).toSorted()).toEqual(
      [...known, 'Circlet-Deleted'].toSorted(),
    );
  });
});
