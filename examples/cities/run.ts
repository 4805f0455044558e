import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type LocalCluster, startLocalCluster } from '@circlet/cluster/local-cluster.ts';
import { type CityRecord, cities } from './dataset.ts';

/**
 * The main job on real input: a data set is imported through the HTTP API into five storage pods and two coordinators
 * over a real nats-server. In the middle one storage pod is killed, a second is frozen for ten seconds, and the NATS
 * server is restarted. Then everything is healed, and every record must read back byte-equal at `r=all` through either
 * coordinator, with no hint left anywhere.
 */
export interface CitiesOptions {
  readonly records?: number;
  /** The import is fed no faster than would take this long, so that it is still running when things break. */
  readonly feedMs: number;
  readonly frozenMs: number;
  readonly say: (line: string) => void;
}

export interface CitiesReport {
  readonly records: number;
  readonly import: ImportReport;
  readonly hintsAtPeak: number;
  readonly healedInMs: number;
  readonly reads: number;
  readonly readsPerSecond: number;
  readonly different: readonly string[];
  readonly hintsLeft: number;
}

/** What `circlet import -o json` reports, as far as it is used here. */
interface ImportReport {
  readonly stored: number;
  readonly failed: number;
  readonly seconds: number;
  readonly recordsPerSecond: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly retries: number;
  readonly errors: Readonly<Record<string, number>>;
}

const BUCKET = 'cities';
const CIRCLET = fileURLToPath(new URL('../../cli/bin/circlet.mjs', import.meta.url));
const READERS = 32;
const HEAL_WITHIN_MS = 120_000;
const POLL_MS = 200;

export async function runCities({
  records: count,
  feedMs,
  frozenMs,
  say,
}: CitiesOptions): Promise<CitiesReport> {
  const records = cities(count);
  say(`${records.length} records; starting 5 storage pods, 2 coordinators, 1 nats-server`);
  const cluster = await startLocalCluster({ storage: 5, coordinators: 2 });
  try {
    const trouble = new Trouble(cluster, frozenMs, say);
    const importing = await importAll(cluster, records, feedMs, trouble);
    await trouble.finished();
    say(`imported: ${importing.stored} acknowledged in ${importing.seconds.toFixed(1)} s; healing`);
    const healedInMs = await heal(cluster, say);
    const hintsLeft = await hintsHeld(cluster);
    say(
      `healed in ${(healedInMs / 1000).toFixed(1)} s, ${hintsLeft} hints left; reading everything back at r=all`,
    );
    const { different, reads, seconds } = await readBack(cluster, records);
    return {
      records: records.length,
      import: importing,
      hintsAtPeak: trouble.hintsAtPeak,
      healedInMs,
      reads,
      readsPerSecond: reads / seconds,
      different,
      hintsLeft,
    };
  } finally {
    await cluster.down();
  }
}

/** What goes wrong, and at which share of the import. */
class Trouble {
  hintsAtPeak = 0;
  private readonly cluster: LocalCluster;
  private readonly frozenMs: number;
  private readonly say: (line: string) => void;
  private readonly steps: { readonly at: number; readonly run: () => Promise<void> }[];
  private readonly running: Promise<void>[] = [];

  constructor(cluster: LocalCluster, frozenMs: number, say: (line: string) => void) {
    this.cluster = cluster;
    this.frozenMs = frozenMs;
    this.say = say;
    this.steps = [
      { at: 0.2, run: () => this.kill() },
      { at: 0.35, run: () => this.freeze() },
      { at: 0.6, run: () => this.restartNats() },
      { at: 0.9, run: () => this.countHints() },
    ];
  }

  /** Called with the share of the records that the import has taken so far. */
  progress(share: number): void {
    while (this.steps[0] !== undefined && share >= this.steps[0].at)
      this.running.push(this.steps.shift()?.run() ?? Promise.resolve());
  }

  async finished(): Promise<void> {
    await Promise.all(this.running);
    if (this.steps.length > 0) throw new Error('the import ended before everything had gone wrong');
  }

  private async kill(): Promise<void> {
    this.say('SIGKILL storage-1');
    await this.cluster.supervisor.kill('storage-1');
  }

  private async freeze(): Promise<void> {
    const pid = this.cluster.pid('storage-3');
    this.say(`SIGSTOP storage-3 for ${this.frozenMs / 1000} s`);
    process.kill(pid, 'SIGSTOP');
    await new Promise((wake) => setTimeout(wake, this.frozenMs));
    process.kill(pid, 'SIGCONT');
    this.say('SIGCONT storage-3');
  }

