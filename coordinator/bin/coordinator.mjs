#!/usr/bin/env -S node --max-semi-space-size=8
// The flag: a coordinator's garbage dies young, and a nursery of 16 MiB instead of 64 saves 50 MB of memory and costs no
// CPU (npm run bench). It can only be given when Node starts.
import { requireNode } from '../../shared/bin/require-node.mjs';

requireNode();
await import('../src/main.ts');
