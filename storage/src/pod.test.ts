import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identityOf } from '@circlet/shared/adapters/identity.ts';
import { MemoryBus } from '@circlet/shared/adapters/memory-bus.ts';
import { newSecrets, parseSecrets } from '@circlet/shared/adapters/secrets.ts';
import { must } from '@circlet/shared/assert.ts';
import { decodeState } from '@circlet/shared/causality/state-codec.ts';
import { Outbox } from '@circlet/shared/host/outbox.ts';
import type { Notice } from '@circlet/shared/machine.ts';
import { decodeFrame, type FrameHeader } from '@circlet/shared/protocol/frame.ts';
import type { Message } from '@circlet/shared/protocol/message.ts';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { copyOf, KEY, leadOf, writes } from './core/one-key.case.ts';
import { configOf } from './core/pods.case.ts';
import { StoragePod, type StoragePodOptions } from './pod.ts';
import { scratch, works } from './sqlite/scratch.case.ts';

const SECRETS = parseSecrets(newSecrets(), 'test');
const directory = scratch();
let running: StoragePod[] = [];

afterEach(() => {
  vi.useRealTimers();
  for (const pod of running) pod.stop();
  running = [];
});

interface Started {
  readonly pod: StoragePod;
  readonly notices: Notice[];
  readonly fatal: unknown[];
  readonly asker: Asker;
}

/** A pod on a bus of its own, alone in its cluster, ready, with somebody to ask it. */
async function started(dataDir: string, options: Partial<StoragePodOptions> = {}): Promise<Started> {
  const bus = new MemoryBus();
  const notices: Notice[] = [];
  const fatal: unknown[] = [];
  const pod = new StoragePod({
    name: 'a',
    cluster: 'test',
    secrets: SECRETS,
    founding: configOf('a'),
    dataDir,
    cacheKiB: 1024,
    hintKeysMax: 10,
    joins: { zone: 'default', weight: 1 },
    repair: undefined,
    version: '1.0.0',
    transport: bus.connect('test', 'storage', 'a'),
    notice: (notice) => notices.push(notice),
    fatal: (error) => fatal.push(error),
    ...options,
  });
  running.push(pod);
  await vi.waitUntil(() => pod.readiness.ready, { timeout: 5000, interval: 5 });
  return { pod, notices, fatal, asker: new Asker(bus) };
}

function stop({ pod }: Started): void {
  pod.stop();
  running = running.filter((other) => other !== pod);
}

/** What a coordinator needs to ask a pod: a place on the bus, the pod's boot and the topology. */
class Asker {
  private readonly outbox: Outbox;
  private readonly heard: { readonly header: FrameHeader; readonly message: Message }[] = [];
  private lastId = 0;
  private pod: FrameHeader | undefined;

  constructor(bus: MemoryBus) {
    const transport = bus.connect('test', 'coordinator', 'p');
    transport.listen({
      frame: (bytes) => {
        const { header, messages } = decodeFrame(bytes);
        this.heard.push(...messages.map((message) => ({ header, message })));
      },
      undelivered: () => undefined,
      connected: () => undefined,
    });
    this.outbox = new Outbox(identityOf('test', SECRETS.clusterKey, 'coordinator', 'p'), transport);
  }

  /** Learns the pod's present life and epoch; needed again after each of its restarts. */
  async meet(): Promise<Extract<Message, { kind: 'echoed' }>> {
    this.pod = undefined;
    const echoed = await this.ask({ kind: 'echo', id: ++this.lastId, sentMs: 0 });
    return must(echoed.kind === 'echoed' ? echoed : undefined, 'an echo is echoed');
  }

  async lead(n: number, bytes = 100): Promise<Message> {
    const deadlineMs = must(this.clockMs, 'the pod was met') + 5000;
    const copy = copyOf(n, { body: new Uint8Array(bytes).fill(n) });
    return this.ask({ kind: 'lead', ...leadOf(copy, undefined, { id: ++this.lastId, deadlineMs }) });
  }

  async writes(): Promise<readonly number[]> {
    const deadlineMs = must(this.clockMs, 'the pod was met') + 5000;
    const found = await this.ask({ kind: 'read', id: ++this.lastId, deadlineMs, key: KEY, want: 'state' });
    return found.kind === 'found' && found.what === 'state' ? writes(decodeState(found.state)) : [];
  }

  private clockMs: number | undefined;

