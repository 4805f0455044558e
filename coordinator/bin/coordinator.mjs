#!/usr/bin/env -S node --max-semi-space-size=16 --heap-growing-percent=100
// A coordinator's garbage dies young. A nursery of 16 MiB is large enough for most requests to be over before it is swept,
// and what outlives it is swept when the heap has doubled, not quadrupled: 165 MB instead of 210, and no more CPU than with
// Node's own settings (npm run bench). Flags can only be given when Node starts.
import { requireNode } from '../../shared/bin/require-node.mjs';

requireNode();
await import('../src/main.ts');
