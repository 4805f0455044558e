import { type DummyRuleMap, defineConfig } from 'oxlint';

/**
 * Laws 1 and 2 as lint rules; scripts/lint.test.ts proves that they bite. Whatever is not listed as allowed is forbidden,
 * so a new global of Node and a new workspace start outside.
 */

/** Law 2, the import ladder: what the sources of each workspace may import of the others. */
const LADDER = {
  shared: [],
  otel: [],
  cli: [],
  storage: ['shared', 'otel'],
  coordinator: ['shared', 'otel'],
  simulator: ['shared', 'storage', 'coordinator'],
  cluster: ['shared', 'otel', 'storage', 'coordinator'],
} as const satisfies Record<string, readonly string[]>;

/** Folders beside the workspaces, which are tools around the product. */
const ROOT_FOLDERS = ['bench', 'scripts', 'examples', 'docs'];

/** Law 1: the globals whose results depend on their arguments alone. */
const PURE_GLOBALS = new Set(
  (
    'Array ArrayBuffer BigInt BigInt64Array BigUint64Array Boolean DataView Error Float64Array Infinity Int32Array JSON ' +
    'Map Math NaN Number Object RangeError RegExp Set String Symbol SyntaxError TypeError Uint16Array Uint32Array ' +
    'Uint8Array isFinite isNaN parseFloat parseInt structuredClone undefined'
  ).split(' '),
);

/** Known to Node only inside a module, so not properties of `globalThis`. */
const MODULE_GLOBALS = ['require', 'module', 'exports', '__dirname', '__filename'];

const IMPURE_GLOBALS = [...Object.getOwnPropertyNames(globalThis), ...MODULE_GLOBALS].filter(
  (name) => !PURE_GLOBALS.has(name),
);

interface Forbidden {
  readonly regex: string;
  readonly message: string;
}

function forbidImports(...patterns: Forbidden[]): DummyRuleMap {
  return { 'no-restricted-imports': ['error', { patterns }] };
}

/** The workspaces above and beside this one, and every way around their package names. */
function ladder(workspace: keyof typeof LADDER): readonly Forbidden[] {
  const all = Object.keys(LADDER) as (keyof typeof LADDER)[];
  const below: readonly string[] = LADDER[workspace];
  const others = all.filter((name) => !below.includes(name)).join('|');
  return [
    {
      regex: `^@circlet/(${others})(/|$)`,
      message: `law 2: ${workspace} may import ${below.join(', ') || 'no other workspace'}`,
    },
    {
      regex: `^\\..*/(${[...all, ...ROOT_FOLDERS].join('|')})/`,
      message: 'law 2: another workspace is imported by its package name',
    },
    { regex: '^\\./(.*/)?\\.\\./', message: 'law 2: a path goes up first, or not at all' },
    {
      regex: '\\.(case|test)\\.ts$',
      message: 'law 1: what tests share is allowed everything, so the product uses none of it',
    },
  ];
}

const PURE: DummyRuleMap = {
  'oxc/no-async-await': 'error',
  'no-restricted-globals': ['error', ...IMPURE_GLOBALS],
  'no-restricted-properties': ['error', { object: 'Math', property: 'random' }],
};

const NO_ADAPTERS = { regex: '/adapters/', message: 'law 2: adapters sit above the pure code' };

/** `above` matches the paths that lead out of the core. */
function coreRules(workspace: 'storage' | 'coordinator', above: string): DummyRuleMap {
  return {
    ...PURE,
    ...forbidImports(
      { regex: '^[^.@]|^@[^c]|^@c[^i]', message: 'law 1: a core reaches nothing outside itself and shared' },
      { regex: '^@circlet/otel', message: 'law 2: a core imports itself and shared' },
      { regex: above, message: 'law 2: a core does not import the layers above it' },
      NO_ADAPTERS,
      ...ladder(workspace),
    ),
  };
}

export default defineConfig({
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'promise', 'vitest'],
  categories: { correctness: 'error', suspicious: 'error' },
  rules: {
    'typescript/no-floating-promises': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/consistent-type-imports': 'error',
    'no-console': 'error',
    'import/no-cycle': 'error',
    eqeqeq: 'error',
    'no-underscore-dangle': 'off',
    'typescript/no-unsafe-type-assertion': 'off',
    'unicorn/no-new-array': 'off',
  },
  // A later override replaces an earlier one's rule whole: each names everything that holds in its folder.
  overrides: [
    ...(Object.keys(LADDER) as (keyof typeof LADDER)[]).map((workspace) => ({
      files: [`${workspace}/src/**/*.ts`],
      rules: forbidImports(...ladder(workspace)),
    })),
    {
      files: ['shared/src/**/*.ts'],
      rules: {
        ...PURE,
        ...forbidImports(
          { regex: '^[^.]', message: 'law 2: shared is pure and imports nothing but itself' },
          NO_ADAPTERS,
          ...ladder('shared'),
        ),
      },
    },
    // The one place of shared that touches the world, for the hosts.
    {
      files: ['shared/src/adapters/**/*.ts'],
      rules: {
        'oxc/no-async-await': 'off',
        'no-restricted-globals': 'off',
        'no-restricted-properties': 'off',
        ...forbidImports(...ladder('shared')),
      },
    },
    ...(['storage', 'coordinator'] as const).flatMap((workspace) => [
      { files: [`${workspace}/src/core/**/*.ts`], rules: coreRules(workspace, '^\\.\\./') },
      // One folder down the way up leads into the core still.
      { files: [`${workspace}/src/core/*/*.ts`], rules: coreRules(workspace, '^\\.\\./\\.\\./') },
    ]),
    {
      files: ['storage/src/sqlite/**/*.ts'],
      rules: forbidImports(
        { regex: '^\\.\\./[^/]+$', message: 'law 2: an engine knows the Store port, not the pod around it' },
        ...ladder('storage'),
      ),
    },
    {
      files: ['coordinator/src/http/**/*.ts'],
      rules: forbidImports(
        {
          regex: '^\\.\\./[^/]+$',
          message: 'law 2: the HTTP layer knows the port of a coordinator, not the pod around it',
        },
        ...ladder('coordinator'),
      ),
    },
    // Law 2: only the simulator imports both cores; whoever starts pods knows the pods.
    {
      files: ['cluster/src/**/*.ts'],
      rules: forbidImports(
        {
          regex: '^@circlet/(storage|coordinator)/core/',
          message: 'law 2: only the simulator imports the cores of both pods',
        },
        ...ladder('cluster'),
      ),
    },
    {
      files: ['**/*.test.ts', '**/*.case.ts'],
      rules: {
        'oxc/no-async-await': 'off',
        'no-restricted-globals': 'off',
        'no-restricted-properties': 'off',
        'no-restricted-imports': 'off',
        'vitest/no-conditional-expect': 'off',
        'vitest/valid-expect': ['error', { maxArgs: 2 }],
        'vitest/expect-expect': ['error', { assertFunctionNames: ['expect', 'expect*', 'fc.assert'] }],
        'unicorn/consistent-function-scoping': 'off',
      },
    },
  ],
  ignorePatterns: ['**/dist/**'],
});
