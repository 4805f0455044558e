import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** What the documentation says of files and tests is true: a link leads somewhere, a test that is named is there. */
const ROOT = join(import.meta.dirname, '..');
const NOT_OURS = ['node_modules', 'dist', '.git', '.turbo'];
const pages = globSync('**/*.md', { cwd: ROOT, exclude: (name) => NOT_OURS.includes(name) }).toSorted();

interface Link {
  readonly text: string;
  readonly target: string;
  /** Relative to the root. */
  readonly path: string;
}

/** Links to files of this repository, outside code. */
function linksOf(page: string): readonly Link[] {
  const prose = readFileSync(join(ROOT, page), 'utf8').replaceAll(/^ *```.*?^ *```/gms, '');
  return [...prose.matchAll(/\[([^\][]*)\]\(([^)\s]+)\)/g)].flatMap(([, text = '', target = '']) => {
    const [file = ''] = target.split('#');
    if (file === '' || /^[a-z]+:/.test(file)) return [];
    return { text, target, path: join(dirname(page), file) };
  });
}

/** The titles in a test file: whatever is a string and the first of several arguments, with anything in place of `${}` and `%s`. */
function titlesOf(testFile: string): readonly RegExp[] {
  const source = readFileSync(join(ROOT, testFile), 'utf8');
  return [...source.matchAll(/\(\s*(['"`])((?:\\.|(?!\1)[^\\\n])+)\1,/g)].map(([, , title = '']) => {
    const exact = title.replaceAll(/\\(.)/g, '$1').split(/\$\{[^}]*\}|%[sij]/);
    return new RegExp(`^${exact.map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.+')}$`);
  });
}

describe('every link leads to a file', () => {
  it.each(pages)('in %s', (page) => {
    const broken = linksOf(page).filter(({ path }) => !existsSync(join(ROOT, path)));
    expect(broken.map(({ target }) => target)).toEqual([]);
  });
});

describe('every test that is named exists', () => {
  it.each(['docs/guarantees.md', 'docs/rules.md'])('in %s', (page) => {
    const tests = linksOf(page).filter(({ path }) => path.endsWith('.test.ts'));
    const missing = tests.filter(({ text, path }) => !titlesOf(path).some((title) => title.test(text)));
    expect(missing.map(({ text, target }) => `${text} (${target})`)).toEqual([]);
    expect(tests.length).toBeGreaterThan(10);
  });
});
