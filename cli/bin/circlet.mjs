#!/usr/bin/env node
import module from 'node:module';

// Stays parseable by old versions of Node: they cannot even read ../src, and would answer with a syntax error.
const major = Number(process.versions.node.split('.')[0]);

if (major < 24) {
  process.stderr.write(
    `circlet: needs Node.js 24 or newer, and this is ${process.versions.node}. Install one from https://nodejs.org or choose it with your version manager.\n`,
  );
  process.exitCode = 1;
} else {
  // Keeps what Node makes of the TypeScript: a command starts in 90 ms instead of 220.
  module.enableCompileCache();
  await import('../src/main.ts');
}
