import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePorts, isFree } from './free-ports.ts';
import { ADMIN_PORT_AFTER, initialMembers, planLayout, writeAdded } from './layout.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'circlet-test-'));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

async function plan() {
  let port = 0;
  for (const each of await freePorts(8)) if (await isFree(each + ADMIN_PORT_AFTER)) port = each;
  return await planLayout({
    dataDir,
    port,
    storage: 3,
    coordinators: 1,
    nats: 1,
    zones: 3,
    replicas: 3,
    vnodes: 8,
  });
}

it('an admin listener is at the usual distance, or anywhere else where that is taken', async () => {
  const { coordinators } = await plan();
  const { port = 0, adminPort = 0 } = coordinators[0] ?? {};
  expect(adminPort).toBe(port + ADMIN_PORT_AFTER);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(adminPort, '127.0.0.1', resolve));
  const again = await planLayout({
    dataDir,
    port,
    storage: 1,
    coordinators: 1,
    nats: 1,
    zones: 1,
    replicas: 1,
    vnodes: 8,
  });
  expect(again.coordinators[0]?.adminPort).toBeGreaterThan(0);
  expect(again.coordinators[0]?.adminPort).not.toBe(adminPort);
  await new Promise((resolve) => other.close(resolve));
});

it('pods that were added come up again, and found nothing', async () => {
  expect((await plan()).added).toEqual([]);
  writeAdded(dataDir, [{ name: 'n4', zone: 'zone-1' }]);
  const layout = await plan();
  expect(layout.added).toMatchObject([{ name: 'n4', zone: 'zone-1', dataDir: join(dataDir, 'n4') }]);
  expect(layout.added[0]?.metricsPort).toBeGreaterThan(0);
  expect(initialMembers(layout)).toBe('storage-0=zone-0,storage-1=zone-1,storage-2=zone-2');
});
