import type { Command } from 'commander';
import type { Location } from '../client/results.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { explaining } from '../failure.ts';
import { printable } from '../human.ts';
import { type GlobalOptions, clientFrom } from '../settings.ts';
import { type Column, formatTable } from '../table.ts';
import { paint, writeData, writeJson } from '../terminal.ts';
import { checkedName } from './names.ts';

export function addLocate(program: Command): void {
  const command = program
    .command('locate')
    .summary('show which nodes hold a key')
    .description(
      'Show where a key falls on the ring and its preference list: the owners first, then the fallbacks.',
    )
    .argument('<bucket>')
    .argument('<key>');
  command.action(async (bucket: string, key: string) => {
    process.exitCode = await locate(bucket, key, command.optsWithGlobals<GlobalOptions>());
  });
}

async function locate(bucket: string, key: string, options: GlobalOptions): Promise<ExitCode> {
  const name = checkedName(bucket, key);
  const client = clientFrom(options);
  try {
    const location = await explaining(`locate ${name}`, client.locate(bucket, key));
    if (options.o === 'json') await writeJson({ bucket, key, ...location });
    else await writeData(headerOf(location) + formatTable(COLUMNS, rowsOf(location)));
    return EXIT.ok;
  } finally {
    client.close();
  }
}

function headerOf({ position, vnode }: Location): string {
  return `position ${printable(position)}  vnode ${printable(String(vnode))}\n`;
}

type Row = Location['preferenceList'][number] & { readonly rank: number };

function rowsOf({ preferenceList }: Location): Row[] {
  return preferenceList.map((entry, i) => ({ ...entry, rank: i + 1 }));
}

const COLUMNS: readonly Column<Row>[] = [
  { title: '#', value: (row) => String(row.rank), align: 'right' },
  { title: 'NODE', value: (row) => row.node },
  { title: 'ROLE', value: (row) => row.role },
  { title: 'STATUS', value: (row) => row.status, paint: (cell, row) => paint(colourOf(row.status), cell) },
];

function colourOf(status: string): 'green' | 'yellow' | 'red' {
  if (status === 'alive') return 'green';
  return status === 'down' ? 'red' : 'yellow';
}
