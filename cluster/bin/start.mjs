#!/usr/bin/env node
import { requireNode } from '../../shared/bin/require-node.mjs';

requireNode();
await import('../src/start.ts');