  private async ask(message: Message & { readonly id: number }): Promise<Message> {
    if (this.pod !== undefined) this.outbox.at(this.pod.epoch, this.pod.topology);
    this.outbox.add({ role: 'storage', name: 'a', boot: this.pod?.boot }, message);
    this.outbox.flush();
    const answer = () => this.heard.find((each) => 'id' in each.message && each.message.id === message.id);
    await vi.waitUntil(() => answer() !== undefined, { timeout: 5000, interval: 1 });
    const { header, message: answered } = must(answer(), 'waited for');
    this.pod = header;
    if (answered.kind === 'echoed' || answered.kind === 'refused') this.clockMs = answered.monoMs;
    return answered;
  }
}

describe('a storage pod', () => {
  it('keeps what it acknowledged over a graceful stop, which leaves one file', async () => {
    const dataDir = join(directory, 'stop');
    const first = await started(dataDir);
    await first.asker.meet();
    for (const n of [1, 2])
      expect(await first.asker.lead(n)).toMatchObject({ kind: 'led', outcome: 'minted' });
    stop(first);
    expect([
      existsSync(join(dataDir, 'store.sqlite')),
      existsSync(join(dataDir, 'store.sqlite-wal')),
    ]).toEqual([true, false]);
    const second = await started(dataDir);
    expect(await second.asker.meet()).toMatchObject({ ready: true, writable: true, keys: 1 });
    expect(await second.asker.lead(3)).toMatchObject({ outcome: 'minted' });
    expect(await second.asker.writes()).toEqual([1, 2, 3]);
    expect(second.notices.filter(({ level }) => level === 'alarm')).toEqual([]);
  });

  it('answers what it had already taken when it is stopped', async () => {
    const one = await started(join(directory, 'queued'));
    await one.asker.meet();
    const answer = one.asker.lead(1);
    await sleep(0);
    stop(one);
    expect(await answer).toMatchObject({ kind: 'led' });
  });

  it('will not start on the directory of one that runs', async () => {
    const dataDir = join(directory, 'twice');
    await started(dataDir);
    await expect(started(dataDir)).rejects.toThrow('another process has this store open');
  });
});

const small = join(directory, 'small');
mkdirSync(small);
const canMount = works('a pod’s disk is not filled', 'mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', small);
afterAll(() => {
  if (canMount) spawnSync('umount', [small]);
});

describe.skipIf(!canMount)('a storage pod whose disk is full', () => {
  it('goes on reading, refuses to write, and writes again when there is room, in the same process', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const one = await started(join(small, 'data'));
    await one.asker.meet();
    writeFileSync(join(small, 'ballast'), new Uint8Array(1_500_000));
    const acked: number[] = [];
    let answer: Message | undefined;
    for (let n = 1; answer === undefined; n++) {
      const led = await Promise.race([one.asker.lead(n, 50_000).catch(() => undefined), discarded(one)]);
      if (led !== undefined && led.kind === 'led') acked.push(n);
      else answer = await one.asker.meet();
    }
    expect(acked.length).toBeGreaterThan(3);
    expect(one.notices.map(({ event }) => event)).toContain('machine_discarded');
    expect(one.fatal).toEqual([]);

    await vi.waitUntil(() => one.pod.readiness.ready, { timeout: 5000, interval: 5 });
    expect(await one.asker.meet()).toMatchObject({ ready: true, writable: false });
    expect(await one.asker.writes()).toEqual(acked);
    expect(await one.asker.lead(200)).toMatchObject({ kind: 'refused', reason: 'read_only' });
    vi.advanceTimersByTime(60_000);
    expect(await one.asker.lead(201)).toMatchObject({ kind: 'refused', reason: 'read_only' });

    rmSync(join(small, 'ballast'));
    vi.advanceTimersByTime(5_000);
    expect(one.notices.at(-1)).toMatchObject({ event: 'disk_has_room' });
    expect(await one.asker.lead(202)).toMatchObject({ kind: 'led', outcome: 'minted' });
    expect(await one.asker.writes()).toEqual([...acked, 202]);
  });
});

/** Resolves when the pod's machine was discarded: the request that did it is not answered. */
async function discarded({ notices }: Started): Promise<undefined> {
  await vi.waitUntil(() => notices.some(({ event }) => event === 'machine_discarded'), {
    timeout: 20_000,
    interval: 5,
  });
  return undefined;
}