  private async restartNats(): Promise<void> {
    this.say('restarting the NATS server');
    await this.cluster.supervisor.kill('nats-0');
    await this.cluster.supervisor.start('nats-0');
  }

  private async countHints(): Promise<void> {
    this.hintsAtPeak = await hintsHeld(this.cluster);
    this.say(`hints held now: ${this.hintsAtPeak}`);
  }
}

/** Runs `circlet import` as a user would, feeding it through its stdin. */
async function importAll(
  cluster: LocalCluster,
  records: readonly CityRecord[],
  feedMs: number,
  trouble: Trouble,
): Promise<ImportReport> {
  const args = [
    'import',
    BUCKET,
    '-',
    '--format',
    'ndjson',
    '--key',
    'cityId',
    '--url',
    cluster.urls.join(','),
    '-o',
    'json',
  ];
  const child = spawn(process.execPath, [CIRCLET, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  let report = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    report += text;
  });
  const exit = once(child, 'exit') as Promise<[number | null]>;
  const startMs = performance.now();
  for (const [i, { line }] of records.entries()) {
    const aheadMs = (i / records.length) * feedMs - (performance.now() - startMs);
    if (aheadMs > 20) await new Promise((wake) => setTimeout(wake, aheadMs));
    if (!child.stdin.write(`${line}\n`)) await Promise.race([once(child.stdin, 'drain'), exit]);
    if (child.exitCode !== null) break;
    trouble.progress((i + 1) / records.length);
  }
  child.stdin.end();
  const [code] = await exit;
  if (code !== 0) throw new Error(`circlet import ended with ${code}: ${report}`);
  return JSON.parse(report) as ImportReport;
}

/** Starts what is dead and waits until nobody owes anybody anything. Milliseconds it took. */
async function heal(cluster: LocalCluster, say: (line: string) => void): Promise<number> {
  const startMs = performance.now();
  await cluster.supervisor.start('storage-1');
  say('storage-1 is back');
  for (;;) {
    if ((await isHealed(cluster)) && (await hintsHeld(cluster)) === 0) return performance.now() - startMs;
    if (performance.now() - startMs > HEAL_WITHIN_MS)
      throw new Error(`not healed in ${HEAL_WITHIN_MS / 1000} s`);
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
}

interface NodeFigures {
  readonly status: string;
  readonly hints: { readonly held: number; readonly owed: number };
}

async function nodesSeenBy(url: string): Promise<readonly NodeFigures[]> {
  const answer = await fetch(`${url}/v1/cluster/nodes`);
  return ((await answer.json()) as { nodes: NodeFigures[] }).nodes;
}

async function isHealed({ urls }: LocalCluster): Promise<boolean> {
  const views = await Promise.all(urls.map(nodesSeenBy));
  return views.flat().every((node) => node.status === 'alive');
}

/** Hints held by all nodes together, as the coordinator that knows of most says. */
async function hintsHeld({ urls }: LocalCluster): Promise<number> {
  const views = await Promise.all(urls.map(nodesSeenBy));
  return Math.max(...views.map((nodes) => nodes.reduce((sum, { hints }) => sum + hints.held, 0)));
}

/** Every record through every coordinator at r=all, compared byte by byte. */
async function readBack(
  { urls }: LocalCluster,
  records: readonly CityRecord[],
): Promise<{ different: readonly string[]; reads: number; seconds: number }> {
  const startMs = performance.now();
  const different: string[] = [];
  const wanted = urls.flatMap((url) => records.map((record) => ({ url, record })));
  let next = 0;
  const reader = async (): Promise<void> => {
    for (let i = next++; i < wanted.length; i = next++) {
      const { url, record } = wanted[i] as (typeof wanted)[number];
      const flaw = await differenceOf(url, record);
      if (flaw !== undefined) different.push(`${record.key} through ${url}: ${flaw}`);
    }
  };
  await Promise.all(Array.from({ length: READERS }, reader));
  return { different, reads: wanted.length, seconds: (performance.now() - startMs) / 1000 };
}

async function differenceOf(url: string, { key, line }: CityRecord): Promise<string | undefined> {
  const answer = await fetch(`${url}/v1/kv/${BUCKET}/${key}?r=all`);
  const body = Buffer.from(await answer.arrayBuffer());
  if (answer.status !== 200) return `status ${answer.status} ${body.toString().slice(0, 200)}`;
  return body.equals(Buffer.from(line)) ? undefined : `other bytes: ${body.toString().slice(0, 100)}`;
}
