import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it('every row of docs/bad-inputs.md names a test that there is', () => {
  const page = readFileSync(new URL('bad-inputs.md', import.meta.url), 'utf8');
  const files = new Map(
    [...page.matchAll(/\[(\w+)\]\((\.\.\/[^)]+)\)/g)].map(([, name = '', path = '']) => [
      name,
      readFileSync(new URL(path, import.meta.url), 'utf8'),
    ]),
  );
  const rows = [...page.matchAll(/^\|.*\| (\w+): (.*?)\s*\|$/gm)];
  expect(rows.length).toBeGreaterThan(70);
  const missing = rows.filter(
    ([, file = '', title = '']) => files.get(file)?.includes(`'${title}'`) !== true,
  );
  expect(missing.map(([, file, title]) => `${file}: ${title}`)).toEqual([]);
  const unnamed = [...page.matchAll(/^\| .*\|$/gm)].filter(
    ([row]) => !/\| (\w+: .*|test|-+)\s*\|$/.test(row),
  );
  expect(unnamed.map(([row]) => row)).toEqual([]);
});
