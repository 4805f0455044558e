import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { startEmbedded } from './embedded.ts';

const PAGE = readFileSync(new URL('../../docs/http-api.md', import.meta.url), 'utf8');

it('every example in docs/http-api.md works when it is pasted, and gets the status that stands behind it', async () => {
  const script = [...PAGE.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block).join('');
  const promised = [...script.matchAll(/# (\d{3})$/gm)].map(([, status]) => status);
  expect(promised.length).toBeGreaterThan(20);
  const dataDir = mkdtempSync(join(tmpdir(), 'circlet-doc-'));
  const cluster = await startEmbedded({
    dataDir,
    port: 0,
    adminPort: 0,
    version: 'test',
    notice: () => undefined,
    fatal: (error) => {
      throw error;
    },
  });
  try {
    const here = script
      .replaceAll('http://127.0.0.1:8080', cluster.url)
      .replaceAll('http://127.0.0.1:8180', cluster.adminUrl);
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', here], {
      timeout: 30_000,
      maxBuffer: 16 * 1024 * 1024,
    });
    const got = [...stdout.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status);
    expect(got).toEqual(promised);
  } finally {
    await cluster.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
