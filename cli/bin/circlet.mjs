#!/usr/bin/env node
// Stays parseable by old versions of Node: they cannot even read ../src, and would answer with a syntax error.
const major = Number(process.versions.node.split('.')[0]);

if (major < 24) {
  process.stderr.write(
    `circlet: needs Node.js 24 or newer, and this is ${process.versions.node}. Install one from https://nodejs.org or choose it with your version manager.\n`,
  );
  process.exitCode = 1;
} else {
  await import('../src/main.ts');
}
