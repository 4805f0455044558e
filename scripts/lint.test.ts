import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, expect, it } from 'vitest';

/** Laws 1 and 2 are lint rules; these tests prove that they bite, by breaking each in the folder it protects. */
const ROOT = join(import.meta.dirname, '..');
let written: string[] = [];

afterEach(() => {
  for (const file of written) rmSync(file, { force: true });
  written = [];
});

function lint(file: string, source: string): string {
  const path = join(ROOT, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, source);
  written.push(path);
  const { stdout, stderr } = spawnSync('oxlint', ['--deny-warnings', file], { cwd: ROOT, encoding: 'utf8' });
  return stdout + stderr;
}

const PURE = [
  'shared/src/lint-probe.ts',
  'storage/src/core/lint-probe.ts',
  'coordinator/src/core/lint-probe.ts',
];
const BANNED = [
  ['a clock', 'export const x = Date.now();', 'Date'],
  ['another clock', 'export const x = performance.now();', 'performance'],
  ['a timer', 'setTimeout(() => undefined, 1);', 'setTimeout'],
  ['randomness', 'export const x = Math.random();', 'Math.random'],
  ['cryptographic randomness', 'export const x = crypto.randomUUID();', 'crypto'],
  ['the environment', 'export const x = process.env;', 'process'],
  ['output', 'console.log(1);', 'console'],
  ['a promise', 'export const x = Promise.resolve(1);', 'Promise'],
  ['a date in words', 'export const x = new Intl.DateTimeFormat().format();', 'Intl'],
  ['a deadline of its own', 'export const x = AbortSignal.timeout(5);', 'AbortSignal'],
  ['a turn of the event loop', 'export const x = new MessageChannel();', 'MessageChannel'],
  ['a socket', "export const x = new WebSocket('ws://x');", 'WebSocket'],
  ['waiting for memory', 'export const x = Atomics;', 'Atomics'],
  ['the machine', 'export const x = navigator.hardwareConcurrency;', 'navigator'],
  ['the collector of garbage', 'export const x = new WeakRef({});', 'WeakRef'],
  ['randomness taken apart', 'export const { random } = Math;', 'Math.random'],
  ['asynchrony', 'export async function x() {}', 'async'],
  ['a module of Node', "import { x } from 'node:fs';\nexport const y = x;", 'node:fs'],
  ['a package', "import { Hono } from 'hono';\nexport const y = Hono;", 'hono'],
  ['an adapter', "import { x } from './adapters/nats-transport.ts';\nexport const y = x;", 'adapters'],
] as const;

for (const file of PURE) {
  it.each(BANNED)(`law 1: ${dirname(file)} may not use %s`, (_, source, named) => {
    const report = lint(file, source);
    expect(report).toMatch(/restricted|not allowed/);
    expect(report).toContain(named);
  });
}

it.each([
  ['storage/src/core/lint-probe.ts', '@circlet/coordinator/core/quorum.ts'],
  ['storage/src/lint-probe.ts', '@circlet/coordinator/pod.ts'],
  ['coordinator/src/lint-probe.ts', '@circlet/storage/pod.ts'],
  ['coordinator/src/core/lint-probe.ts', '../http/app.ts'],
  ['storage/src/core/lint-probe.ts', '../sqlite/sqlite-store.ts'],
  ['shared/src/lint-probe.ts', '@circlet/otel/log.ts'],
  ['otel/src/lint-probe.ts', '@circlet/shared/machine.ts'],
  ['cli/src/lint-probe.ts', '@circlet/storage/pod.ts'],
  ['simulator/src/lint-probe.ts', '@circlet/cluster/start.ts'],
  ['shared/src/lint-probe.ts', '../../storage/src/pod.ts'],
  ['shared/src/adapters/lint-probe.ts', '../../../storage/src/pod.ts'],
  ['shared/src/adapters/lint-probe.ts', '@circlet/storage/pod.ts'],
  ['otel/src/lint-probe.ts', '../../shared/src/machine.ts'],
  ['coordinator/src/lint-probe.ts', '../../cluster/src/start.ts'],
  ['storage/src/lint-probe.ts', '../../shared/src/machine.ts'],
  ['storage/src/sqlite/lint-probe.ts', '../pod.ts'],
  ['coordinator/src/http/lint-probe.ts', '../pod.ts'],
  ['cluster/src/lint-probe.ts', '@circlet/storage/core/node.ts'],
  ['storage/src/core/lint-probe.ts', './one-key.case.ts'],
  ['storage/src/core/lint-probe.ts', './../sqlite/sqlite-store.ts'],
  ['shared/src/lint-probe.ts', '../../bench/cpu.ts'],
  ['shared/src/lint-probe.ts', './ring/../../../storage/src/pod.ts'],
])('law 2: %s may not import %s', (file, target) => {
  expect(lint(file, `import { x } from '${target}';\nexport const y = x;\n`)).toContain('law');
});

it('clean code in the same places passes', () => {
  for (const file of PURE) expect(lint(file, 'export const x = 1;\n')).toContain('0 warnings and 0 errors');
});
