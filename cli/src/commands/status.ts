import type { Command } from 'commander';
import type { ClusterInfo, NodeInfo } from '../client/results.ts';
import { formatDuration } from '../duration.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { explaining } from '../failure.ts';
import { formatBytes, formatCount, plural, printable } from '../human.ts';
import { type GlobalOptions, clientFrom } from '../settings.ts';
import { type Column, formatTable } from '../table.ts';
import { paint, sayWarning, writeData, writeJson } from '../terminal.ts';

export function addStatus(program: Command): void {
  const command = program
    .command('status')
    .summary('show the nodes of the cluster')
    .description(
      'Show the nodes of the cluster. STATE is two letters: U up, S suspect or D down, and N normal, J joining, ' +
        'L leaving or R refilling a lost disk. Ends with exit code 6 when a node is down.',
    );
  command.action(async () => {
    process.exitCode = await showStatus(command.optsWithGlobals<GlobalOptions>());
  });
}

async function showStatus(options: GlobalOptions): Promise<ExitCode> {
  const client = clientFrom(options);
  try {
    const [cluster, nodes] = await explaining(
      'read the status',
      Promise.all([client.cluster(), client.nodes()]),
    );
    const down = nodes.filter((node) => node.status === 'down').map((node) => node.name);
    if (options.o === 'json') await writeJson(documentOf(cluster, nodes));
    else await writeData(headerOf(cluster, nodes.length) + formatTable(COLUMNS, nodes));
    if (down.length === 0) return EXIT.ok;
    sayWarning(`${plural(down.length, 'node is', 'nodes are')} down: ${down.join(', ')}.`);
    return EXIT.degraded;
  } finally {
    client.close();
  }
}

const STATUS_LETTER: Readonly<Record<string, string>> = { alive: 'U', suspect: 'S', down: 'D' };
const STATE_LETTER: Readonly<Record<string, string>> = {
  active: 'N',
  joining: 'J',
  leaving: 'L',
  refilling: 'R',
};

/** The two letters of nodetool; `?` for a word this version does not know. */
function stateCode({ status, state }: Pick<NodeInfo, 'status' | 'state'>): string {
  return (STATUS_LETTER[status] ?? '?') + (STATE_LETTER[state] ?? '?');
}

function headerOf(cluster: ClusterInfo, nodes: number): string {
  const facts = [
    `cluster ${printable(cluster.clusterId)}`,
    `epoch ${cluster.epoch}`,
    `N=${cluster.replicas}`,
    plural(cluster.partitions, 'partition'),
    plural(nodes, 'node'),
  ];
  return `${facts.join('  ')}\n`;
}

const orDash = (value: number | undefined, format: (value: number) => string): string =>
  value === undefined ? '-' : format(value);

const COLUMNS: readonly Column<NodeInfo>[] = [
  { title: 'STATE', value: stateCode, paint: (cell, node) => paint(colourOf(node), cell) },
  { title: 'NAME', value: (node) => node.name },
  { title: 'ZONE', value: (node) => node.zone ?? '-' },
  { title: 'VNODES', value: (node) => orDash(node.vnodes, formatCount), align: 'right' },
  { title: 'KEYS', value: (node) => orDash(node.keys, formatCount), align: 'right' },
  { title: 'BYTES', value: (node) => orDash(node.bytes, formatBytes), align: 'right' },
  { title: 'HINTS HELD', value: (node) => orDash(node.hints.held, formatCount), align: 'right' },
  { title: 'OWED', value: (node) => orDash(node.hints.owed, formatCount), align: 'right' },
  { title: 'OLDEST', value: oldestOf, align: 'right' },
];

/** Without a hint there is no oldest one, whatever number stands there. */
function oldestOf({ hints }: NodeInfo): string {
  if ((hints.held ?? 0) === 0 && (hints.owed ?? 0) === 0) return '-';
  return orDash(hints.oldestAgeMs, formatDuration);
}

function colourOf({ status, state }: NodeInfo): 'green' | 'yellow' | 'red' {
  if (status === 'down') return 'red';
  return status === 'alive' && state === 'active' ? 'green' : 'yellow';
}

function documentOf(cluster: ClusterInfo, nodes: readonly NodeInfo[]): unknown {
  return {
    cluster: {
      clusterId: cluster.clusterId,
      epoch: cluster.epoch,
      replicas: cluster.replicas,
      partitions: cluster.partitions,
      version: cluster.version ?? null,
    },
    nodes: nodes.map((node) => ({
      code: stateCode(node),
      name: node.name,
      id: node.id ?? null,
      zone: node.zone ?? null,
      state: node.state,
      status: node.status,
      vnodes: node.vnodes ?? null,
      keys: node.keys ?? null,
      bytes: node.bytes ?? null,
      hints: {
        held: node.hints.held ?? null,
        owed: node.hints.owed ?? null,
        oldestAgeMs: node.hints.oldestAgeMs ?? null,
      },
      version: node.version ?? null,
    })),
  };
}
